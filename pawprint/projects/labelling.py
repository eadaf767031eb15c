"""Write the labels that people give to labels.csv and undecided.csv, and find images without one.

Functions take the project's folder first.
"""

import contextlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from pawprint import paths
from pawprint.classes import NEITHER
from pawprint.columns import IMAGES, REJECTED, Columns
from pawprint.dataset.folder_names import lies_unlabelled
from pawprint.dataset.folders import Layout, find_layout
from pawprint.dataset.metadata_csv import read_metadata_csv
from pawprint.dataset.user_tables import HOW, OF_PAGE, Cells, by_spelling, find_name, name_likely
from pawprint.errors import InputError, printable
from pawprint.files import read_json
from pawprint.images.archive import Archive, members, open_archive
from pawprint.images.names import is_image_name
from pawprint.params.data import Clean, Fetch
from pawprint.projects import label_rows
from pawprint.projects.class_folders import class_named, lacks_classes
from pawprint.projects.label_rows import Changes, Written
from pawprint.tables import read_table

ImageKey = tuple[str, str]  # path and pixels_sha256, or "" if the hash is unknown
UNDECIDED = "?"  # marks an image if a person does not know its class


def labels_given(project: Path) -> dict[str, str]:
    """Return the labels in labels.csv in order, keyed by pixels_sha256 or, if empty, by path."""
    rows = label_rows.read_rows(project / paths.LABELS_CSV, "path")
    return {label_rows.image_of(row, "path"): row["label"] for row in rows}


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
    rows = label_rows.read_rows(project / paths.UNDECIDED_CSV, "path")
    return {label_rows.image_of(row, "path"): row["path"] for row in rows}


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
    with label_rows.lock_of(project):
        images = [*images]
        labelled = labels_given(project)
        unknown = undecided(project)
        new = [image for image in images if image[0] not in labelled and image[1] not in labelled]
        had_one = len(images) - len(new)
        is_doubt = label == UNDECIDED
        how = OF_PAGE if len(images) > 1 and not is_doubt else ""
        rows: Changes = {image[1] or image[0]: _row(image, label, how) for image in new}
        if is_doubt:
            doubts = {image: row for image, row in rows.items() if image not in unknown}
            return _write(project, {}, doubts), had_one
        return _write(project, rows, _rows_to_remove(rows, unknown)), had_one


def decide(project: Path, images: Iterable[str]) -> list[Written]:
    """Remove the rows of images from undecided.csv. Returns the change, if any."""
    with label_rows.lock_of(project):
        return _write(project, {}, _rows_to_remove(images, undecided(project)))


def _rows_to_remove(images: Iterable[str], present: Collection[str]) -> Changes:
    return dict.fromkeys(image for image in images if image in present)


def _write(project: Path, labels: Changes, doubts: Changes) -> list[Written]:
    """Change rows of labels.csv and of undecided.csv, or none if one of the files fails.

    Rows are removed last, so that an interrupted change loses none.
    """
    tables = [(paths.LABELS_CSV, labels), (paths.UNDECIDED_CSV, doubts)]
    tables.sort(key=lambda table: None in table[1].values())
    changes = {project / table: rows for table, rows in tables if rows}
    with label_rows.kept_on_error(changes):
        return [
            label_rows.write_rows(project, table, "path", rows) for table, rows in changes.items()
        ]


def _row(image: ImageKey, label: str, how: str = "") -> Cells:
    path, pixels = image
    row = {"path": path, "label": "" if label == UNDECIDED else label, HOW: how}
    return row | ({"pixels_sha256": pixels} if pixels else {})


def correct(project: Path, labels: Mapping[ImageKey, str | None]) -> list[Written]:
    """Set or replace the labels of images in labels.csv, or remove them if they are None.

    The label UNDECIDED moves the row from labels.csv to undecided.csv. `pixels_sha256` may be "".
    Returns the changes. Raises InputError or OSError, without changing anything.
    """
    with label_rows.lock_of(project):
        given = labels_given(project)
        doubted = undecided(project)
        rows: Changes = {}
        doubts: Changes = {}
        for (path, known), label in labels.items():
            pixels = "" if path in given else known  # a row written by hand has no hash
            image = pixels or path
            rows[image] = None
            doubts |= _rows_to_remove((path, known), doubted)
            if label is not None:
                table = doubts if label == UNDECIDED else rows
                table[image] = _row((path, pixels), label)
        return _write(project, rows, doubts)


