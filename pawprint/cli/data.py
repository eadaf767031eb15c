"""List the images that changed between two commits, or between a commit and the workspace.

`data diff` compares what `clean` and `split` recorded: images added, removed, relabelled, moved to
another split, and files newly rejected. An image is known by its pixels, so a renamed file is no
change. For the workspace, run `dvc repro split` first.
"""

import argparse
import functools
import json
import operator
from pathlib import Path

import pandas as pd

from pawprint.cli import sheet
from pawprint.cli.revisions import WORKSPACE, open_images, read_revision
from pawprint.core import data_paths
from pawprint.core.data_tables import IMAGES, REJECTED, SPLIT
from pawprint.core.errors import printable
from pawprint.core.tables import parse_table
from pawprint.dataset.changes import CHANGES, KINDS, count_changes, find_changes
from pawprint.images.archive import Archive, read_member
from pawprint.images.decoder import decode
from pawprint.images.unusable import UnusableImageError

MAX_PHOTOS = 48  # of each kind of change


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["diff"], metavar="diff")
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="?", default=WORKSPACE, help="default: the workspace"
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="of the output; default: %(default)s"
    )
    about = f"also write a page with at most {MAX_PHOTOS} photos of each kind of change"
    sheet.add_argument(parser, about)


def run(arguments: argparse.Namespace) -> None:
    old, new = arguments.old, arguments.new
    before, after = tables_of(old), tables_of(new)
    changes = find_changes(before[0], after[0], before[1], after[1])
    if arguments.sheet:
        write_sheet(arguments.sheet, changes, old, new)
    if changes.empty and arguments.format == "table":
        first = ". After a change of images or labels, run `dvc repro split` first"
        print(f"{old} and {new} have the same images{first if new == WORKSPACE else ''}")
    else:
        FORMATS[arguments.format](changes)


def tables_of(rev: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The images of a revision, as `find_changes` takes them, and the table REJECTED."""
    images, unknown, rejected = (
        read_revision(rev, path, functools.partial(parse_table, columns=columns))
        for path, columns in (
            (data_paths.SPLIT_IMAGES, SPLIT),
            (data_paths.CLEAN_UNKNOWN, IMAGES),
            (data_paths.CLEAN_REJECTED, REJECTED),
        )
    )
    images = pd.concat([images, unknown.assign(split="")], ignore_index=True)
    return images[["path", "label", "split", "pixels_sha256"]], rejected


def print_table(changes: pd.DataFrame) -> None:
    print(count_changes(changes).to_string(), end="\n\n")
    rows = changes[CHANGES].assign(path=changes["path"].map(printable))
    rows = pd.concat([pd.DataFrame([CHANGES], columns=CHANGES), rows])
    padded = [rows[name].str.ljust(rows[name].str.len().max() + 2) for name in CHANGES]
    print("\n".join(functools.reduce(operator.add, padded).str.rstrip()))


def print_csv(changes: pd.DataFrame) -> None:
    print(changes[CHANGES].to_csv(index=False, lineterminator="\n"), end="")


def print_json(changes: pd.DataFrame) -> None:
    rows = changes[CHANGES].astype(object)
    print(json.dumps(rows.where(rows != "", None).to_dict("records"), indent=2))


FORMATS = {"table": print_table, "csv": print_csv, "json": print_json}


def write_sheet(path: Path, changes: pd.DataFrame, old: str, new: str) -> None:
    """Write a page with the counts, and photos of each kind of change at equal distances.

    The photo of what is lost is that of the old revision. A rejected file may have none.
    """
    # Imported only here, because matplotlib takes a second.
    from pawprint.reports.photo_grid import spread

    numbers = changes["kind"].value_counts()
    shown = pd.concat([spread(changes[changes["kind"] == kind], MAX_PHOTOS) for kind in KINDS])
    is_lost = (shown["before"] != "") & (shown["after"] == "")
    pictures = {}
    for rev, names in ((old, shown["path"][is_lost]), (new, shown["path"][~is_lost])):
        if len(names):
            with open_images(rev) as archive:
                pictures |= {key: picture_of(archive, name) for key, name in names.items()}
    groups: dict[str, list[sheet.Photo]] = {}
    for kind, rows in shown.groupby("kind", sort=False):
        photos = groups[f"{kind} ({len(rows):,} of {numbers[kind]:,})"] = []
        for row in rows.itertuples():
            label = " → ".join(filter(None, (row.before, row.after)))
            photos.append(sheet.Photo(pictures[row.Index], row.path, label, row.reason))
    title = f"Images of {new}, compared with {old}"
    sheet.write_sheet(path, title, groups, count_changes(changes))


def picture_of(archive: Archive, name: str) -> str:
    """A member of the archive, embedded, or "" if it cannot be decoded."""
    try:
        return sheet.embedded(decode(read_member(archive, name)))
    except (KeyError, UnusableImageError):
        return ""
