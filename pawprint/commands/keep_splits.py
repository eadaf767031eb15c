"""The `keep-splits` command."""

import argparse
from pathlib import Path

from pawprint.columns import SPLITS
from pawprint.paths import SPLITS_CSV
from pawprint.projects.splits import keep_last_splits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    train = "use all new images for training, such as images chosen by `pawprint suggest`"
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
    print(f"keep-splits: {SPLITS_CSV}: {len(new):,} images added: {added}. Run `dvc repro`.")
