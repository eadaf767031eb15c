"""Labels that a person gives: rows of labels.csv or metadata.csv, and images put into folders."""

import codecs
import contextlib
import csv
import filecmp
import io
import itertools
import os
import posixpath
import re
import shutil
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from unicodedata import normalize

from filelock import FileLock

from pawprint.core.errors import InputError
from pawprint.core.files import replacing, write_text
from pawprint.dataset.csv_rows import csv_rows
from pawprint.dataset.metadata_csv import FILE_NAME

MAX_MISSING = 5  # numbers of a name that no file has
# Of each class the folder of its images, and the label that they get in the metadata.csv there, or
# None if the folder gives the class.
Places = dict[str, tuple[Path, str | None]]


def read_labels(table: Path, key: str) -> dict[str, str]:
    """The labels in a CSV by its column `key`; none without the file. Raises InputError."""
    rows = csv_rows(_read(table, key), str(table), (key, "label"))
    return {row[key]: row["label"] for _, row in rows}


def write_labels(table: Path, key: str, labels: dict[str, str | None]) -> dict[str, str | None]:
    """Write labels in place of those in a CSV; None removes a row. Other rows stay as they are.

    Returns the labels before: writing them takes the change back. Raises InputError or OSError.
    """
    with _alone(table):
        return _write(table, key, labels)


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
            elif path.is_file() and filecmp.cmp(image, path, shallow=False):
                return path
    return None


def copied(images: list[Path], places: Places) -> set[Path]:
    """Those of the images of which `copy_of` finds a copy. Most are told apart by their sizes."""
    folders = {folder for folder, _ in places.values() if folder.exists()}
    files = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    sizes = {path.stat().st_size for path in files}
    alike = (path for path in images if path.is_file() and path.stat().st_size in sizes)
    return {path for path in alike if copy_of(path, places)}


def add(places: Places, image: Path, label: str, is_moved: bool) -> Callable[[], None]:
    """Copy or move an image to the place of its label. Returns what takes this back.

    No file and no row is overwritten: a name that exists gets a number. An image is removed from
    one folder when it is in the other one with its row. Raises InputError or OSError, with nothing
    changed; also if the image is there already.
    """
    folder, recorded = places[label]
    table = folder / FILE_NAME
    first = min(folder for folder, _ in places.values()) / FILE_NAME  # the same for all classes

    def record(label: str | None) -> None:
        if recorded:
            _write(table, "file_name", {copy.name: label})

    def take_back() -> None:
        with _alone(first), _copied(copy, image) if is_moved else contextlib.nullcontext():
            record(None)
            copy.unlink(missing_ok=True)

    with _alone(first):
        if known := copy_of(image, places):
            raise InputError(f"{image}: expected a new image. Received: that of {known}. Skip it.")
        names = read_labels(table, "file_name") if recorded else {}
        taken = {posixpath.normpath(normalize("NFC", name.strip())).lower() for name in names}
        with _copied(image, folder / _safe(image), taken) as copy:
            record(recorded)
            try:
                if is_moved:
                    image.unlink()
            except OSError:
                record(None)
                raise
    return take_back


@contextlib.contextmanager
def _alone(table: Path) -> Iterator[None]:
    """No other thread or process is in such a block for this table."""
    table = table.resolve()
    table.parent.mkdir(parents=True, exist_ok=True)
    lock = table.with_name(f".{table.name}.lock")
    with FileLock(lock):
        try:
            yield
        finally:
            # `fetch` would pack it. Those who wait for a file that is gone lock a new one.
            with contextlib.suppress(OSError):  # Windows removes it when it is closed
                lock.unlink()


@contextlib.contextmanager
def _copied(file: Path, wanted: Path, taken: Container[str] = ()) -> Iterator[Path]:
    """The path of a new copy of the file: the first of its names that is free, and not `taken`.

    After an exception in the block, there is no copy.
    """
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for path in _numbered(wanted):
        with contextlib.suppress(FileExistsError):
            if path.name.lower() not in taken:
                path.touch(exist_ok=False)  # no other process takes this name
                break
    try:
        with replacing(path) as partial:
            shutil.copy2(file, partial)
        yield path
    except (InputError, OSError):
        path.unlink()
        raise


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    yield from (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))


def _safe(image: Path) -> str:
    """A name that `clean` accepts, a CSV can hold, and is short enough for every file system."""
    stem = re.sub(r"[^\w ()+.-]", "_", image.stem)[:50].strip(" .")
    return (stem or "image") + image.suffix


def _read(table: Path, key: str) -> bytes:
    return table.read_bytes() if os.path.lexists(table) else f"{key},label\n".encode()


def _write(table: Path, key: str, labels: dict[str, str | None]) -> dict[str, str | None]:
    content = _read(table, key)
    known = csv_rows(content, str(table), (key, "label"))
    mark = "\ufeff" * content.startswith(codecs.BOM_UTF8)
    lines = list(io.StringIO(content.decode("utf-8-sig"), newline=""))  # with their ends
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    rows = csv.reader(lines, strict=True)
    columns = [name.strip().lower() for name in next(rows)]

    def line(row: dict[str, str]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, columns, lineterminator=end).writerow(row)
        return text.getvalue()

    start, before = rows.line_num, {}
    kept = lines[:start]
    for cells in rows:
        found, start = lines[start : rows.line_num], rows.line_num
        row = dict(zip(columns, cells))  # {} of an empty line
        if row and row[key] in labels:
            before[row[key]], label = row["label"], labels[row[key]]
            if label != row["label"]:
                found = [line(row | {"label": label})] if label else []
        kept += found
    if not kept[-1].endswith(("\r", "\n")):
        kept.append(end)
    new = dict.fromkeys(columns, "")
    if known and all(row.get("split") for _, row in known):
        new["split"] = "train"  # the stage split accepts splits of all images or of none
    added = {name: label for name, label in labels.items() if label and name not in before}
    kept += [line(new | {key: name, "label": label}) for name, label in added.items()]
    write_text(table.resolve(), mark + "".join(kept))
    return {name: before.get(name) for name in labels}
