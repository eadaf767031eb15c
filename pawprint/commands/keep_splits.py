"""The `keep-splits` command."""

import argparse
from pathlib import Path

import pandas as pd

from pawprint.artifacts import last_split
from pawprint.base.columns import SPLITS
from pawprint.base.errors import InputError, counted
from pawprint.base.files import md5, read_bytes, write_text
from pawprint.base.paths import SPLITS_CSV
from pawprint.given.user_tables import EMPTY_TABLES, SPLIT_COLUMNS, parse_csv, read_kept_splits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    train = "use all new images for training, such as images that you chose by hand"
    parser.add_argument("--train", action="store_true", help=train)


def run(arguments: argparse.Namespace) -> None:
    """Write the latest splits to splits.csv, so that all images stay in their split.

    This adds the images from the last `dvc repro split` that are missing from the file. After you
    add images, run `dvc repro split` and then this command, before you correct any labels. With
    --train, new images become training images, so that the validation and test sets stay the same.
    This is useful because hand-picked images are not a random sample. You can edit the column
    `split`.

    Examples:
      pawprint keep-splits
      pawprint keep-splits --train
    """
    new = keep_last_splits(Path(), arguments.train)
    counts = new["split"].value_counts().reindex(SPLITS, fill_value=0)
    added = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    print(
        f"keep-splits: {SPLITS_CSV}: {counted(len(new), 'image')} added: {added}. Run `dvc repro`."
    )


def keep_last_splits(folder: Path, are_training: bool) -> pd.DataFrame:
    """Add the images from the last result to a project's splits.csv and return their rows.

    The images keep their split or, with `are_training`, become training images. Raises InputError
    if a result is missing, or if splits.csv has been edited since.
    """
    table = folder / SPLITS_CSV
    images, splits_md5 = last_split(folder)
    has_rows = table.exists() and read_kept_splits(table)
    if are_training and not has_rows:
        raise InputError(
            f"{SPLITS_CSV}: the splits of the earlier images are missing. Run "
            "`pawprint keep-splits` before you add images."
        )
    if has_rows and splits_md5 != md5(table):
        raise InputError(
            f"{SPLITS_CSV}: the file was edited since `split` last read it. Run `dvc repro split`."
        )
    return keep_splits(table, images, are_training)


def keep_splits(path: Path, images: pd.DataFrame, to_train: bool = False) -> pd.DataFrame:
    """Write the splits from a SPLIT table to splits.csv and return the new rows.

    With `to_train`, new images become training images if they do not share a group with old ones.
    Rows for other images, and additional columns, stay as they are. Raises InputError if the file
    is not such a table.
    """
    content = read_bytes(path) if path.exists() else EMPTY_TABLES[SPLITS_CSV].encode()
    written = parse_csv(content, str(path), SPLIT_COLUMNS)
    table = pd.DataFrame([cells for _, cells in written.rows], columns=written.names, dtype=str)
    split_of = images.set_index("pixels_sha256")["split"]
    table["split"] = table["pixels_sha256"].map(split_of).fillna(table["split"])
    is_new = ~images["pixels_sha256"].isin(table["pixels_sha256"])
    new = images[is_new]
    if to_train:
        is_with_old = new["group"].isin(images["group"][~is_new])
        new = new.assign(split=new["split"].where(is_with_old, "train"))
    rows = pd.concat([table, new[list(SPLIT_COLUMNS)]]).fillna("")
    write_text(path, rows.rename(columns=str.strip).to_csv(index=False, lineterminator="\n"))
    return new
