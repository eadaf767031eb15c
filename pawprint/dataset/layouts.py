"""How an archive names labels and splits: by its folders, or by a metadata.csv.

The convention of metadata.csv is that of ImageFolder:
https://huggingface.co/docs/datasets/image_dataset
"""

import posixpath
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple
from unicodedata import normalize

import pandas as pd

from pawprint.classes import UNKNOWN, problem_of_labels
from pawprint.columns import METADATA
from pawprint.errors import InputError, printable
from pawprint.images.archive import Archive, UnusableImageError, read_member
from pawprint.images.decoder import ACCEPTED, count_suffixes, is_image_name
from pawprint.tables import csv_rows

SHOWN = 12  # folders in a tree
Folders = Callable[[str], list[str]]  # of a file, innermost first
Parts = tuple[str, ...]  # of a path


FILE_NAME = "metadata.csv"
# The split of a folder, or of a cell of a table, by its lower-case name.
SPLIT_OF_FOLDER = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


OWN_COLUMNS = {"file_name", "label", "split", "group"}


class Row(NamedTuple):
    label: str
    split: str  # train, validation, test or ""
    group: str  # or ""
    further: dict[str, str]  # the cells of other columns that are not empty


def is_metadata(name: str) -> bool:
    """Whether a member is a metadata.csv, and not one of a hidden folder or of macOS."""
    *folders, file = name.split("/")
    return file == FILE_NAME and not any(folder.startswith((".", "__MACOSX")) for folder in folders)


def read_metadata_csv(archive: Archive, names: list[str]) -> dict[str, Row] | None:
    """The rows of every metadata.csv among the members, by member, or None if there is none.

    Paths are relative to the folder of the CSV. A row without a split takes the one that the
    innermost folder above the image names, if any. Raises InputError with the line number for
    missing columns, an empty file name or label, an image that is not in the archive or listed
    twice, and an unknown split.
    """
    return parse_metadata_csv(archive.filename, names, partial(read_member, archive))


def parse_metadata_csv(
    archive: str, names: list[str], read: Callable[[str], bytes]
) -> dict[str, Row] | None:
    """As `read_metadata_csv`, of the files `names` whose bytes `read` returns.

    `archive` is the name of the archive or folder, for messages.
    """
    members = {normalize("NFC", name): name for name in names}
    rows_by_member: dict[str, Row] = {}
    for name in filter(is_metadata, names):
        where = f"{archive}: {printable(name)}"
        try:
            rows = csv_rows(read(name), where, ("file_name", "label"))
        except UnusableImageError as error:
            raise InputError(f"{where}: {printable(str(error))}") from None
        for line, row in rows:
            cells = {column: cell.strip() for column, cell in row.items()}
            path = posixpath.join(posixpath.dirname(name), cells["file_name"])
            member = members.get(normalize("NFC", posixpath.normpath(path)))
            if problem := _row_problem(cells, member, rows_by_member):
                raise InputError(f"{where}: line {line}: {printable(problem)}")
            folders = [folder.lower() for folder in reversed(member.split("/")[:-1])]
            splits = [cells.get("split", "").lower(), *folders]
            split = next((SPLIT_OF_FOLDER[name] for name in splits if name in SPLIT_OF_FOLDER), "")
            label = normalize("NFC", cells["label"])
            further = {
                name: cell for name, cell in cells.items() if cell and name not in OWN_COLUMNS
            }
            rows_by_member[member] = Row(label, split, cells.get("group", ""), further)
    return rows_by_member if any(map(is_metadata, names)) else None


def _row_problem(cells: dict[str, str], member: str | None, rows: dict[str, Row]) -> str | None:
    name, label, split = cells["file_name"], cells["label"], cells.get("split", "")
    if not name or not label:
        return f"expected a file_name and a label. Received: {name!r} and {label!r}. Add them."
    if member is None:
        return (
            "expected the path of a file, relative to the CSV and with /. Received: "
            f"{name!r}, which does not exist. Correct the path, or remove the line."
        )
    if member in rows:
        return (
            f"expected each image once. Received: {name!r} again, as {label} after "
            f"{rows[member].label}. Remove one of the lines."
        )
    if split and split.lower() not in SPLIT_OF_FOLDER:
        splits = ", ".join(SPLIT_OF_FOLDER)
        return f"expected a split: {splits}. Received: {split!r}. Correct it."
    return None


EXPECTED = """\
photos/
  cat/  001.jpg, 002.jpg
  dog/  003.jpg"""


def further_columns(rows: dict[str, Row] | None, paths: Iterable[str]) -> pd.DataFrame:
    """The table METADATA of these images."""
    cells = [
        (path, *cell)
        for path in paths
        for cell in (rows[path].further.items() if rows and path in rows else ())
    ]
    return pd.DataFrame(cells, columns=list(METADATA))


def folders_of(rows: dict[str, Row] | None) -> Folders:
    """How to find the folders of a file, in NFC: from its path or, with `rows`, from metadata.csv.

    There the label counts as the innermost folder, the split as the one above. A file that is not
    listed is in no folder.
    """
    if rows is None:
        return lambda name: list(reversed(PurePosixPath(normalize("NFC", name)).parts[:-1]))
    return lambda name: [cell for cell in rows[name][:2] if cell] if name in rows else []


