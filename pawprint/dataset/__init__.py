"""From sources to splits: archives, cleaning, corrections, near-duplicates."""
