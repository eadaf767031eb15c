"""Keep the splits from a project's last result in splits.csv."""

from pathlib import Path

import pandas as pd

from pawprint.columns import SPLIT
from pawprint.dataset.kept_splits import keep_splits, read_kept_splits
from pawprint.errors import InputError
from pawprint.files import md5
from pawprint.paths import LOCK, SPLIT_CSV, SPLITS_CSV
from pawprint.pipeline.recorded import Recorded
from pawprint.tables import read_table


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
