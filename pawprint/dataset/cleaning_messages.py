"""Describe the usable and the rejected images: counts, missing content, grey levels, and pages."""

from collections import Counter
from pathlib import PurePosixPath

import pandas as pd

from pawprint.classes import UNLABELLED
from pawprint.dataset.folder_messages import SHOWN
from pawprint.errors import printable
from pawprint.images.archive import count_suffixes


def describe_bits(images: pd.DataFrame, bits: int | None) -> str:
    """Return advice about `clean.bits` for grey images above 8 bits, or "" if the setting is right.

    `images` has the columns `used_bits` and `file_bits`, and was cleaned with the setting `bits`.
    """
    deep = images[images["file_bits"] > 8]
    used = deep["used_bits"].max()
    held = deep["file_bits"].max()
    if bits is None and used < held:
        return (
            f"{len(deep):,} {held}-bit grey images use only {used} bits; set clean.bits to "
            f"{used}, so that {2**used - 1:,} is white, in these and in new images"
        )
    if bits is not None and used > bits:
        return (
            f"clean.bits: {bits} turns values above {2**bits - 1:,} white in "
            f"{(deep['used_bits'] > bits).sum():,} grey images, some of which use {used} bits"
        )
    return ""


def describe_pages(images: pd.DataFrame) -> str:
    """Return how many files contain more than one page or frame, as text, or "" if none do.

    `images` has the column `has_more`.
    """
    files = images["has_more"].sum()
    if not files:
        return ""
    return f"{files:,} files have several pages or frames; the first of each is used"


def describe_files(usable: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Return text such as "kept 4 of 7 images (2 truncated, 1 empty file); 3 other files (3 .txt)".

    `usable` contains a row for each usable image, including UNKNOWN ones. `rejected` is a REJECTED
    table.
    """
    is_other = rejected["reason"] == "other_file"
    suffixes = count_suffixes(rejected["path"][is_other].tolist())
    reasons = rejected["reason"][~is_other].str.replace("_", " ").value_counts().items()
    counts = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
    text = f"kept {len(usable):,} of {len(usable) + len(rejected) - is_other.sum():,} images"
    text += f" ({counts})" if counts else ""
    return f"{text}; {is_other.sum():,} other files ({suffixes})" if is_other.any() else text


def describe_pointers(rejected: pd.DataFrame) -> str:
    """Return text such as "20 images are missing: a pointer of Git LFS: run …", or "" if none are.

    `rejected` is a REJECTED table.
    """
    details = rejected["detail"][rejected["reason"] == "no_content"]
    if details.empty:
        return ""
    return f"{len(details):,} images are missing: {', '.join(details.unique())}"


def describe_unlabelled(rejected: pd.DataFrame, detail: str) -> str:
    """Return the folders whose images were rejected as unlabelled for this reason: "birds/ (50)".

    At most SHOWN folders are listed, starting with the largest. `rejected` is a REJECTED table.
    """
    is_meant = (rejected["reason"] == UNLABELLED) & (rejected["detail"] == detail)
    folders = [f"{PurePosixPath(path).parent}/" for path in rejected.loc[is_meant, "path"]]
    number = Counter(folders).most_common(SHOWN)
    return ", ".join(f"{printable(folder)} ({images:,})" for folder, images in number)
