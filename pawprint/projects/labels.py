"""Write the labels that people give: rows in CSV files and copies of new images.

A copy goes to the folder of its class, where `dvc repro` finds its label. Functions that read or
write the files of a project take its folder first. Other paths are used as they are given.
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
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from unicodedata import normalize

from filelock import FileLock

from pawprint.classes import NEITHER, problem_of_labels, problem_of_names
from pawprint.columns import IMAGES, REJECTED
from pawprint.dataset.folder_names import (
    SPLIT_OF_FOLDER,
    is_class_name,
    lies_unlabelled,
    split_in_words,
)
from pawprint.dataset.folders import OUTER, Place, find_places
from pawprint.dataset.metadata_csv import FILE_NAME, read_metadata_csv
from pawprint.dataset.user_tables import (
    HOW,
    MARKS,
    OF_PAGE,
    Cells,
    csv_rows,
    name_likely,
    parse_csv,
    spellings,
)
from pawprint.errors import InputError, printable
from pawprint.files import read_labels, replacing, write_text
from pawprint.images.archive import Archive, is_image_name, members, open_archive
from pawprint.named_file import copy_file, read_bytes
from pawprint.params.data import Clean, Fetch
from pawprint.paths import (
    IMAGES_CSV,
    LABELS_CSV,
    LABELS_JSON,
    PARAMS,
    RAW_ARCHIVES,
    REJECTED_CSV,
    UNDECIDED_CSV,
    UNLABELLED_CSV,
)
from pawprint.tables import read_table

ImageKey = tuple[str, str]  # path and pixels_sha256, or "" if the hash is unknown
UNDECIDED = "?"  # marks an image if a person does not know its class
LABELS_LOCK = Path(".dvc/tmp/labels.lock")  # shared by all sessions and processes in the project
# Cells in the row of each image (see `image_of`), or None for no row.
Changes = dict[str, Cells | None]
# For each class, the folder of its images, and their label in the metadata.csv there. The label is
# None if the folder determines the class.
Places = dict[str, tuple[Path, str | None]]


def lock_of(project: Path) -> FileLock:
    """Return the lock of a project's labels, which a thread can acquire again while it holds it."""
    return _lock((project / LABELS_LOCK).resolve())


@functools.cache
def _lock(path: Path) -> FileLock:
    return FileLock(path)  # another lock of the same file would wait for this one


@dataclass(frozen=True)
class Written:
    """A change to rows in a CSV file, made under the lock of a project."""

    project: Path
    table: Path
    key: str
    before: Changes
    after: Changes

    def __call__(self) -> "Written":
        """Undo the change and return a function that redoes it.

        Raises InputError, without changing anything, if the rows no longer match `after`, and
        InputError or OSError if the file cannot be read.
        """
        return write_rows(self.project, self.table, self.key, self.before, self.after)


@dataclass(frozen=True)
class Copy:
    """A copy of an image, and its row in a metadata.csv, if it has one."""

    project: Path
    image: Path
    copy: Path
    row: Written | None

    def __call__(self) -> None:
        """Remove the copy and its row.

        Raises InputError, without changing anything, if the original is gone or has changed,
        because the copy may then be the only one, and for the same reasons as `Written`.
        """
        with lock_of(self.project):
            if self.copy.exists() and not is_same(self.image, self.copy):
                raise InputError(
                    f"cannot remove {self.copy}: it is kept because it differs from {self.image} "
                    "and may be the only copy."
                )
            if self.row:
                self.row()
            self.copy.unlink(missing_ok=True)


def is_same(first: Path, second: Path) -> bool:
    """Return whether two files have the same bytes; False if one of them is missing."""
    return first.is_file() and second.is_file() and filecmp.cmp(first, second, shallow=False)


def read_rows(table: Path, key: str) -> list[Cells]:
    """Return the rows of a CSV with the columns `key` and `label`, or [] if it is missing.

    Raises InputError.
    """
    return [row for _, row in csv_rows(_content(table, key), str(table), (key, "label"))]


def image_of(row: Cells, key: str) -> str:
    """Return the identity of the image in a row: `pixels_sha256` or, if empty, `key`."""
    return row.get("pixels_sha256") or row[key]


