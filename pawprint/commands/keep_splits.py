"""The command `keep-splits`."""

import argparse

from pawprint.dataset.user_tables import keep_splits, read_kept_splits
from pawprint.errors import InputError
from pawprint.files import md5
from pawprint.pipeline.recorded import Recorded
from pawprint.project import LOCK, SPLIT, SPLIT_CSV, SPLITS, SPLITS_CSV
from pawprint.tables import read_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    train = "make new images training images, such as the images that `pawprint suggest` named"
    parser.add_argument("--train", action="store_true", help=train)


def run(arguments: argparse.Namespace) -> None:
    """Write the splits of the last result into splits.csv, so that all images stay in their split.

    Adds the images of the last `dvc repro split` that the file lacks. Each time you add images, run
    `dvc repro split`, then this command, and only then correct labels. With --train, new images
    become training images, so that validation and test sets stay as they are: hand-picked images
    are not a random sample. You can edit the column `split`.

    Examples:
      pawprint keep-splits
      pawprint keep-splits --train
    """
    recorded = Recorded()
    result = recorded.hash_of("split", SPLIT_CSV)
    if not result:
        raise InputError(
            f"{LOCK}: expected the result of `split`. Received: none. Run `dvc repro split`."
        )
    has_rows = SPLITS_CSV.exists() and read_kept_splits(SPLITS_CSV)
    if arguments.train and not has_rows:
        raise InputError(
            f"{SPLITS_CSV}: expected the splits of the images that were there before. Received: "
            "none. Run `pawprint keep-splits` before you add images."
        )
    if has_rows and recorded.hash_of("split", SPLITS_CSV, "deps") != md5(SPLITS_CSV):
        raise InputError(
            f"{SPLITS_CSV}: expected the file that `split` last read. Received: an edit of it. Run "
            "`dvc repro split`."
        )
    new = keep_splits(SPLITS_CSV, read_table(recorded.file(result), SPLIT), arguments.train)
    counts = new["split"].value_counts().reindex(SPLITS, fill_value=0)
    added = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    print(f"keep-splits: {SPLITS_CSV}: {len(new):,} images added: {added}. Run `dvc repro`.")
