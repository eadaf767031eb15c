"""Describe how images changed between two runs."""

from typing import NamedTuple

import pandas as pd

from pawprint.base.errors import counted, name_some, printable

COMPARED = ["path", "label", "split", "pixels_sha256"]


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


def describe_changes(before: Images, after: Images) -> str:
    """Return text such as "1 label corrected (glass to metal), 2 photos added (glass 1, metal 1)".

    If nothing changed, the text is "". Images with the same pixels count as one image, which the
    tables list once. Renaming a file is therefore not a change, and giving a file new pixels
    removes one image and adds another. An image can be both relabelled and moved. A file only
    counts as rejected if it was not rejected before, with the label of the image that is lost.
    """
    both = before.usable.merge(
        after.usable, "outer", "pixels_sha256", suffixes=("_old", ""), indicator="side"
    )
    gone, added, kept = (both[both["side"] == side] for side in ("left_only", "right_only", "both"))
    rejected = after.rejected["path"][~after.rejected["path"].isin(before.rejected["path"])]
    names = gone["path_old"].map(printable)  # printable, as in REJECTED
    label_of = dict(zip(names, gone["label_old"]))
    lost = pd.Series([label_of.get(path, "not counted before") for path in rejected], dtype=object)
    moved = kept[(kept[["split_old", "split"]] != "").all(axis=1)]
    parts = (
        _count("label", "corrected", _arrows(kept["label_old"], kept["label"])),
        _count("photo", "added", added["label"]),
        _count("photo", "removed", gone["label_old"][~names.isin(rejected)]),
        _count("file", "rejected", lost),
        _count("photo", "moved", _arrows(moved["split_old"], moved["split"])),
    )
    return ", ".join(filter(None, parts))


def _arrows(old: pd.Series, new: pd.Series) -> pd.Series:
    """Return "old to new" for each pair that differs."""
    return (old + " to " + new)[old != new]


def _count(noun: str, verb: str, names: pd.Series) -> str:
    """Return text such as "20 photos added (glass 10, plastic 10)", or "" without names.

    The largest number comes first; a single name has none.
    """
    if names.empty:
        return ""
    counts = names.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    texts = [f"{name} {number:,}" for name, number in counts.items()]
    named = name_some(texts if len(texts) > 1 else counts.index)
    return f"{counted(len(names), noun)} {verb} ({named})"
