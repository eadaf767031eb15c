"""Describe rejected files in lines for people."""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

import pandas as pd

from pawprint.base.errors import counted, printable
from pawprint.base.labels import UNLABELLED
from pawprint.base.paths import LABELS_CSV
from pawprint.given.folders import SHOWN
from pawprint.given.names import ACCEPTED, advise_on_name, count_suffixes

# Why an image has no label.
NOT_LISTED = "no row in metadata.csv"
NOT_NAMED = "not in a class folder"
NO_CLASS = "its label in metadata.csv is not a class"
# The problem and what to do about it, keyed by this reason.
ADVICE = {
    NOT_LISTED: ("without a row in metadata.csv", "add rows with their labels, or unknown"),
    NO_CLASS: ("labels in metadata.csv that are not classes", "see clean.labels"),
    NOT_NAMED: (
        "unlabelled",
        "move the images into the folders of their classes, in train/ if there is one, or see "
        "clean.labels",
    ),
}


def describe_files(usable: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Return text such as "kept 4 of 7 images (2 truncated, 1 empty file); 3 other files (3 .txt)".

    `usable` contains a row for each usable image, including UNKNOWN ones. `rejected` is a REJECTED
    table.
    """
    is_other = rejected["reason"] == "other_file"
    suffixes = count_suffixes(rejected["path"][is_other].tolist())
    reasons = rejected["reason"][~is_other].str.replace("_", " ").value_counts().items()
    counts = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
    text = f"kept {len(usable):,} of {len(usable) + len(rejected) - is_other.sum():,} images"
    text += f" ({counts})" if counts else ""
    return (
        f"{text}; {counted(is_other.sum(), 'other file')} ({suffixes})" if is_other.any() else text
    )


def describe_pointers(rejected: pd.DataFrame) -> str:
    """Return text such as "20 images missing: a pointer of Git LFS: run …", or "" if none are.

    `rejected` is a REJECTED table.
    """
    details = rejected["detail"][rejected["reason"] == "no_content"]
    if details.empty:
        return ""
    return f"{counted(len(details), 'image')} missing: {', '.join(details.unique())}"


def describe_unlabelled(rejected: pd.DataFrame) -> Iterator[str]:
    """Yield lines such as "unlabelled: birds/ (50); …" about folders of images, with advice.

    At most SHOWN folders are listed, starting with the largest. `rejected` is a REJECTED table.
    """
    for detail, (problem, todo) in ADVICE.items():
        is_meant = (rejected["reason"] == UNLABELLED) & (rejected["detail"] == detail)
        folders = Counter(f"{PurePosixPath(path).parent}/" for path in rejected["path"][is_meant])
        named = (f"{printable(name)} ({images:,})" for name, images in folders.most_common(SHOWN))
        if folders:
            yield f"{problem}: {', '.join(named)}; {todo}"


def describe_reason(label: str, rejected: pd.DataFrame) -> str:
    """Return the most common reason for rejecting a class's files, and what to do about it.

    `rejected` is a REJECTED table.
    """
    rejected = rejected[rejected["label"] == label]
    if rejected.empty:
        return (
            f"{LABELS_CSV} gives all its images other labels. Keep one, or list only the other "
            "classes in clean.labels."
        )
    reason = rejected["reason"].value_counts().idxmax()
    files = rejected[rejected["reason"] == reason]
    path, detail = files.iloc[0][["path", "detail"]]
    todo = {
        "unsafe_name": advise_on_name(detail),
        "other_file": ACCEPTED,
        "contradictory": "Write the right labels to labels.csv, or remove the wrong copies.",
        UNLABELLED: "See clean.labels.",
    }
    number = counted(len(files), "file")
    return (
        f"Most frequent for {label}: {number} {reason.replace('_', ' ')} ({detail}), such as "
        f"{printable(path)}. {todo.get(reason, '`pawprint docs images` has the reasons.')}"
    )
