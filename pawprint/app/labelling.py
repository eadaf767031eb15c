"""Write the labels that people give to labels.csv, and order the classes that they can give.

Functions take the project's folder first.
"""

import contextlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from unicodedata import normalize

from pawprint.app.label_rows import Changes, Undo, image_of, lock_of, read_rows, write_rows
from pawprint.base import paths
from pawprint.base.classes import NEITHER, problem_of_names
from pawprint.base.columns import IMAGES
from pawprint.base.errors import InputError
from pawprint.base.tables import read_table
from pawprint.data.user_tables import HOW, OF_PAGE, Cells

ImageKey = tuple[str, str]  # path and pixels_sha256, or "" if the hash is unknown


def labels_given(project: Path) -> dict[str, str]:
    """Return the labels in labels.csv in order, keyed by pixels_sha256 or, if empty, by path."""
    return {image_of(row): row["label"] for row in read_rows(project / paths.LABELS_CSV)}


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


def label_images(project: Path, images: Iterable[ImageKey], label: str) -> tuple[Undo, int]:
    """Label images, given by `path` and `pixels_sha256` or "", in labels.csv with a single write.

    An image that has a row in labels.csv is not changed. The column HOW marks labels that several
    images get at once, because `evaluate` lists these for review if they are unlikely. Returns a
    function that undoes the change, and the number of images that already had a row. Raises
    InputError or OSError, without changing anything.
    """
    with lock_of(project):
        images = [*images]
        given = labels_given(project)
        new = [image for image in images if image[0] not in given and image[1] not in given]
        how = OF_PAGE if len(images) > 1 else ""
        rows: Changes = {image[1] or image[0]: _row(image, label, how) for image in new}
        return write_rows(project / paths.LABELS_CSV, rows), len(images) - len(new)


def correct(project: Path, labels: Mapping[ImageKey, str | None]) -> Undo:
    """Set or replace the labels of images in labels.csv, or remove them if they are None.

    `pixels_sha256` may be "". Returns a function that undoes the change. Raises InputError or
    OSError, without changing anything.
    """
    with lock_of(project):
        given = labels_given(project)
        rows: Changes = {}
        for (path, known), label in labels.items():
            pixels = "" if path in given else known  # a row written by hand has no hash
            rows[pixels or path] = None if label is None else _row((path, pixels), label)
        return write_rows(project / paths.LABELS_CSV, rows)


def _row(image: ImageKey, label: str, how: str = "") -> Cells:
    path, pixels = image
    return {"path": path, "label": label, HOW: how} | ({"pixels_sha256": pixels} if pixels else {})


def pixels_of(project: Path) -> dict[str, str]:
    """Return the pixels_sha256 of the images that the last run could read, by path."""
    found: dict[str, str] = {}
    for table in (paths.IMAGES_CSV, paths.UNLABELLED_CSV):
        with contextlib.suppress(InputError):  # missing, or from another version
            rows = read_table(project / table, IMAGES)
            found |= zip(rows["path"], rows["pixels_sha256"])
    return found


def class_to_give(label: str, classes: Collection[str], accepts_new: bool) -> str:
    """Return the class with this name, ignoring case, or the name of a new class, or NEITHER.

    Raises InputError for a name that a class cannot have, and for a new class, unless these are
    accepted: if the source provides classes, labels.csv cannot add one.
    """
    if label == NEITHER:
        return label
    label = normalize("NFC", label.strip())
    if label in classes:
        return label
    by_name = {normalize("NFC", name).lower(): name for name in classes}
    if name := by_name.get(label.lower()):
        return name
    if not accepts_new:
        raise InputError(
            f"Class: expected one of {', '.join(classes)}. Received: {label}. To add a class, add "
            "photos of it to `fetch.source`."
        )
    if problem := problem_of_names([label]):
        raise InputError(f"Class: {problem}.")
    return label