def label_and_split(folders: list[str], label_of_folder: dict[str, str]) -> tuple[str | None, str]:
    """The class by the innermost folder that names one, and the split by the other folders.

    `label_of_folder` has lower-case names. A class may be called train: its folder gives no split.
    A folder called unknown that is of no class makes all that is below it UNKNOWN.
    """
    names = [folder.lower() for folder in folders]
    is_unknown = UNKNOWN in names and UNKNOWN not in label_of_folder
    folder = next((folder for folder in names if folder in label_of_folder), None)
    if folder and not is_unknown:
        names.remove(folder)
    split = next((SPLIT_OF_FOLDER[name] for name in names if name in SPLIT_OF_FOLDER), "")
    return UNKNOWN if is_unknown else label_of_folder.get(folder), split


def find_labels(
    names: list[str], rows: dict[str, Row] | None, archive: str
) -> dict[str, list[str]]:
    """The classes for `clean.labels: auto`, sorted, with the names of their folders.

    Each label of metadata.csv is a class or, without one, each folder that directly holds images.

    An image is known by its name. A folder with the name of a split is a class only directly
    below another such folder, as in train/train; the images in it are else of the folder above, as
    in cat/train, unless that folder also holds folders of classes. Then they are of no class, as
    those in test/ beside train/cat and train/dog. What is called unknown, or below it, is no class.

    Raises InputError for fewer than two classes, for names that cannot be labels, and for a folder
    of images that may be a class or a split, such as valid/ beside invalid/.
    """
    if rows is None:
        files = [name for name in names if UNKNOWN not in name.lower().split("/")[:-1]]
        labels = _labels_of_folders([normalize("NFC", name) for name in files], archive)
    else:
        labels = sorted({row.label for row in rows.values() if row.label.lower() != UNKNOWN})
    if problem := problem_of_labels(labels):
        expected = (
            "each label in metadata.csv is a class. Correct the labels, or name the classes in "
            "clean.labels. "
        )
        if rows is None:
            note = _other_files(names) if len(labels) < 2 else ""
            expected = (
                "each folder of images is a class. Move the images into one folder per class, or "
                f"name the classes and their folders in clean.labels. {note}Expected, for "
                f"example:\n{EXPECTED}\n"
            )
        raise InputError(
            f"{archive}: {printable(problem)}. With clean.labels: auto, {expected}"
            f"Received:\n{tree(names, folders_of(rows))}"
        )
    return {label: [label] for label in labels}


def _other_files(names: list[str]) -> str:
    """A sentence on folders that hold files but no images, or ""."""
    with_images = {posixpath.dirname(name) for name in names if is_image_name(name)}
    files = [name for name in names if posixpath.dirname(name) not in with_images]
    if not files:
        return ""
    return f"Folders without an image hold files: {count_suffixes(files)}. {ACCEPTED} "


def tree(names: list[str], folders: Folders) -> str:
    """The folders of the files, indented by depth, with the number of files directly in each."""
    files: dict[Parts, int] = {}
    for name in names:
        parts = tuple(reversed(folders(name)))
        for depth in range(len(parts)):
            files.setdefault(parts[: depth + 1], 0)
        files[parts] = files.get(parts, 0) + 1
    lines = [
        f"{'  ' * (len(parts) - 1)}{printable(parts[-1]) + '/' if parts else '(no folder)'}"
        + (f"  {number:,} {'file' if number == 1 else 'files'}" if number else "")
        for parts, number in sorted(files.items())
    ]
    more = [f"and {len(lines) - SHOWN:,} more folders"] if lines[SHOWN:] else []
    return "\n".join([*lines[:SHOWN], *more]) or "no files"


def _labels_of_folders(names: list[str], archive: str) -> list[str]:
    holders = {PurePosixPath(name).parts[:-1] for name in names if is_image_name(name)} - {()}
    classes = {path for path in holders if not _is_split(path[-1]) or _is_split(*path[-2:-1])}
    parents = {path[:-1] for path in holders - classes} - {()}
    classes |= {path for path in parents if not _below(path, classes | parents)}
    for path in sorted(holders - classes):
        _require_use(path, classes, archive)
    return sorted({path[-1] for path in classes})


def _require_use(path: Parts, classes: set[Parts], archive: str) -> None:
    """Raise InputError if `path`, a folder of images named like a split, may be a class.

    It is one of unlabelled images, such as test/, if it or a split beside it holds classes.
    """
    parent = path[:-1]
    siblings = sorted(folder[-1] for folder in classes if folder[:-1] == parent)
    is_divided = any(_is_split(folder[len(parent)]) for folder in _below(parent, classes))
    if parent not in classes and siblings and not is_divided:
        raise InputError(
            f"{archive}: expected no images directly in a folder that is named like a split and "
            f"lies beside folders of classes. Received: {printable(repr('/'.join(path)))} beside "
            f"{printable(repr(siblings[0]))}. Name the classes and their folders in clean.labels."
        )


def _below(path: Parts, folders: set[Parts]) -> set[Parts]:
    return {folder for folder in folders - {path} if folder[: len(path)] == path}


def _is_split(*names: str) -> bool:
    return any(name.lower() in SPLIT_OF_FOLDER for name in names)
