"""Downloads, label corrections, near-duplicates and splits."""