def write_rows(
    project: Path, table: Path, key: str, changes: Changes, written: Changes | None = None
) -> Written:
    """Change cells in a CSV file. Columns that are needed are added, and other cells are kept.

    Returns the change, which can be undone. Raises InputError, without changing anything, if the
    cells no longer match `written`, and InputError or OSError if the file cannot be read.
    """
    with lock_of(project):
        content = _content(table, key)
        header, columns, lines, separator = parse_csv(content, str(table), (key, "label"))
        rows = [dict(zip(columns, cells)) for _, cells in lines]
        for image, cells in (written or {}).items():
            present = next((row for row in rows if image_of(row, key) == image), {})
            if not (present and _has(present, cells) if cells else not present):
                raise InputError(
                    f"{table}: {present.get(key, image)}: cannot undo the label: it has been "
                    "changed since, so it is kept."
                )
        cells_of_all = [item for cells in changes.values() for item in (cells or {}).items()]
        names = dict.fromkeys(name for name, cell in cells_of_all if cell)
        added_columns = [name for name in names if name not in columns]
        text = io.StringIO()
        end = "\r\n" if b"\r\n" in content.replace(b"\0", b"") else "\n"
        fields = columns + added_columns
        writer = csv.DictWriter(
            text, fields, "", extrasaction="ignore", delimiter=separator, lineterminator=end
        )
        writer.writerow(dict(zip(fields, header + added_columns)))
        replaced: Changes = {}
        for row in rows:
            image = image_of(row, key)
            cells = changes.get(image, {})
            if image in changes:
                replaced[image] = {name: row.get(name, "") for name in cells or row}
            if cells is not None:
                writer.writerow(row | cells)
        # The `split` stage accepts splits only for all images or for none.
        split = {"split": "train"} if rows and all(row.get("split") for row in rows) else {}
        added = [cells for image, cells in changes.items() if cells and image not in replaced]
        writer.writerows(split | cells for cells in added)
        # The file is always written in UTF-8.
        mark = "\ufeff" if content.startswith((*MARKS,)) else ""
        write_text(table, mark + text.getvalue())
    return Written(project, table, key, dict.fromkeys(changes) | replaced, changes)


def _has(row: Cells, cells: Cells) -> bool:
    return all(row.get(name, "") == cell for name, cell in cells.items())


def labels_given(project: Path) -> dict[str, str]:
    """Return the labels in labels.csv in order, keyed by pixels_sha256 or, if empty, by path."""
    rows = read_rows(project / LABELS_CSV, "path")
    return {image_of(row, "path"): row["label"] for row in rows}


def order_classes(
    names: Iterable[str], of_source: Iterable[str], given: Iterable[str]
) -> list[str]:
    """Return classes in the order of their digits, which all tabs share.

    Classes of the source come first, by name, and then others in the order of their first row in
    labels.csv, whose labels are `given`. So a class keeps its digit when another one is added, and
    has the same one for everybody with the same labels.
    """
    order = dict.fromkeys([*sorted(of_source), *given, *sorted(names)])
    return [name for name in order if name in {*names}]


def undecided(project: Path) -> dict[str, str]:
    """Return the paths in undecided.csv, keyed by pixels_sha256 or, if empty, by path."""
    rows = read_rows(project / UNDECIDED_CSV, "path")
    return {image_of(row, "path"): row["path"] for row in rows}


def label_images(
    project: Path, images: Iterable[ImageKey], label: str
) -> tuple[list[Written], int]:
    """Label images, given by `path` and `pixels_sha256` or "", in labels.csv with a single write.

    With the label UNDECIDED, they are added to undecided.csv instead, and any other label removes
    them from there. An image that has a row in labels.csv is not changed. The column HOW marks
    labels that several images get at once, because `evaluate` lists these for review if they are
    unlikely. Returns the changes, to be undone in this order, and the number of images that already
    had a row. Raises InputError or OSError, without changing anything.
    """
    with lock_of(project):
        images = [*images]
        labelled = labels_given(project)
        unknown = undecided(project)
        new = [image for image in images if image[0] not in labelled and image[1] not in labelled]
        had_one = len(images) - len(new)
        if label == UNDECIDED:
            new = [(path, pixels) for path, pixels in new if (pixels or path) not in unknown]
            rows: Changes = {pixels or path: _row(path, pixels, "") for path, pixels in new}
            return _write_undecided(project, rows), had_one
        how = OF_PAGE if len(images) > 1 else ""
        rows = {pixels or path: _row(path, pixels, label, how) for path, pixels in new}
        written = write_rows(project, project / LABELS_CSV, "path", rows)
        return [written, *decide(project, rows)], had_one


