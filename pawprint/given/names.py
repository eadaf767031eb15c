"""Interpret names of files: images, hidden and system files, unsafe names, encodings.

Also interpret names of folders: splits, unlabelled images, and classes.
"""

import functools
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from pawprint.base.errors import CONTROL_CHARACTERS, InputError, counted, printable
from pawprint.base.labels import UNKNOWN

# File suffixes that Pillow uses for the decoder's formats. Importing Pillow here would be slow.
SUFFIXES = {
    *(".apng", ".avif", ".avifs", ".bmp", ".gif", ".heic", ".heics", ".heif", ".heifs", ".hif"),
    *(".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".tif"),
    *(".tiff", ".webp"),
}
ACCEPTED = f"Image names end in {', '.join(sorted(SUFFIXES))}."
SHOWN = 12  # how many suffixes a message lists
# Folders that operating systems create for copies, thumbnails and deleted files, in lower case.
# Hidden folders, such as .Trash-1000, .Spotlight-V100 and .ipynb_checkpoints, need no entry here.
FOLDERS_OF_SYSTEMS = {
    *("@eadir", "@tmp", "#recycle", "#snapshot"),  # Synology
    *("@recycle", "@recently-snapshot", "@transcode"),  # QNAP
    *("$recycle.bin", "recycler", "system volume information", "found.000"),  # Windows
    *("__macosx", "network trash folder", "temporary items"),  # macOS
    *("lost+found", "lost.dir"),  # Linux, Android
}
PLACEHOLDER = ".icloud"  # a hidden placeholder for a file that is only in iCloud


def is_image_name(name: str) -> bool:
    """Return whether a file has an image suffix and `is_visible`.

    This check does not apply to files that a table or a user lists explicitly.
    """
    return is_visible(name) and posixpath.splitext(name)[1].lower() in SUFFIXES


def is_visible(name: str) -> bool:
    """Return whether a file, or a folder if it ends in a slash, is neither hidden nor of a system.

    This includes the folders above it. The folders of systems are FOLDERS_OF_SYSTEMS.
    """
    return not (_is_hidden(name) or _is_of_system(name))


def count_suffixes(names: Iterable[str]) -> str:
    """Return text such as "40 .eps, 2 hidden, 1 without a suffix", with the most frequent first.

    At most SHOWN suffixes are listed.
    """
    counts = Counter(map(_kind_of, names))
    return ", ".join(f"{times:,} {printable(kind)}" for kind, times in counts.most_common(SHOWN))


def _kind_of(name: str) -> str:
    if _is_of_system(name):
        return "in system folders"
    if _is_hidden(name) and not name.endswith(PLACEHOLDER):
        return "hidden"
    return PurePosixPath(name).suffix.lower() or "without a suffix"


def _is_of_system(name: str) -> bool:
    return not FOLDERS_OF_SYSTEMS.isdisjoint(name.lower().split("/")[:-1])


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") and part != "." for part in name.split("/"))


MAX_FOLDERS = 64  # in one name; time and memory grow with the square of its depth
DEEP = f"more than {MAX_FOLDERS} folders in each other"
ABSOLUTE = "an absolute path"
UPWARD = "a path with .., backslashes or empty folders"


def problem_of_name(name: str) -> str:
    """Return what makes a name unsafe, or "".

    Unsafe names are absolute paths and names that contain `..`, a backslash, a drive letter,
    control characters, or a sequence that ends a script in HTML, or have more than MAX_FOLDERS.
    """
    if is_deep(name):
        return DEEP
    if name.startswith("/") or name[1:2] == ":":
        return ABSOLUTE
    parts = name.split("/")
    if ".." in parts or "" in parts or "\\" in name:
        return UPWARD
    if CONTROL_CHARACTERS.search(name):
        return "control characters in the name"
    return "</ or <!, which DVC's plots would treat as HTML" if re.search("<[/!]", name) else ""


def is_deep(name: str) -> bool:
    """Return whether a name has more than MAX_FOLDERS."""
    return name.count("/") > MAX_FOLDERS


def describe_unsafe(names: Iterable[str]) -> str:
    """Explain, with an example, that no image has a safe name, and what to do about it.

    Returns "" if images are missing, or if at least one name is safe: a program writes all names
    in an archive in the same way.
    """
    below = {name: "/".join(part for part in name.split("/") if part != "..") for name in names}
    images = [name for name in below if is_image_name(below[name])]
    if not images or not all(map(problem_of_name, images)):
        return ""
    detail = problem_of_name(images[0])
    found = f"{counted(len(images), 'image')} with {detail}, such as {printable(repr(images[0]))}"
    return f"{found}. {advise_on_name(detail)}"


def advise_on_name(detail: str) -> str:
    """Return advice on an unsafe name, given the detail of its UnusableImageError."""
    if detail in (ABSOLUTE, UPWARD):
        return "Unpack the archive and use the folder of images instead."
    return "Move the files up." if detail == DEEP else "Rename the files."


def require_utf8(paths: Iterable[Path]) -> None:
    """Raise InputError if a path is not UTF-8, because DVC would fail without naming the path."""
    for path in paths:
        # Python decodes invalid bytes to these characters.
        if re.search(r"[\ud800-\udfff]", str(path)):
            raise InputError(
                f"{printable(str(path))}: expected a name in UTF-8, which DVC requires. Received: "
                "a different encoding. Rename the file."
            )


def member_name(path: str) -> str:
    """Return the zip member name for a path with slashes, as valid text without ./.

    A name that is not UTF-8 is read as cp437, the default in zip files.
    """
    name = PurePosixPath(path).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp437")
    return name


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
