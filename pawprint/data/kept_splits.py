"""Read splits.csv, which keeps images in their splits, add new images to it, and describe it."""

from pathlib import Path
from typing import TYPE_CHECKING

from pawprint.base.columns import SPLITS
from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.data import user_tables

if TYPE_CHECKING:
    import pandas as pd


def read_kept_splits(path: Path) -> dict[str, str]:
    """Return the split for each `pixels_sha256`, in row order.

    Raises InputError, with the line number, for a hash that is not 64 hexadecimal digits, a split
    that is not in SPLITS, and an image in two splits. Also raises InputError if the file is not
    such a table.
    """
    splits: dict[str, str] = {}
    for line, row in user_tables.read_csv_rows(path, user_tables.SPLIT_COLUMNS):
        pixels = row["pixels_sha256"]
        split = row["split"]
        problem = None
        if not user_tables.SHA256.fullmatch(pixels):
            problem = f"expected a pixels_sha256 with 64 hexadecimal digits. Received: {pixels!r}"
        elif split not in SPLITS:
            problem = f"expected the split {', '.join(SPLITS)}. Received: {split!r}"
        elif splits.setdefault(pixels, split) != split:
            problem = (
                f"expected one split for each image. Received: {split} for {pixels}, which is in "
                f"{splits[pixels]} above"
            )
        if problem:
            raise InputError(f"{path}: line {line}: {printable(problem)}. Correct the line.")
    return splits


def describe_kept_splits(images: "pd.DataFrame", kept_splits: dict[str, str]) -> list[str]:
    """Return lines that compare `kept_splits`, from splits.csv, with a SPLIT table.

    They report images without a row, rows without an image, and rows that the split does not
    follow, because groups stay together.
    """
    if not kept_splits:
        return []
    lines = []
    if new := int((~images["pixels_sha256"].isin(kept_splits)).sum()):
        lines.append(
            f"the file lacks {counted(new, 'image')}, so later changes can move images. Run "
            "`pawprint keep-splits` to keep every image in its split"
        )
    if rows := len(kept_splits.keys() - set(images["pixels_sha256"])):
        lines.append(f"{rows:,} of {len(kept_splits):,} rows do not match a usable image")
    expected = images["pixels_sha256"].map(kept_splits)
    moved = images[expected.notna() & (expected != images["split"])]
    if groups := sorted(set(moved["group"])):
        lines.append(
            f"divides {counted(len(groups), 'group')}: {name_some(groups)}. Each follows its first "
            f"image in the file, so {len(moved):,} images are not in the split that their row gives"
        )
    return lines
