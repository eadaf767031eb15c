"""Labels that a person gives: rows of labels.csv and metadata.csv, and copies of new images.

A copy is put where `dvc repro` finds its label, in the place of its class.
"""

import contextlib
import csv
import filecmp
import functools
import io
import itertools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from unicodedata import normalize

from filelock import FileLock

from pawprint.classes import problem_of_labels, problem_of_names
from pawprint.columns import IMAGES
from pawprint.dataset.folders import OUTER, SPLIT_OF_FOLDER, is_class_name, split_in_words
from pawprint.dataset.layouts import FILE_NAME
from pawprint.dataset.user_tables import MARKS, Cells, csv_rows, parse_csv
from pawprint.errors import InputError, printable
from pawprint.files import read_labels, replacing, write_text
from pawprint.images.archive import is_image_name
from pawprint.named_file import copy_file, read_bytes
from pawprint.params.data import Clean, Fetch
from pawprint.paths import LABELS_CSV, LABELS_JSON, UNLABELLED_CSV
from pawprint.tables import read_table

LOCK = FileLock(".dvc/tmp/labels.lock")  # of all sessions and processes in the project
Changes = dict[str, Cells | None]  # cells of the row of each image, see `image_of`; None: no row
# By class: the folder of its images, and the label that they get in the metadata.csv there, or
# None if the folder gives the class.
Places = dict[str, tuple[Path, str | None]]


def read_rows(table: Path, key: str) -> list[Cells]:
    """Return the rows of a CSV with the columns `key` and `label`; none without the file.

    Raises InputError.
    """
    return [row for _, row in csv_rows(_content(table, key), str(table), (key, "label"))]


def image_of(row: Cells, key: str) -> str:
    """Return the identity of the image of a row: `pixels_sha256` or, without, the column `key`."""
    return row.get("pixels_sha256") or row[key]


def write_rows(
    table: Path, key: str, changes: Changes, written: Changes | None = None
) -> Callable[[], object]:
    """Change cells in a CSV. Columns that it lacks are added, other cells stay.

    Returns a function that takes the change back. Raises InputError, with nothing changed, if the
    cells are no longer as `written`; InputError or OSError if the file cannot be read.
    """
    with LOCK:
        content = _content(table, key)
        header, columns, lines, separator = parse_csv(content, str(table), (key, "label"))
        rows = [dict(zip(columns, cells)) for _, cells in lines]
        for image, cells in (written or {}).items():
            present = next((row for row in rows if image_of(row, key) == image), {})
            if not (present.items() >= cells.items() if cells else not present):
                raise InputError(
                    f"{table}: {present.get(key, image)}: expected the answer that is taken back. "
                    "Received: another one or none, written since. It stays."
                )
        names = dict.fromkeys(name for cells in changes.values() for name in cells or ())
        added_columns = [name for name in names if name not in columns]
        text = io.StringIO()
        end = "\r\n" if b"\r\n" in content.replace(b"\0", b"") else "\n"
        fields = columns + added_columns
        writer = csv.DictWriter(text, fields, "", delimiter=separator, lineterminator=end)
        writer.writerow(dict(zip(fields, header + added_columns)))
        replaced: Changes = {}
        for row in rows:
            image = image_of(row, key)
            cells = changes.get(image, {})
            if image in changes:
                replaced[image] = {name: row.get(name, "") for name in cells or row}
            if cells is not None:
                writer.writerow(row | cells)
        # The stage `split` accepts splits of all images or of none.
        split = {"split": "train"} if rows and all(row.get("split") for row in rows) else {}
        added = [cells for image, cells in changes.items() if cells and image not in replaced]
        writer.writerows(split | cells for cells in added)
        mark = "\ufeff" if content.startswith((*MARKS,)) else ""  # and UTF-8, whatever it was
        write_text(table, mark + text.getvalue())
    return functools.partial(write_rows, table, key, dict.fromkeys(changes) | replaced, changes)


def labels_given() -> dict[str, str]:
    """Return the labels in labels.csv, by pixels_sha256 or, without, by path."""
    return {image_of(row, "path"): row["label"] for row in read_rows(LABELS_CSV, "path")}


