"""Labels that a person gives: rows of labels.csv or metadata.csv, and images put into folders."""

import csv
import filecmp
import io
import itertools
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from pawprint.core.errors import InputError
from pawprint.core.files import replacing
from pawprint.core.tables import write_table
from pawprint.dataset.csv_rows import csv_rows
from pawprint.dataset.metadata_csv import FILE_NAME

WRITING = threading.RLock()  # each user's session is a thread
MAX_MISSING = 5  # numbers of a name that no file has
# Of each class the folder of its images, and the label that they get in the metadata.csv there, or
# None if the folder gives the class.
Places = dict[str, tuple[Path, str | None]]


def read_labels(table: Path, key: str) -> dict[str, str]:
    """The labels in a CSV by its column `key`; none without the file. Raises InputError."""
    return {row[key]: row["label"] for row in _read(table, key)[1]}


def write_labels(table: Path, key: str, labels: dict[str, str | None]) -> dict[str, str | None]:
    """Write labels in place of those in a CSV; None removes a row. Columns of the user's own stay.

    Returns the labels before: writing them takes the change back. Raises InputError.
    """
    with WRITING:
        header, rows = _read(table, key)
        columns = [name.strip().lower() for name in header]
        new = dict.fromkeys(columns, "")
        if rows and all(row.get("split") for row in rows):
            new["split"] = "train"  # the stage split accepts splits of all images or of none
        before = {row[key]: row["label"] for row in rows if row[key] in labels}
        rows += [new | {key: name} for name in labels if name not in before]
        rows = [row | {"label": labels.get(row[key], row["label"])} for row in rows]
        cells = [[row[name] for name in columns] for row in rows if row["label"] is not None]
        write_table(table, pd.DataFrame(cells, columns=header), dict.fromkeys(header, "str"))
    return {name: before.get(name) for name in labels}


def places_in(folder: Path, names: dict[str, list[str]], source: Path) -> Places:
    """The places of each class in a folder, which need not exist.

    `names` has the folders of each class, which stand for labels in a metadata.csv. Raises
    InputError for a folder of other files, and for one in `source` of which it would not be clear
    what gives the labels: a folder with and without a metadata.csv in each other.
    """
    is_inside = source.is_dir() and folder.resolve().is_relative_to(source.resolve())
    files = [each for each in folder.iterdir() if each.name[0] != "."] if folder.exists() else []
    if folder / FILE_NAME not in files:
        folders = {normalize("NFC", each.name).lower(): each for each in files if each.is_dir()}
        found = {
            label: (folders[name.lower()], None)
            for label in names
            for name in names[label]
            if name.lower() in folders
        }
        if len(found) == len(names) and not (is_inside and (source / FILE_NAME).exists()):
            return found
        if files or is_inside:
            raise InputError(
                f"{folder}: expected a folder with a {FILE_NAME}, one with a subfolder for each of "
                f"{', '.join(names)}, or a new one outside of fetch.source. Received: another one."
            )
    return {label: (folder, names[label][0]) for label in names}


def copy_of(image: Path, places: Places) -> Path | None:
    """The file that `add` made of the same image earlier, if any."""
    for folder in {folder for folder, _ in places.values()}:
        missing = 0
        for path in _numbered(folder / _safe(image)):
            if missing > MAX_MISSING:
                break
            if not os.path.lexists(path):
                missing += 1  # perhaps taken back
            elif filecmp.cmp(image, path, shallow=False):
                return path
    return None


def copied(images: list[Path], places: Places) -> set[Path]:
    """Those of the images of which `copy_of` finds a copy. Most are told apart by their sizes."""
    folders = {folder for folder, _ in places.values() if folder.exists()}
    sizes = {path.stat().st_size for folder in folders for path in folder.iterdir()}
    alike = (path for path in images if path.is_file() and path.stat().st_size in sizes)
    return {path for path in alike if copy_of(path, places)}


def add(places: Places, image: Path, label: str, is_moved: bool) -> Callable[[], None]:
    """Copy or move an image to the place of its label. Returns what takes this back.

    No file is overwritten: a name that exists gets a number. An image that is moved is removed
    last. Raises InputError or OSError, with nothing changed; also if the image is there already.
    """
    folder, recorded = places[label]

    def record(label: str | None) -> None:
        if recorded:
            write_labels(folder / FILE_NAME, "file_name", {copy.name: label})

    def take_back() -> None:
        with WRITING:
            record(None)
            if is_moved:
                _copied(copy, image)
            copy.unlink(missing_ok=True)

    with WRITING:
        if known := copy_of(image, places):
            raise InputError(f"{image}: expected a new image. Received: that of {known}. Skip it.")
        copy = _copied(image, folder / _safe(image))
        try:
            record(recorded)
            if is_moved:
                image.unlink()
        except (InputError, OSError):
            copy.unlink()
            record(None)
            raise
    return take_back


def _copied(file: Path, wanted: Path) -> Path:
    """The path of a new copy of the file: the first of its names that is free."""
    path = next(each for each in _numbered(wanted) if not os.path.lexists(each))
    with replacing(path) as partial:
        shutil.copy2(file, partial)
    return path


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    yield from (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))


def _safe(image: Path) -> str:
    """A name that `clean` accepts, a CSV can hold, and is short enough for every file system."""
    stem = re.sub(r"[^\w ()+.-]", "_", image.stem)[:50].strip(" .")
    return (stem or "image") + image.suffix


def _read(table: Path, key: str) -> tuple[list[str], list[dict]]:
    """The header as it stands, and the rows by column, in lower case."""
    if not table.exists():
        return [key, "label"], []
    content = table.read_bytes()
    rows = [row for _, row in csv_rows(content, str(table), (key, "label"))]
    return next(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))), rows
