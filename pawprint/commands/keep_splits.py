"""The command `keep-splits`."""

import argparse
from pathlib import Path

from pawprint.columns import SPLITS
from pawprint.paths import SPLITS_CSV
from pawprint.projects.splits import keep_last_splits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    train = "training as the split of new images, such as those that `pawprint suggest` named"
    parser.add_argument("--train", action="store_true", help=train)


def run(arguments: argparse.Namespace) -> None:
    """Write the splits of the last result into splits.csv, so that all images stay in their split.

    The images of the last `dvc repro split` that the file does not have are added. Run it again
    each time images were added and `dvc repro split` has placed them, before labels are corrected.
    With --train, they become training images, so that validation and test stay as they are: images
    that somebody chose are no sample. You can edit the column `split`.

    Examples:
      pawprint keep-splits
      pawprint keep-splits --train
    """
    new = keep_last_splits(Path(), arguments.train)
    counts = new["split"].value_counts().reindex(SPLITS, fill_value=0)
    added = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    print(f"keep-splits: {SPLITS_CSV}: {len(new):,} images added: {added}. Run `dvc repro`.")