def label_images(images: Iterable[tuple[str, str]], label: str) -> tuple[Callable[[], object], int]:
    """Give images, by `path` and `pixels_sha256` or "", a label in labels.csv, in one write.

    An image that has a row there stays as it is. Returns a function that takes the rows back, and
    the number of images that had one. Raises InputError or OSError, with nothing changed.
    """
    with LOCK:
        labelled = labels_given().keys()
        changes: Changes = {}
        had_one = 0
        for path, pixels in images:
            if {path, pixels} & labelled:
                had_one += 1
                continue
            cells = {"path": path, "label": label}
            changes[pixels or path] = cells | ({"pixels_sha256": pixels} if pixels else {})
        return write_rows(LABELS_CSV, "path", changes), had_one


def correct(path: str, pixels_sha256: str, label: str) -> Callable[[], object]:
    """Give an image a label in labels.csv, also in place of another one.

    Returns a function that takes this back. Raises InputError or OSError, with nothing changed.
    """
    cells = {"path": path, "label": label, "pixels_sha256": pixels_sha256}
    return write_rows(LABELS_CSV, "path", {pixels_sha256: cells})


def _content(table: Path, key: str) -> bytes:
    # A link to a file that is missing may be to a drive that comes back.
    return read_bytes(table) if os.path.lexists(table) else f"{key},label\n".encode()


def find_copies(images: Iterable[Path], places: Places) -> set[Path]:
    """Return the images that have a copy in the places."""
    by_size = defaultdict(list)
    for folder in {folder for folder, _ in places.values() if folder.exists()}:
        for path in filter(Path.is_file, folder.iterdir()):
            by_size[path.stat().st_size].append(path)
    return {
        image
        for image in filter(Path.is_file, images)
        if any(filecmp.cmp(image, path, shallow=False) for path in by_size[image.stat().st_size])
    }


def add(places: Places, image: Path, label: str) -> Callable[[], None]:
    """Copy an image to the place of its label. Returns a function that takes this back.

    No file and no row is overwritten: a name that exists gets a number. Raises InputError or
    OSError, with nothing changed; also if the image is there already.
    """
    folder, recorded = places[label]
    table = folder / FILE_NAME
    take_row_back = None
    with LOCK:
        if find_copies([image], places):
            raise InputError(f"{image}: expected a new image. Received: one with a label. Skip it.")
        rows = read_rows(table, "file_name") if recorded else []
        names = {Path(row["file_name"]).name.lower() for row in rows}  # also of missing files
        name = safe(image)
        numbered = (name.with_stem(f"{name.stem}-{number}") for number in itertools.count(2))
        copy = next(
            folder / path
            for path in itertools.chain([name], numbered)
            if path.name.lower() not in names and not os.path.lexists(folder / path)
        )
        with replacing(copy) as partial:
            copy_file(image, partial)
            if recorded:
                cells = {"file_name": copy.name, "label": recorded}
                take_row_back = write_rows(table, "file_name", {copy.name: cells})
    return functools.partial(_remove, copy, take_row_back)


def _remove(copy: Path, take_row_back: Callable[[], object] | None) -> None:
    with LOCK:
        if take_row_back:
            take_row_back()
        copy.unlink(missing_ok=True)


def safe(image: PurePath) -> Path:
    """Return a name that `clean` accepts, a CSV can hold, and every file system has room for."""
    stem = re.sub(r"[^\w ()+.-]", "_", image.stem)[:50].strip(" .")
    return Path((stem or "image") + image.suffix)


def names_of(label: str) -> list[str]:
    """Return the names of the folders of a class."""
    mapping = Clean.load().labels
    return mapping.get(label, [label]) if isinstance(mapping, dict) else [label]


def classes_in(folder: Path) -> list[str]:
    """Return the classes of a folder of images, which need not have been cleaned yet."""
    mapping = Clean.load().labels
    if isinstance(mapping, dict):
        return sorted(mapping)
    if (folder / FILE_NAME).exists():
        return sorted({row["label"] for row in read_rows(folder / FILE_NAME, "file_name")})
    folders = [path for path in folder.iterdir() if path.is_dir() and is_class_name(path.name)]
    return sorted(
        path.name
        for path in folders
        if mapping == OUTER or _for_training(path) or any(map(Path.is_file, path.iterdir()))
    )


