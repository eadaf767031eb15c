"""What differs between the images of two runs."""

import functools
from collections import defaultdict

import pandas as pd

from pawprint import project
from pawprint.columns import IMAGES, REJECTED, SPLIT
from pawprint.errors import printable
from pawprint.pipeline.revisions import read_revision
from pawprint.tables import parse_table

KINDS = ["added", "removed", "relabelled", "moved", "rejected"]
CHANGES = ["path", "kind", "before", "after", "reason"]


Tables = tuple[pd.DataFrame, pd.DataFrame]  # see `tables_of`


def find_changes(before: Tables, after: Tables) -> pd.DataFrame:
    """A row per change with the columns CHANGES and `label`, its class; by kind and path.

    The columns `before` and `after` are splits if the kind is `moved`, or else labels, or "".
    `reason` is that of a rejected file, with its detail.

    Images with the same pixels are one image, which the tables have once. So a renamed file is no
    change, and a file with other pixels is one image removed and one added. An image both
    relabelled and moved has two rows. A file is `rejected` if it was not before; `before` is the
    label of the image that is lost by this, or "".
    """
    (old, old_rejected), (new, new_rejected) = before, after
    both = old.merge(new, "outer", "pixels_sha256", suffixes=("_old", ""), indicator="side")
    gone, added, kept = (both[both["side"] == side] for side in ("left_only", "right_only", "both"))
    gone = gone.assign(path=gone["path_old"], label=gone["label_old"])
    rejected = new_rejected[~new_rejected["path"].isin(old_rejected["path"])]
    names = gone["path"].map(printable)  # as in REJECTED
    lost = rejected["path"].map(defaultdict(str, zip(names, gone["label"])))
    why = rejected["reason"] + ": " + rejected["detail"]
    removed = gone[~names.isin(rejected["path"])]
    relabelled = kept[kept["label_old"] != kept["label"]]
    moved = kept[kept["split_old"] != kept["split"]]
    moved = moved[(moved[["split_old", "split"]] != "").all(axis=1)]
    tables = (
        added.assign(before="", after=added["label"]),
        removed.assign(before=removed["label"], after=""),
        relabelled.assign(before=relabelled["label_old"], after=relabelled["label"]),
        moved.assign(before=moved["split_old"], after=moved["split"]),
        rejected.assign(label=lost, before=lost, after="", reason=why),
    )
    rows = [table.assign(kind=kind).sort_values("path") for kind, table in zip(KINDS, tables)]
    return pd.concat(rows, ignore_index=True)[[*CHANGES, "label"]].fillna("")


def count_changes(changes: pd.DataFrame) -> pd.DataFrame:
    """Rows of `find_changes`: a row per label, sorted, and `all`; a column per kind.

    A relabelled image counts for its new label, a rejected file that was no image for "-".
    """
    labels = changes["label"].replace("", "-")
    counts = pd.crosstab(labels, changes["kind"]).reindex(columns=KINDS, fill_value=0)
    counts = pd.concat([counts, counts.sum().rename("all").to_frame().T])
    return counts.rename_axis(index=None, columns=None)


def tables_of(rev: str) -> Tables:
    """Of a revision, columns of the table SPLIT, and the table REJECTED.

    Unknown images are among them, with the split "".
    """
    images, unknown, rejected = (
        read_revision(rev, path, functools.partial(parse_table, columns=columns))
        for path, columns in (
            (project.SPLIT_CSV, SPLIT),
            (project.UNKNOWN_CSV, IMAGES),
            (project.REJECTED_CSV, REJECTED),
        )
    )
    images = pd.concat([images, unknown.assign(split="")], ignore_index=True)
    return images[["path", "label", "split", "pixels_sha256"]], rejected