def decide(project: Path, paths: Iterable[str]) -> list[Written]:
    """Remove the rows of images from undecided.csv. Returns the change, if any."""
    with lock_of(project):
        unknown = undecided(project)
        return _write_undecided(project, dict.fromkeys(path for path in paths if path in unknown))


def _write_undecided(project: Path, rows: Changes) -> list[Written]:
    return [write_rows(project, project / UNDECIDED_CSV, "path", rows)] if rows else []


def _row(path: str, pixels: str, label: str, how: str = "") -> Cells:
    row = {"path": path, "label": label, HOW: how}
    return row | ({"pixels_sha256": pixels} if pixels else {})


def correct(project: Path, labels: Mapping[ImageKey, str | None]) -> Written:
    """Set or replace the labels of images in labels.csv, or remove them if they are None.

    The label UNDECIDED moves the row from labels.csv to undecided.csv. `pixels_sha256` may be "".
    Returns the change to labels.csv. Raises InputError or OSError, without changing anything.
    """
    with lock_of(project):
        given = labels_given(project)
        rows: Changes = {}
        doubted: Changes = {}
        for (path, known), label in labels.items():
            pixels = "" if path in given else known  # a row written by hand has no hash
            image = pixels or path
            is_removed = label is None or label == UNDECIDED
            rows[image] = None if is_removed else _row(path, pixels, label or "")
            if label == UNDECIDED:
                doubted[image] = _row(path, pixels, "")
        written = write_rows(project, project / LABELS_CSV, "path", rows)
        _write_undecided(project, doubted)
        decide(project, rows.keys() - doubted.keys())
        return written


def correct_labels(project: Path, labels: Mapping[str, str | None]) -> None:
    """Correct the labels of images in the last run, given by path, like `correct`.

    Raises InputError or OSError, without changing anything, if an image or a label is unknown.
    """
    if not labels:
        return
    with open_archive(project / RAW_ARCHIVES) as archive:
        names = members(archive)
        of_source, _ = places_in_archive(project, archive)
    name_of = {normalize("NFC", name): name for name in names} | {name: name for name in names}
    pixels = pixels_of(project)
    with lock_of(project):
        classes = of_source or [*dict.fromkeys(labels_given(project).values())]
        corrections: dict[ImageKey, str | None] = {}
        for path, label in labels.items():
            name = next((name_of[each] for each in spellings(path) if each in name_of), None)
            if name is None:
                advice = name_likely(path, names) or "If it is new, run the project first."
                reason = "cannot label this image: it is not in the last run."
                raise InputError(f"{printable(path)}: {reason} {advice}")
            if label is not None:
                label = class_to_give(label, classes, accepts_new=not of_source)
                classes = [*classes, label]
            corrections[name, pixels.get(name, "")] = label
        correct(project, corrections)


def places_in_archive(project: Path, archive: Archive) -> tuple[list[str], dict[str, Place]]:
    """Return the classes and places that folders, metadata.csv or `clean.labels` provide.

    Raises InputError.
    """
    names = members(archive)
    labels = Clean.load(path=project / PARAMS).labels
    return find_places(names, read_metadata_csv(archive, names), labels, archive.filename)


def pixels_of(project: Path) -> dict[str, str]:
    """Return the pixels_sha256 of the images that the last run could read, by path."""
    found: dict[str, str] = {}
    for table in (IMAGES_CSV, UNLABELLED_CSV):
        with contextlib.suppress(InputError):  # the run may have failed earlier
            rows = read_table(project / table, IMAGES)
            found |= dict(zip(rows["path"], rows["pixels_sha256"]))
    return found


def _content(table: Path, key: str) -> bytes:
    # A broken link may point to a drive that is reconnected later.
    return read_bytes(table) if os.path.lexists(table) else f"{key},label\n".encode()