def class_named(label: str, classes: Iterable[str]) -> str:
    """Return the class that has this name, perhaps in other case, or the name of a new one.

    Raises InputError for a name that no class can have.
    """
    label = normalize("NFC", label.strip())
    by_name = {normalize("NFC", name).lower(): name for name in classes}
    if label in classes or label.lower() in by_name:
        return label if label in classes else by_name[label.lower()]
    if problem := problem_of_names([label]):
        raise InputError(f"Class: {problem}.")
    return label


def has_unlabelled() -> bool:
    """Return whether photos of the project lack a label, as far as is known before a run."""
    if UNLABELLED_CSV.exists():
        with contextlib.suppress(InputError):  # of another version, which the page explains
            return not read_table(UNLABELLED_CSV, IMAGES).empty
        return False
    source = Path(Fetch.load().source)
    return source.is_dir() and lacks_classes(source)


def comes_first() -> bool:
    """Return whether labelling comes first: no model can learn from the labels that there are."""
    labels = read_labels(LABELS_JSON) if LABELS_JSON.exists() else []
    return len(labels) < 2 and has_unlabelled()


def lacks_classes(source: Path) -> bool:
    """Return whether a folder has images, and nothing in it gives them a class."""
    has_images = any(is_image_name(path.name) for path in source.rglob("*"))
    return has_images and not classes_in(folder_for_training(source) or source)


def place_of(label: str, classes: list[str], folder: Path, source: Path) -> Places:
    """Return the place of a class, perhaps a new one, in a folder of `source`.

    Raises InputError.
    """
    label = class_named(label, classes)
    if label in classes:
        return {label: places_in(folder, {label: names_of(label)}, source)[label]}
    problem = None
    if set("/\\") & {*label} or not is_class_name(label):
        problem = f"expected the name of a folder that may be a class. Received: {label}"
    if isinstance(Clean.load().labels, dict):
        problem = f"expected a class of clean.labels, where you can add one. Received: {label}"
    if problem or (problem := problem_of_labels({*classes, label})):
        raise InputError(f"Class: {problem}.")
    return {label: (folder, label) if (folder / FILE_NAME).exists() else (folder / label, None)}


def places_in(folder: Path, names: dict[str, list[str]], source: Path) -> Places:
    """Return the place of each class in a folder, which need not exist.

    `names` has the folders of each class, which stand for labels in a metadata.csv. If the folder
    of a class has a folder of the training split, the latter is the place. Raises InputError for a
    folder of other files, and for a folder in `source` where it would not be clear what gives the
    labels: a folder with and without a metadata.csv in each other.
    """
    is_inside = source.is_dir() and folder.resolve().is_relative_to(source.resolve())
    has_rows = is_inside and (source / FILE_NAME).exists()
    files = [path for path in folder.iterdir() if path.name[0] != "."] if folder.exists() else []
    if folder / FILE_NAME in files or not (files or is_inside):
        return {label: (folder, names[label][0]) for label in names}
    folders = {normalize("NFC", path.name).lower(): path for path in files if path.is_dir()}
    places: Places = {
        label: (_for_training(folders[name.lower()]) or folders[name.lower()], None)
        for label in names
        for name in names[label]
        if name.lower() in folders
    }
    if len(places) < len(names) or has_rows:
        give = source if has_rows else folder_for_training(folder)
        raise InputError(
            printable(
                f"{folder}: expected a folder with a {FILE_NAME}, one with a subfolder for each of "
                f"{', '.join(names)}, or a new one outside of fetch.source. Received: another one."
                + (f" Give {give}." if give else "")
            )
        )
    return places


def folder_for_training(folder: Path) -> Path | None:
    """Return the folder of the training split in a folder of splits, or None for another one."""
    inner = _for_training(folder) if folder.is_dir() else None
    if inner is None or (folder / FILE_NAME).exists():
        return None
    holds_classes = any(path.is_dir() or path.name == FILE_NAME for path in inner.iterdir())
    return inner if holds_classes else None


def _for_training(folder: Path) -> Path | None:
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    named = [path for path in inner if SPLIT_OF_FOLDER.get(path.name.lower()) == "train"]
    by_word = {path: split_in_words(path.name) for path in inner}
    if not named and len(set(by_word.values()) - {""}) > 1:  # as seg_train beside seg_test
        named = [path for path, split in by_word.items() if split == "train"]
    return next(iter(named), None)
