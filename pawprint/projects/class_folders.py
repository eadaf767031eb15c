"""Find the folder of a class, and copy new images there, where `dvc repro` finds their label.

Functions that read the params of a project take its folder first. Other paths are used as they are
given.
"""

import filecmp
import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from unicodedata import normalize

from pawprint.classes import problem_of_labels, problem_of_names
from pawprint.dataset.folder_names import SPLIT_OF_FOLDER, is_class_name, split_in_words
from pawprint.dataset.folders import OUTER
from pawprint.dataset.metadata_csv import FILE_NAME
from pawprint.errors import InputError, printable
from pawprint.files import replacing
from pawprint.images.names import is_image_name
from pawprint.named_file import copy_file
from pawprint.params.data import Clean, Fetch
from pawprint.paths import PARAMS
from pawprint.projects.label_rows import Written, all_or_none, lock_of, read_rows, write_rows

# For each class, the folder of its images, and their label in the metadata.csv there. The label is
# None if the folder determines the class.
Places = dict[str, tuple[Path, str | None]]


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


Change = Written | Copy


def is_same(first: Path, second: Path) -> bool:
    """Return whether two files have the same bytes; False if one of them is missing."""
    return first.is_file() and second.is_file() and filecmp.cmp(first, second, shallow=False)


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
    with lock_of(project):
        return all_or_none(add(project, places, image, label) for image in images)


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


def lacks_classes(project: Path, source: Path) -> bool:
    """Return whether a folder has images, but nothing that assigns them to classes."""
    has_images = any(is_image_name(path.name) for path in source.rglob("*"))
    return has_images and not classes_in(project, folder_for_training(source) or source)


def place_of(project: Path, label: str, classes: list[str], folder: Path) -> Places:
    """Return the place of a class, which may be new, in a folder of fetch.source.

    Raises InputError.
    """
    label = class_named(label, classes)
    if label in classes:
        return places_of_classes(project, folder, [label])
    problem = None
    if set("/\\") & {*label} or not is_class_name(label):
        problem = f"expected a class whose name can be a folder name. Received: {label}"
    if isinstance(Clean.load(path=project / PARAMS).labels, dict):
        problem = f"expected a class listed in clean.labels; add it there. Received: {label}"
    if problem or (problem := problem_of_labels({*classes, label})):
        raise InputError(f"Class: {problem}.")
    return {label: (folder, label) if (folder / FILE_NAME).exists() else (folder / label, None)}


def places_of_classes(project: Path, target: Path, classes: Sequence[str]) -> Places:
    """Return the place in `target` of each of a model's classes. Raises InputError."""
    mapping = Clean.load(path=project / PARAMS).labels
    folders = mapping if isinstance(mapping, dict) else {}
    names = {label: folders.get(label, [label]) for label in classes}
    return places_in(target, names, Path(Fetch.load(path=project / PARAMS).source))


def place_to_give(
    project: Path, label: str, classes: list[str], places: Places, target: Path
) -> Places:
    """Return the place of a class, which may be new, given the `places` of the model's classes.

    Raises InputError.
    """
    label = class_named(label, classes)
    if label in places:
        return {label: places[label]}
    if any(recorded for _, recorded in places.values()):
        if problem := problem_of_labels({*classes, label}):
            raise InputError(f"Class: {problem}.")
        return {label: (target, label)}
    return place_of(project, label, classes, target)


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
    """Return the training folder in a folder of splits, or None without splits."""
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
