"""Describe how images changed between two runs, as table rows and as sentences."""

from collections import defaultdict
from typing import NamedTuple

import pandas as pd

from pawprint.errors import counted, name_some, printable

KINDS = ["added", "removed", "relabelled", "moved", "rejected"]
CHANGES = ["path", "kind", "label", "before", "after"]
COMPARED = ["path", "label", "split", "pixels_sha256"]
NOT_KNOWN = (
    "unknown, because its image tables are not in DVC's cache, or were written by an earlier "
    "version; to fetch them, run `dvc pull` before a run"
)


class Images(NamedTuple):
    """A run's images, with the columns COMPARED, and its REJECTED table."""

    usable: pd.DataFrame
    rejected: pd.DataFrame


def images_of(split: pd.DataFrame, unknown: pd.DataFrame, rejected: pd.DataFrame) -> Images:
    """Return a run's images from its tables SPLIT, IMAGES (for unknown images) and REJECTED.

    Unknown images count as usable, and their split is "".
    """
    usable = pd.concat([split, unknown.assign(split="")], ignore_index=True)
    return Images(usable[COMPARED], rejected)


def find_changes(before: Images, after: Images) -> pd.DataFrame:
    """Return a row for each change, with the columns CHANGES, ordered by kind.

    `label` is the image's class. `before` and `after` are splits for the kind `moved`, and labels
    or "" for other kinds.

    Images with the same pixels count as one image, which the tables list once. Renaming a file is
    therefore not a change, and giving a file new pixels removes one image and adds another. An
    image that is both relabelled and moved has two rows. A file only counts as `rejected` if it was
    not rejected before; `before` is then the lost image's label, or "".
    """
    both = before.usable.merge(
        after.usable, "outer", "pixels_sha256", suffixes=("_old", ""), indicator="side"
    )
    gone, added, kept = (both[both["side"] == side] for side in ("left_only", "right_only", "both"))
    gone = gone.assign(path=gone["path_old"], label=gone["label_old"])
    rejected = after.rejected[~after.rejected["path"].isin(before.rejected["path"])]
    names = gone["path"].map(printable)  # printable, as in REJECTED
    lost = rejected["path"].map(defaultdict(str, zip(names, gone["label"])))
    removed = gone[~names.isin(rejected["path"])]
    relabelled = kept[kept["label_old"] != kept["label"]]
    moved = kept[kept["split_old"] != kept["split"]]
    moved = moved[(moved[["split_old", "split"]] != "").all(axis=1)]
    tables = (
        added.assign(before="", after=added["label"]),
        removed.assign(before=removed["label"], after=""),
        relabelled.assign(before=relabelled["label_old"], after=relabelled["label"]),
        moved.assign(before=moved["split_old"], after=moved["split"]),
        rejected.assign(label=lost, before=lost, after=""),
    )
    rows = [table.assign(kind=kind) for kind, table in zip(KINDS, tables)]
    return pd.concat(rows, ignore_index=True)[CHANGES]


def describe_changes(changes: pd.DataFrame) -> str:
    """Return text such as "1 label corrected (glass to metal), 2 photos added (glass 1, metal 1)".

    `changes` are rows from `find_changes`. If there are none, the text is "".
    """
    rows = {kind: changes[changes["kind"] == kind] for kind in KINDS}
    parts = (
        _count("label", "corrected", _arrows(rows["relabelled"])),
        _count("photo", "added", rows["added"]["label"]),
        _count("photo", "removed", rows["removed"]["label"]),
        _count("file", "rejected", rows["rejected"]["label"].replace("", "not counted before")),
        _count("photo", "moved", _arrows(rows["moved"])),
    )
    return ", ".join(filter(None, parts))


def _arrows(changes: pd.DataFrame) -> pd.Series:
    return changes["before"] + " to " + changes["after"]


def _count(noun: str, verb: str, names: pd.Series) -> str:
    """Return text such as "20 photos added (glass 10, plastic 10)", or "" without names."""
    return f"{counted(len(names), noun)} {verb} ({_name_counts(names)})" if len(names) else ""


def _name_counts(names: pd.Series) -> str:
    """Return text such as "glass 12, paper 3", largest number first, or just the only name."""
    counts = names.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if len(counts) == 1:
        return name_some(counts.index)
    return name_some(f"{name} {number:,}" for name, number in counts.items())
