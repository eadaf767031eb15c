"""Read the labels and splits of an archive, from its folders or from metadata.csv.

The columns of metadata.csv are the same as in ImageFolder:
https://huggingface.co/docs/datasets/image_dataset
"""

import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple
from unicodedata import normalize

from pawprint.classes import UNKNOWN, is_reserved, problem_of_labels
from pawprint.dataset.folders import (
    SHOWN,
    SPLIT_OF_FOLDER,
    Place,
    folder_of,
    is_unlabelled,
    read_folders,
    split_in_words,
    tree_of,
)
from pawprint.dataset.user_tables import csv_rows, name_likely
from pawprint.errors import InputError, name_some, printable
from pawprint.images.archive import (
    Archive,
    UnusableImageError,
    count_suffixes,
    is_image_name,
    is_of_system,
    read_member,
)

Folders = Callable[[str], list[str]]  # returns the folders of a file, innermost first
FILE_NAME = "metadata.csv"
OWN_COLUMNS = {"file_name", "label", "split", "group"}


class Row(NamedTuple):
    """A row of a metadata.csv."""

    label: str
    split: str  # train, validation, test or ""
    group: str  # or ""
    further: dict[str, str]  # cells of other columns, unless empty


class Layout(NamedTuple):
    """The labels and splits of the files in an archive.

    `classes` and `places` are the results of `find_places`, and `rows` is the result of
    `read_metadata_csv`.
    """

    classes: list[str]
    places: Mapping[str, Place]
    rows: dict[str, Row] | None = None


def is_metadata(name: str) -> bool:
    """Return whether a member is a metadata.csv outside hidden folders and system folders."""
    *folders, file = name.split("/")
    is_hidden = any(folder.startswith(".") for folder in folders)
    return file == FILE_NAME and not is_hidden and not is_of_system(name)


def read_metadata_csv(archive: Archive, names: list[str]) -> dict[str, Row] | None:
    """Return the rows of every metadata.csv in the archive, by member, or None if there is none.

    Paths are relative to the folder of the CSV. If a row has no split, the innermost folder above
    the image that is named like a split determines it. Raises InputError, with the line number, for
    missing columns, an empty file name or label, an image that is missing from the archive or
    listed twice, and an unknown split.
    """
    return parse_metadata_csv(archive.filename, names, partial(read_member, archive))


def parse_metadata_csv(
    archive: str, names: list[str], read: Callable[[str], bytes]
) -> dict[str, Row] | None:
    """Parse rows like `read_metadata_csv`, for files called `names`, which `read` reads.

    Messages refer to the archive or folder as `archive`.
    """
    members = {normalize("NFC", name): name for name in names}
    rows_by_member: dict[str, Row] = {}
    for name in filter(is_metadata, names):
        where = f"{archive}: {printable(name)}"
        folder = posixpath.dirname(name)
        try:
            rows = csv_rows(read(name), where, ("file_name", "label"))
        except UnusableImageError as error:
            raise InputError(f"{where}: {printable(str(error))}") from None
        for line, row in rows:
            cells = {column: cell.strip() for column, cell in row.items()}
            path = posixpath.join(folder, cells["file_name"])
            member = members.get(normalize("NFC", posixpath.normpath(path)))
            if problem := _row_problem(cells, member, rows_by_member):
                if cells["file_name"] and member is None:
                    problem += f" {_advise(cells['file_name'], folder, names)}"
                raise InputError(f"{where}: line {line}: {printable(problem)}")
            if member is not None:
                rows_by_member[member] = _parse_row(cells, member)
    return rows_by_member if any(map(is_metadata, names)) else None


def _advise(file_name: str, folder: str, names: list[str]) -> str:
    files = [posixpath.relpath(name, folder or ".") for name in names]
    likely = name_likely(file_name, files)
    if posixpath.isabs(file_name) or file_name[1:2] == ":":
        return f"{likely} Write paths below the folder of the CSV, such as cat/1.jpg.".lstrip()
    return likely or "If the image is gone, remove the line."


def _parse_row(cells: dict[str, str], member: str) -> Row:
    folders = [folder.lower() for folder in reversed(member.split("/")[:-1])]
    splits = [cells.get("split", "").lower(), *folders]
    split = next((SPLIT_OF_FOLDER[name] for name in splits if name in SPLIT_OF_FOLDER), "")
    label = normalize("NFC", cells["label"])
    further = {name: cell for name, cell in cells.items() if cell and name not in OWN_COLUMNS}
    return Row(label, split, cells.get("group", ""), further)


