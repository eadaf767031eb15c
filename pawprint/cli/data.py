"""List the images that changed between two commits, or between a commit and the workspace.

`data diff` compares what `clean` and `split` recorded: images added, removed, relabelled, moved to
another split, and files newly rejected. An image is known by its pixels, so a renamed file is no
change. For the workspace, run `dvc repro split` first.
"""

import argparse
import json

import pandas as pd

from pawprint.cli import aligned
from pawprint.dataset.changes import CHANGES, count_changes, find_changes, tables_of
from pawprint.errors import printable
from pawprint.revisions import WORKSPACE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["diff"], metavar="diff")
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="?", default=WORKSPACE, help="default: the workspace"
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="of the output; default: %(default)s"
    )


def run(arguments: argparse.Namespace) -> None:
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
