"""Write the splits of the last result into splits.csv, so that all images stay in their split.

The images of the last `dvc repro split` that the file does not have are added. Run it again after
images were added and `dvc repro split` has placed them. You can edit the column `split`.
"""

import argparse

from pawprint.columns import SPLIT, SPLITS
from pawprint.dataset.user_tables import keep_splits, read_kept_splits
from pawprint.errors import InputError
from pawprint.files import md5
from pawprint.project import LOCK, SPLIT_CSV, SPLITS_CSV
from pawprint.recorded import Recorded
from pawprint.tables import read_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> None:
    recorded = Recorded()
    result = recorded.hash_of("split", SPLIT_CSV)
    if not result:
        raise InputError(
            f"{LOCK}: expected the result of `split`. Received: none. Run `dvc repro split`."
        )
    has_rows = SPLITS_CSV.exists() and read_kept_splits(SPLITS_CSV)
    if has_rows and recorded.hash_of("split", SPLITS_CSV, "deps") != md5(SPLITS_CSV):
        raise InputError(
            f"{SPLITS_CSV}: expected the file that `split` last read. Received: an edit of it. Run "
            "`dvc repro split`."
        )
    new = keep_splits(SPLITS_CSV, read_table(recorded.file(result), SPLIT))
    counts = new["split"].value_counts().reindex(SPLITS, fill_value=0)
    added = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    print(f"keep-splits: {SPLITS_CSV}: {len(new):,} images added: {added}. Run `dvc repro`.")
