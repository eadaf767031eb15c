"""Turn sources into splits: archives, cleaning, corrections and near-duplicates."""
