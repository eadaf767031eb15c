"""Interpret a folder's name: whether it stands for a split, unlabelled images, or a class."""

import functools
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from unicodedata import normalize

from pawprint.base.classes import UNKNOWN

Parts = tuple[str, ...]  # of one path
# Names that mean "no label yet", in lower case, without word separators.
UNLABELLED_FOLDERS = {"nolabel", "nolabels", "unlabeled", "unlabelled", "unsorted"}
# Splits, keyed by the lower-case folder name or table cell that stands for them.
SPLIT_OF_FOLDER = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def first_split(names: Iterable[str]) -> str:
    """Return the split that the first of these names stands for, in any case, or ""."""
    splits = (SPLIT_OF_FOLDER.get(name.lower()) for name in names)
    return next(filter(None, splits), "")


def folder_of(name: str) -> Parts:
    """Return the folders above a file, in NFC, starting with the outermost."""
    return _parts(name.rpartition("/")[0])


@functools.lru_cache  # files of a folder mostly follow one another
def _parts(folder: str) -> Parts:
    return PurePosixPath(normalize("NFC", folder)).parts


def with_parents(path: Parts) -> list[Parts]:
    """Return a folder and its parents, starting with the innermost."""
    return [path[:depth] for depth in range(len(path), 0, -1)]


def is_unlabelled(folder: str) -> bool:
    """Return whether a folder's name, such as _Unlabeled, means that its images have no label."""
    return re.sub(r"[\W_]", "", folder).lower() in UNLABELLED_FOLDERS


def lies_unlabelled(name: str) -> bool:
    """Return whether a file is in, or anywhere below, a folder that `is_unlabelled`."""
    return any(map(is_unlabelled, folder_of(name)))


def is_set_apart(path: Parts) -> bool:
    """Return whether a folder is, or is in, a folder for unknown or unlabelled images."""
    return any(name.lower() == UNKNOWN or is_unlabelled(name) for name in path)


@functools.lru_cache  # asked about the folder of each file
def split_in_words(name: str) -> str:
    """Return the only split that a name contains as a word (seg_train, TestSet, val2017), or ""."""
    words = (*_words(name), name.lower().removesuffix("set"))
    found = {SPLIT_OF_FOLDER[word] for word in words if word in SPLIT_OF_FOLDER}
    return found.pop() if len(found) == 1 else ""


def other_words(name: str) -> list[str]:
    """Return the words in a name that do not stand for a split, in lower case."""
    return [word for word in _words(name) if word and word not in SPLIT_OF_FOLDER]


def _words(name: str) -> list[str]:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [word.lower().removesuffix("set") for word in words]
