"""Commands on the images of the data set: `data`, `keep-splits`."""

import argparse
import json

import pandas as pd

from pawprint.cli import add_format, aligned
from pawprint.columns import SPLIT, SPLITS
from pawprint.dataset.user_tables import keep_splits, read_kept_splits
from pawprint.errors import InputError, printable
from pawprint.files import md5
from pawprint.pipeline.recorded import Recorded
from pawprint.pipeline.revisions import WORKSPACE
from pawprint.project import LOCK, SPLIT_CSV, SPLITS_CSV
from pawprint.tables import read_table
from pawprint.tools.changes import CHANGES, count_changes, find_changes, tables_of


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["diff"], metavar="diff")
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="?", default=WORKSPACE, help="default: the workspace"
    )
    add_format(parser, FORMATS)


def run_data(arguments: argparse.Namespace) -> None:
    """List the images that changed between two commits, or between a commit and the workspace.

    `data diff` compares what `clean` and `split` recorded: images added, removed, relabelled, moved
    to another split, and files newly rejected. An image is known by its pixels, so a renamed file
    is no change. For the workspace, run `dvc repro split` first.
    """
    old, new = arguments.old, arguments.new
    before, after = tables_of(old), tables_of(new)
    changes = find_changes(before[0], after[0], before[1], after[1])
    if changes.empty and arguments.format == "table":
        first = ". After a change of images or labels, run `dvc repro split` first"
        print(f"{old} and {new} have the same images{first if new == WORKSPACE else ''}")
    else:
        FORMATS[arguments.format](changes)


def print_table(changes: pd.DataFrame) -> None:
    print(count_changes(changes).to_string(), end="\n\n")
    rows = changes[CHANGES].assign(path=changes["path"].map(printable))
    print(aligned([CHANGES, *rows.to_numpy()]))


def print_csv(changes: pd.DataFrame) -> None:
    print(changes[CHANGES].to_csv(index=False, lineterminator="\n"), end="")


def print_json(changes: pd.DataFrame) -> None:
    rows = changes[CHANGES].astype(object)
    print(json.dumps(rows.where(rows != "", None).to_dict("records"), indent=2))


FORMATS = {"table": print_table, "csv": print_csv, "json": print_json}


def run_keep_splits(arguments: argparse.Namespace) -> None:
    """Write the splits of the last result into splits.csv, so that all images stay in their split.

    The images of the last `dvc repro split` that the file does not have are added. Run it again
    each time images were added and `dvc repro split` has placed them, before labels are corrected.
    You can edit the column `split`.
    """
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
