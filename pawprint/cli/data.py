"""Commands on the images of runs: `data`, `keep-splits`."""

import argparse
from functools import partial
from pathlib import Path

import pandas as pd

from pawprint.cli import align
from pawprint.dataset.changes import CHANGES, Images, count_changes, find_changes, images_of
from pawprint.dataset.user_tables import keep_splits, read_kept_splits
from pawprint.errors import InputError, printable
from pawprint.files import md5
from pawprint.pipeline.recorded import Recorded
from pawprint.pipeline.revisions import WORKSPACE, read_revision
from pawprint.project import (
    IMAGES,
    LOCK,
    REJECTED,
    REJECTED_CSV,
    SPLIT,
    SPLIT_CSV,
    SPLITS,
    SPLITS_CSV,
    UNKNOWN_CSV,
    Columns,
)
from pawprint.tables import parse_table, read_table


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["diff"], metavar="diff")
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="?", default=WORKSPACE, help="default: the workspace"
    )


def run_data(arguments: argparse.Namespace) -> None:
    """List the images that changed between two commits, or between a commit and the workspace.

    `data diff` compares what `clean` and `split` recorded: images added, removed, relabelled, moved
    to another split, and files newly rejected. An image is known by its pixels, so a renamed file
    is no change. For the workspace, run `dvc repro split` first.
    """
    old, new = arguments.old, arguments.new
    changes = find_changes(images_in(old), images_in(new))
    if changes.empty:
        first = ". After a change of images or labels, run `dvc repro split` first"
        print(f"{old} and {new} have the same images{first if new == WORKSPACE else ''}")
        return
    print(count_changes(changes).to_string(), end="\n\n")
    rows = changes[CHANGES].assign(path=changes["path"].map(printable))
    print(align([CHANGES, *rows.to_numpy()]))


def images_in(rev: str) -> Images:
    """Return the images of a revision. Raises InputError if it has none."""
    tables = ((SPLIT_CSV, SPLIT), (UNKNOWN_CSV, IMAGES), (REJECTED_CSV, REJECTED))
    return images_of(*(read_table_in(rev, path, columns) for path, columns in tables))


def read_table_in(rev: str, path: Path, columns: Columns) -> pd.DataFrame:
    return read_revision(rev, path, partial(parse_table, columns=columns))


def add_keep_splits(parser: argparse.ArgumentParser) -> None:
    train = "new images are for training, such as those that `pawprint suggest` named"
    parser.add_argument("--train", action="store_true", help=train)


def run_keep_splits(arguments: argparse.Namespace) -> None:
    """Write the splits of the last result into splits.csv, so that all images stay in their split.

    The images of the last `dvc repro split` that the file does not have are added. Run it again
    each time images were added and `dvc repro split` has placed them, before labels are corrected.
    With --train, they become training images, so that validation and test stay as they are: images
    that somebody chose are no sample. You can edit the column `split`.
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