def correct_labels(project: Path, labels: Iterable[tuple[str, str | None]]) -> None:
    """Correct the labels of images in the last run, given by path, like `correct`.

    Raises InputError or OSError, without changing anything, if an image or a label is unknown, or
    if an image has two labels.
    """
    with open_archive(project / paths.RAW_ARCHIVES) as archive:
        names = members(archive)
        of_source = layout_of(project, archive).classes
    name_of = by_spelling(names)
    pixels = pixels_of(project)
    with label_rows.lock_of(project):
        rows = label_rows.read_rows(project / paths.LABELS_CSV, "path")
        key_of = {
            find_name(row["path"], name_of): (row["path"], row.get("pixels_sha256", ""))
            for row in rows
        }
        classes = dict.fromkeys(of_source or (row["label"] for row in rows))
        corrections: dict[ImageKey, str | None] = {}
        for path, label in labels:
            name = find_name(path, name_of)
            if name is None:
                advice = name_likely(path, names) or "If it is new, run the project first."
                reason = "cannot label this image: it is not in the last run."
                raise InputError(f"{printable(path)}: {reason} {advice}")
            if label is not None:
                label = class_to_give(label, classes, accepts_new=not of_source)
                classes |= {label: None} if label not in (NEITHER, UNDECIDED) else {}
            known = pixels.get(name, "")
            path_of_row, pixels_of_row = key_of.get(name, (name, ""))
            # A row with another hash is about an earlier image with this path.
            is_same = not (known and pixels_of_row) or known == pixels_of_row
            key = (path_of_row, known or pixels_of_row) if is_same else (name, known)
            if corrections.setdefault(key, label) != label:
                raise InputError(
                    f"{printable(path)}: expected one label for each image. Received: "
                    f"{corrections[key]!r} and {label!r}."
                )
        correct(project, corrections)


def layout_of(project: Path, archive: Archive) -> Layout:
    """Return the layout that folders, metadata.csv and `clean.labels` determine for an archive.

    Raises InputError.
    """
    names = members(archive)
    labels = Clean.load(path=project / paths.PARAMS).labels
    return find_layout(names, read_metadata_csv(archive, names), labels, archive.filename)


def pixels_of(project: Path) -> dict[str, str]:
    """Return the pixels_sha256 of the images that the last run could read, by path."""
    tables = (_images_in(project, table) for table in (paths.IMAGES_CSV, paths.UNLABELLED_CSV))
    return {
        path: pixels for rows in tables for path, pixels in zip(rows["path"], rows["pixels_sha256"])
    }


def _images_in(project: Path, table: Path, columns: Columns = IMAGES) -> pd.DataFrame:
    """Return a table of the last run, without rows if it is missing or from another version."""
    with contextlib.suppress(InputError):
        return read_table(project / table, columns)
    return pd.DataFrame(columns=list(columns))


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
    return not _images_in(project, paths.UNLABELLED_CSV).empty or bool(find_waiting(project))


def find_waiting(project: Path) -> list[str]:
    """Return the photos in fetch.source without a label that the last run does not offer.

    They were added since, or lost their label since. They are in a folder for unlabelled images, or
    fetch.source provides no labels at all.
    """
    source = project / Fetch.load(path=project / paths.PARAMS).source
    if not source.is_dir():
        return []
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*"))
    names = [name for name in names if is_image_name(name)]
    columns = {paths.UNLABELLED_CSV: IMAGES, paths.IMAGES_CSV: IMAGES, paths.REJECTED_CSV: REJECTED}
    known = {path for table in columns.items() for path in _images_in(project, *table)["path"]}
    known -= {*_find_unlabelled_since(project)}
    new = [name for name in names if name not in known]
    apart = [name for name in new if lies_unlabelled(name)]
    return apart or (new if new and lacks_classes(project, source) else [])


def _find_unlabelled_since(project: Path) -> list[str]:
    """Return the photos whose label of the last run was in labels.csv, and is not there now."""
    with contextlib.suppress(InputError):  # no run, or from another version
        images = read_table(project / paths.IMAGES_CSV, IMAGES)
        given = {normalize("NFC", key) for key in labels_given(project)}
        images = images[
            ~images["path"].str.normalize("NFC").isin(given) & ~images["pixels_sha256"].isin(given)
        ]
        if images.empty:
            return []
        with open_archive(project / paths.RAW_ARCHIVES) as archive:
            places = layout_of(project, archive).places
        of_source = {name for name, place in places.items() if place.label}
        return [path for path in images["path"] if path not in of_source]
    return []


def comes_first(project: Path) -> bool:
    """Return whether labelling comes first, because a model cannot learn from these labels."""
    path = project / paths.LABELS_JSON
    labels = read_json(path) if path.exists() else []
    return len(labels) < 2 and has_unlabelled(project)