def find_copies(images: Iterable[Path], places: Places) -> set[Path]:
    """Return the images that already have a copy in the places."""
    by_size = defaultdict(list)
    for folder in {folder for folder, _ in places.values() if folder.exists()}:
        for path in filter(Path.is_file, folder.iterdir()):
            by_size[path.stat().st_size].append(path)
    return {
        image
        for image in filter(Path.is_file, images)
        if any(filecmp.cmp(image, path, shallow=False) for path in by_size[image.stat().st_size])
    }


def add(project: Path, places: Places, image: Path, label: str) -> Copy:
    """Copy an image to the place of its label. Calling the returned copy undoes this.

    Files and rows are never overwritten: if a name exists, a number is added. Raises InputError or
    OSError, without changing anything, including if the image is already there.
    """
    folder, recorded = places[label]
    table = folder / FILE_NAME
    row = None
    with lock_of(project):
        if find_copies([image], places):
            raise InputError(f"cannot label {image}: it already has a label. Skip it.")
        rows = read_rows(table, "file_name") if recorded else []
        # This includes missing files.
        names = {Path(row["file_name"]).name.lower() for row in rows}
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
                row = write_rows(project, table, "file_name", {copy.name: cells})
    return Copy(project, image, copy, row)


def add_all(project: Path, places: Places, images: Iterable[Path], label: str) -> list[Copy]:
    """Copy images to the place of their label, like `add`, and return the copies.

    Raises InputError or OSError, without changing anything.
    """
    copies: list[Copy] = []
    with lock_of(project):
        try:
            for image in images:
                copies.append(add(project, places, image, label))
        except (InputError, OSError):
            for copy in reversed(copies):
                copy()
            raise
    return copies


def require_apart(origin: Path, target: Path, images: Iterable[Path]) -> None:
    """Raise InputError if `origin` is inside or around the folder for labelled images."""
    resolved = target.resolve()
    if resolved.is_relative_to(origin.resolve()) or any(
        path.resolve().is_relative_to(resolved) for path in images
    ):
        raise InputError(
            f"{origin}: expected a folder that neither contains nor is inside the folder for "
            f"labelled images. Received: {target} for labelled images."
        )


def safe(image: PurePath) -> Path:
    """Return a safe name, which `clean`, CSV files and every file system accept."""
    stem = re.sub(r"[^\w ()+.-]", "_", image.stem)[:50].strip(" .")
    return Path((stem or "image") + image.suffix)


def names_of(project: Path, label: str) -> list[str]:
    """Return the folder names of a class."""
    mapping = Clean.load(path=project / PARAMS).labels
    return mapping.get(label, [label]) if isinstance(mapping, dict) else [label]


def classes_in(project: Path, folder: Path) -> list[str]:
    """Return the classes in a folder of images, even before `clean` has run."""
    mapping = Clean.load(path=project / PARAMS).labels
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
    """Return the class with this name, ignoring case, or the name of a new class.

    Raises InputError for a name that a class cannot have.
    """
    label = normalize("NFC", label.strip())
    by_name = {normalize("NFC", name).lower(): name for name in classes}
    if label in classes or label.lower() in by_name:
        return label if label in classes else by_name[label.lower()]
    if problem := problem_of_names([label]):
        raise InputError(f"Class: {problem}.")
    return label


def class_to_give(label: str, classes: Collection[str], accepts_new: bool) -> str:
    """Return the class with this name, like `class_named`; NEITHER and UNDECIDED stay as they are.

    Raises InputError for a new class, unless these are accepted: if the source provides classes,
    labels.csv cannot add one.
    """
    if label in (NEITHER, UNDECIDED):
        return label
    label = class_named(label, classes)
    if label not in classes and not accepts_new:
        raise InputError(
            f"Class: expected one of {', '.join(classes)}. Received: {label}. To add a class, add "
            "photos of it, for example on the Add photos page of the app."
        )
    return label


def has_unlabelled(project: Path) -> bool:
    """Return whether photos in the project lack a label, including photos added since the run."""
    if (project / UNLABELLED_CSV).exists():
        with contextlib.suppress(InputError):  # from another version
            if not read_table(project / UNLABELLED_CSV, IMAGES).empty:
                return True
    return bool(find_waiting(project))


