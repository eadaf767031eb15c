"""What `clean` kept and rejected, in words."""

import pandas as pd


def describe_files(kept: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Such as "kept 4 of 7 files (2 truncated, 1 empty)", of tables IMAGES and REJECTED."""
    reasons = rejected["reason"].str.replace("_", " ").value_counts().items()
    listed = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
    files = f"kept {len(kept):,} of {len(kept) + len(rejected):,} files"
    return f"{files} ({listed})" if listed else files
