"""What `clean` kept and rejected, in words."""

from pathlib import PurePosixPath

import pandas as pd

from pawprint.images.decoder import SUFFIXES


def describe_files(kept: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Such as "kept 4 of 7 images (2 truncated, 1 empty); 3 other files".

    The tables are IMAGES and REJECTED. Other files have no suffix of an image.
    """
    is_image = rejected["path"].map(lambda path: PurePosixPath(path).suffix.lower() in SUFFIXES)
    is_other = rejected["reason"].isin(["not_an_image", "no_class"]) & ~is_image.astype(bool)
    reasons = rejected["reason"][~is_other].str.replace("_", " ").value_counts().items()
    listed = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
    text = f"kept {len(kept):,} of {len(kept) + len(rejected) - is_other.sum():,} images"
    text += f" ({listed})" if listed else ""
    return f"{text}; {is_other.sum():,} other files" if is_other.any() else text