def _row_problem(cells: dict[str, str], member: str | None, rows: dict[str, Row]) -> str | None:
    name = cells["file_name"]
    label = cells["label"]
    split = cells.get("split", "")
    if not name or not label:
        return f"expected a file_name and a label. Received: {name!r} and {label!r}. Add them."
    if member is None:
        return (
            "expected the path of a file, relative to the CSV and written with /. Received: "
            f"{name!r}, which does not exist."
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


def find_places(
    names: list[str], rows: dict[str, Row] | None, labels: dict[str, list[str]] | str, archive: str
) -> tuple[list[str], dict[str, Place]]:
    """Return the sorted classes, and the label and split of each file by its name.

    `labels` is `clean.labels`. A mapping lists the folders of each class, or its labels in
    metadata.csv, ignoring case. A file belongs to the innermost of these folders above it. Without
    a mapping, each label in metadata.csv is a class, or if there is no metadata.csv, `read_folders`
    determines the classes. If no folder is a class, there are no classes yet, and labels.csv
    provides them.

    Raises InputError, which begins with `archive`, if a class in the mapping has no folder or a
    label cannot be a class, and for the same reasons as `read_folders`.
    """
    if rows is None and isinstance(labels, str):
        places = read_folders(names, labels, archive)
        return sorted({place.label for place in places.values()} - {"", UNKNOWN}), places
    folders = folders_of(rows)
    if isinstance(labels, str):
        labels = {label: [label] for label in _labels_of_rows(rows or {}, archive)}
    else:
        _require_folders(labels, names, folders, archive)
    label_of_folder = {folder.lower(): label for label in labels for folder in labels[label]}
    places = {name: label_and_split(folders(name), label_of_folder) for name in names}
    return sorted(labels), places


def count_labels(places: Mapping[str, Place], rows: dict[str, Row] | None) -> Counter[str]:
    """Return how many images have each label: a class, UNKNOWN, or "" for no label."""
    listed = rows or {}
    return Counter(
        place.label for name, place in places.items() if name in listed or is_image_name(name)
    )


def describe_names(places: Mapping[str, Place]) -> Iterator[str]:
    """Yield lines about hidden problems with file names, given the `places` from `find_places`.

    These are folders whose files are not read, folders that are named like splits but are not used
    as splits, and paths that are the same on some systems: macOS and Windows ignore case, and macOS
    treats composed and decomposed letters alike. At most SHOWN of the first kind and five of each
    other kind are listed.
    """
    folders = _unread_folders(places)
    classes = {place.label.lower() for place in places.values()}
    for is_class, said in ((False, "not a class: "), (True, "")):
        shown = [
            f"{printable(folder)}/ ({count_suffixes(files)})"
            for folder, files in folders.items()
            if (PurePosixPath(folder).name.lower() in classes) == is_class
        ]
        more = f" and {len(shown) - SHOWN:,} more" if shown[SHOWN:] else ""
        if shown:
            names = ", ".join(shown[:SHOWN])
            yield f"{said}no readable image in {names}{more}; docs/images.md lists the formats"
    labelled = {name: place for name, place in places.items() if place.label not in ("", UNKNOWN)}
    number = Counter(
        f"{folder}/"
        for name, place in labelled.items()
        for folder in folder_of(name)
        if not place.split and folder != place.label and split_in_words(folder)
    )
    if unused := sorted(folder for folder in number if number[folder] < len(labelled)):
        yield (
            f"named like splits, but not used as such: {name_some(unused)}; docs/images.md says "
            "which are"
        )
    paths = defaultdict(list)
    for name in places:
        paths[normalize("NFC", name).casefold()].append(name)
    pairs = [" and ".join(map(printable, same)) for same in paths.values() if len(set(same)) > 1]
    if pairs:
        yield (f"paths of which macOS or Windows keeps only one file: {name_some(pairs)}")


def _unread_folders(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the files of each folder that contains files, but no image at any depth.

    Hidden folders and system folders are left out.
    """
    files = defaultdict(list)
    with_images = {"."}
    for name in names:
        folders = [str(folder) for folder in PurePosixPath(name).parents]
        if is_image_name(name):
            with_images.update(folders)
        if is_image_name(f"{folders[0]}/image.jpg"):
            files[folders[0]].append(name)
    return {folder: files[folder] for folder in sorted(files.keys() - with_images)}


def _labels_of_rows(rows: dict[str, Row], archive: str) -> set[str]:
    labels = {row.label for row in rows.values()}
    labels = {label for label in labels if label.lower() != UNKNOWN and not is_unlabelled(label)}
    if problem := problem_of_labels(labels):
        reserved = {label for label in labels if is_reserved(label)}
        if named := [name for name, row in rows.items() if row.label in reserved]:
            problem += f" in {len(named):,} rows, for {name_some(named)}"
        raise InputError(
            f"{archive}: {printable(problem)}. With clean.labels: auto, each label in metadata.csv "
            "is a class. Correct the labels, or name the classes in clean.labels."
        )
    return labels


def _require_folders(
    labels: dict[str, list[str]], names: list[str], folders: Folders, archive: str
) -> None:
    """Raise InputError for a class that has no folder in the archive."""
    above = [tuple(reversed(folders(name))) for name in names]
    present = {folder.lower() for path in above for folder in path}
    for label, expected in labels.items():
        if not {folder.lower() for folder in expected} & present:
            raise InputError(
                f"{archive}: expected a folder or label named {' or '.join(expected)} "
                f"(clean.labels.{label}). Correct clean.labels, or set it to auto. "
                f"Received:\n{tree_of(above)}"
            )


def folders_of(rows: dict[str, Row] | None) -> Folders:
    """Return a function that finds the folders of a file, in NFC, from its path or from `rows`.

    With `rows`, the label counts as the innermost folder and the split as the folder above it. An
    unlisted file has no folders.
    """
    if rows is None:
        return lambda name: list(reversed(folder_of(name)))
    return lambda name: [cell for cell in rows[name][:2] if cell] if name in rows else []


def label_and_split(
    folders: list[str], label_of_folder: dict[str, str], is_outer: bool = False
) -> Place:
    """Return the class, from the innermost folder that names one, and the split, from the others.

    With `is_outer`, the outermost such folder decides. `folders` begins with the innermost;
    `label_of_folder` has lower-case names. A class may be called train; its folder does not name a
    split then. A folder called unknown that is not a class makes everything below it UNKNOWN.
    """
    names = [folder.lower() for folder in folders]
    named = [folder for folder in names if folder in label_of_folder]
    folder = (named[-1] if is_outer else named[0]) if named else None
    is_unknown = UNKNOWN in names and UNKNOWN not in label_of_folder
    if folder and not is_unknown:
        names.remove(folder)
    split = next((SPLIT_OF_FOLDER[name] for name in names if name in SPLIT_OF_FOLDER), "")
    label = label_of_folder[folder] if folder else ""
    return Place(UNKNOWN if is_unknown else label, split)
