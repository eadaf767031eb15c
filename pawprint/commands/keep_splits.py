"""The `keep-splits` command."""

import argparse
from pathlib import Path

import pandas as pd

from pawprint.base.columns import SPLIT, SPLITS
from pawprint.base.errors import InputError, counted
from pawprint.base.files import md5, read_bytes, write_text
from pawprint.base.paths import LOCK, SPLIT_CSV, SPLITS_CSV
from pawprint.base.tables import read_table
from pawprint.data import user_tables
from pawprint.data.user_tables import read_kept_splits
from pawprint.pipeline.recorded import Recorded


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
    recorded = Recorded(folder=folder)
    result = recorded.hash_of("split", SPLIT_CSV)
    if not result:
        raise InputError(
            f"cannot keep splits: {LOCK} contains no result of `split`. Run `dvc repro split`."
        )
    has_rows = table.exists() and read_kept_splits(table)
    if are_training and not has_rows:
        raise InputError(
            f"{SPLITS_CSV}: the splits of the earlier images are missing. Run "
            "`pawprint keep-splits` before you add images."
        )
    if has_rows and recorded.hash_of("split", SPLITS_CSV, "deps") != md5(table):
        raise InputError(
            f"{SPLITS_CSV}: the file was edited since `split` last read it. Run `dvc repro split`."
        )
    return keep_splits(table, read_table(recorded.file(result), SPLIT), are_training)


def keep_splits(path: Path, images: "pd.DataFrame", to_train: bool = False) -> "pd.DataFrame":
    """Write the splits from a SPLIT table to splits.csv and return the new rows.

    With `to_train`, new images become training images if they do not share a group with old ones.
    Rows for other images, and additional columns, stay as they are. Raises InputError if the file
    is not such a table.
    """
    import pandas as pd  # imported here because it is slow and `code` does not need it

    content = read_bytes(path) if path.exists() else user_tables.EMPTY_TABLES[SPLITS_CSV].encode()
    written = user_tables.parse_csv(content, str(path), user_tables.SPLIT_COLUMNS)
    table = pd.DataFrame([cells for _, cells in written.rows], columns=written.names, dtype=str)
    split_of = images.set_index("pixels_sha256")["split"]
    table["split"] = table["pixels_sha256"].map(split_of).fillna(table["split"])
    is_new = ~images["pixels_sha256"].isin(table["pixels_sha256"])
    new = images[is_new]
    if to_train:
        is_with_old = new["group"].isin(images["group"][~is_new])
        new = new.assign(split=new["split"].where(is_with_old, "train"))
    rows = pd.concat([table, new[list(user_tables.SPLIT_COLUMNS)]]).fillna("")
    write_text(path, rows.rename(columns=str.strip).to_csv(index=False, lineterminator="\n"))
    return new
