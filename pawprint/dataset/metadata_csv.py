"""metadata.csv of an archive: label, and perhaps split and group, of each image.

The convention of ImageFolder: https://huggingface.co/docs/datasets/image_dataset
"""

import posixpath
from typing import NamedTuple
from unicodedata import normalize

from pawprint.core.errors import InputError, printable
from pawprint.dataset.csv_rows import csv_rows
from pawprint.images.archive import Archive, read_member
from pawprint.images.unusable import UnusableImageError

FILE_NAME = "metadata.csv"
# The split of a folder, or of a cell of a table, by its lower-case name.
SPLIT_OF_FOLDER = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


class Row(NamedTuple):
    label: str
    split: str  # train, validation, test or ""
    group: str  # or ""


def is_metadata(name: str) -> bool:
    """Whether a member is a metadata.csv, and not one of a hidden folder or of macOS."""
    *folders, file = name.split("/")
    return file == FILE_NAME and not any(each.startswith((".", "__MACOSX")) for each in folders)


def read_metadata(archive: Archive, names: list[str]) -> dict[str, Row] | None:
    """The rows of every metadata.csv among the members, by member, or None if there is none.

    Paths are relative to the folder of the CSV. A row without a split takes the one that the
    innermost folder above the image names, if any. Raises InputError with the line number for
    missing columns, an empty file name or label, an image that is not in the archive or listed
    twice, and an unknown split.
    """
    members = {normalize("NFC", name): name for name in names}
    found: dict[str, Row] = {}
    for name in filter(is_metadata, names):
        where = f"{archive.filename}: {printable(name)}"
        try:
            rows = csv_rows(read_member(archive, name), where, ("file_name", "label"))
        except UnusableImageError as error:
            raise InputError(f"{where}: {printable(str(error))}") from None
        for line, row in rows:
            cells = {column: cell.strip() for column, cell in row.items()}
            path = posixpath.join(posixpath.dirname(name), cells["file_name"])
            member = members.get(normalize("NFC", posixpath.normpath(path)))
            if problem := _problem(cells, member, found):
                raise InputError(f"{where}: line {line}: {printable(problem)}")
            folders = [each.lower() for each in reversed(member.split("/")[:-1])]
            splits = [cells.get("split", "").lower(), *folders]
            split = next((SPLIT_OF_FOLDER[each] for each in splits if each in SPLIT_OF_FOLDER), "")
            label = normalize("NFC", cells["label"])
            found[member] = Row(label, split, cells.get("group", ""))
    return found if any(map(is_metadata, names)) else None


def _problem(cells: dict[str, str], member: str | None, found: dict[str, Row]) -> str | None:
    name, label, split = cells["file_name"], cells["label"], cells.get("split", "")
    if not name or not label:
        return f"expected a file_name and a label. Received: {name!r} and {label!r}. Add them."
    if member is None:
        return (
            "expected the path of a file, relative to the CSV and with /. Received: "
            f"{name!r}, which does not exist. Correct the path, or remove the line."
        )
    if member in found:
        return (
            f"expected each image once. Received: {name!r} again, as {label} after "
            f"{found[member].label}. Remove one of the lines."
        )
    if split and split.lower() not in SPLIT_OF_FOLDER:
        known = ", ".join(SPLIT_OF_FOLDER)
        return f"expected a split: {known}. Received: {split!r}. Correct it."
    return None