def find_waiting(project: Path) -> list[str]:
    """Return the photos in fetch.source without a label that the last run does not offer.

    They were added since, or lost their label since. They are in a folder for unlabelled images, or
    fetch.source provides no labels at all.
    """
    source = project / Fetch.load(path=project / PARAMS).source
    if not source.is_dir():
        return []
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*"))
    names = [name for name in names if is_image_name(name)]
    known: set[str] = set()
    for path, columns in ((UNLABELLED_CSV, IMAGES), (IMAGES_CSV, IMAGES), (REJECTED_CSV, REJECTED)):
        with contextlib.suppress(InputError):  # the file is missing or from another version
            known |= {*read_table(project / path, columns)["path"]}
    known -= {*_find_unlabelled_since(project)}
    new = [name for name in names if name not in known]
    apart = [name for name in new if lies_unlabelled(name)]
    return apart or (new if new and lacks_classes(project, source) else [])


def _find_unlabelled_since(project: Path) -> list[str]:
    """Return the photos whose label of the last run was in labels.csv, and is not there now."""
    with contextlib.suppress(InputError):  # no run, or from another version
        images = read_table(project / IMAGES_CSV, IMAGES)
        given = {normalize("NFC", key) for key in labels_given(project)}
        images = images[
            ~images["path"].str.normalize("NFC").isin(given) & ~images["pixels_sha256"].isin(given)
        ]
        if images.empty:
            return []
        with open_archive(project / RAW_ARCHIVES) as archive:
            _, places = places_in_archive(project, archive)
        of_source = {name for name, place in places.items() if place.label}
        return [path for path in images["path"] if path not in of_source]
    return []


def comes_first(project: Path) -> bool:
    """Return whether labelling comes first, because a model cannot learn from these labels."""
    path = project / LABELS_JSON
    labels = read_labels(path) if path.exists() else []
    return len(labels) < 2 and has_unlabelled(project)


def lacks_classes(project: Path, source: Path) -> bool:
    """Return whether a folder has images, but nothing that assigns them to classes."""
    has_images = any(is_image_name(path.name) for path in source.rglob("*"))
    return has_images and not classes_in(project, folder_for_training(source) or source)


def place_of(project: Path, label: str, classes: list[str], folder: Path, source: Path) -> Places:
    """Return the place of a class, which may be new, in a folder of `source`.

    Raises InputError.
    """
    label = class_named(label, classes)
    if label in classes:
        return {label: places_in(folder, {label: names_of(project, label)}, source)[label]}
    problem = None
    if set("/\\") & {*label} or not is_class_name(label):
        problem = f"expected a class whose name can be a folder name. Received: {label}"
    if isinstance(Clean.load(path=project / PARAMS).labels, dict):
        problem = f"expected a class listed in clean.labels; add it there. Received: {label}"
    if problem or (problem := problem_of_labels({*classes, label})):
        raise InputError(f"Class: {problem}.")
    return {label: (folder, label) if (folder / FILE_NAME).exists() else (folder / label, None)}


def places_in(folder: Path, names: dict[str, list[str]], source: Path) -> Places:
    """Return the place of each class in a folder, which need not exist.

    `names` contains the folder names of each class, which are also its labels in a metadata.csv. If
    a class folder has a subfolder for the training split, that is the place. Raises InputError for
    a folder with other files, and for a folder in `source` with ambiguous labels, because only one
    of two nested folders has a metadata.csv.
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
                f"{folder}: expected a folder with a {FILE_NAME}, a folder with a subfolder for "
                f"each of {', '.join(names)}, or a new folder outside fetch.source. Received: "
                "another folder." + (f" Use {give}." if give else "")
            )
        )
    return places


def folder_for_training(folder: Path) -> Path | None:
    """Return the training folder in a folder of splits, or None if there are no splits."""
    inner = _for_training(folder) if folder.is_dir() else None
    if inner is None or (folder / FILE_NAME).exists():
        return None
    holds_classes = any(path.is_dir() or path.name == FILE_NAME for path in inner.iterdir())
    return inner if holds_classes else None


def _for_training(folder: Path) -> Path | None:
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    named = [path for path in inner if SPLIT_OF_FOLDER.get(path.name.lower()) == "train"]
    by_word = {path: split_in_words(path.name) for path in inner}
    # For example, seg_train next to seg_test.
    if not named and len(set(by_word.values()) - {""}) > 1:
        named = [path for path, split in by_word.items() if split == "train"]
    return next(iter(named), None)
