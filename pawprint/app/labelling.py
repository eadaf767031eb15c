"""Write the labels that people give to labels.csv, and order the classes that they can give.

Functions take the project's folder first.
"""

import csv
import io
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from unicodedata import normalize

import pandas as pd
from filelock import FileLock

from pawprint.artifacts import cells_of, clean_params
from pawprint.base import paths
from pawprint.base.columns import PATHS
from pawprint.base.errors import InputError
from pawprint.base.files import read_bytes, write_text
from pawprint.base.labels import NEITHER, SEVERAL_LABELS, UNKNOWN, problem_of_names
from pawprint.base.tables import read_table
from pawprint.given.user_tables import (
    HOW,
    LABEL_COLUMNS,
    MARKS,
    OF_PAGE,
    Cells,
    csv_rows,
    parse_csv,
)

# Cells in the row of each image (see `image_of`), or None for no row.
Changes = dict[str, Cells | None]
# Undoes a change. Raises InputError, without changing anything, if its rows were changed since.
Undo = Callable[[], object]


def lock_of(project: Path) -> FileLock:
    """Return the lock of a project's labels, which all its sessions and processes share.

    A thread can acquire it again while it holds it.
    """
    # Another lock of the same file would wait for this one.
    return FileLock((project / ".dvc/tmp/labels.lock").resolve(), is_singleton=True)


def read_rows(table: Path) -> list[Cells]:
    """Return the rows of a labels.csv, or [] if it is missing. Raises InputError."""
    return [row for _, row in csv_rows(_content(table), str(table), LABEL_COLUMNS)]


def image_of(row: Cells) -> str:
    """Return the identity of the image in a row: `pixels_sha256` or, if empty, `path`."""
    return row.get("pixels_sha256") or row["path"]


def write_rows(table: Path, changes: Changes, written: Changes | None = None) -> Undo:
    """Change cells in a labels.csv. Columns that are needed are added, and other cells are kept.

    Returns a function that undoes the change. Raises InputError, without changing anything, if the
    cells no longer match `written`, and InputError or OSError if the file cannot be read.
    """
    with lock_of(table.parent):
        content = _content(table)
        header, columns, lines, separator = parse_csv(content, str(table), LABEL_COLUMNS)
        rows = [dict(zip(columns, cells)) for _, cells in lines]
        for image, cells in (written or {}).items():
            present = next((row for row in rows if image_of(row) == image), {})
            differ = (present.get(name, "") != cell for name, cell in (cells or {}).items())
            if bool(present) != bool(cells) or any(differ):
                raise InputError(
                    f"{table}: {present.get('path', image)}: cannot undo the label: it has been "
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
            image = image_of(row)
            cells = changes.get(image, {})
            if image in changes:
                replaced[image] = {name: row.get(name, "") for name in cells or row}
            if cells is not None:
                writer.writerow(row | cells)
        added = [cells for image, cells in changes.items() if cells and image not in replaced]
        writer.writerows(added)
        # The file is always written in UTF-8.
        mark = "\ufeff" if content.startswith((*MARKS,)) else ""
        write_text(table, mark + text.getvalue())
    return partial(write_rows, table, dict.fromkeys(changes) | replaced, changes)


def _content(table: Path) -> bytes:
    # A broken link may point to a drive that is reconnected later.
    return read_bytes(table) if os.path.lexists(table) else f"{','.join(LABEL_COLUMNS)}\n".encode()


ImageKey = tuple[str, str]  # path and pixels_sha256, or "" if the hash is unknown


def labels_given(project: Path) -> dict[str, str]:
    """Return the labels in labels.csv in order, keyed by pixels_sha256 or, if empty, by path."""
    rows = read_rows(project / paths.LABELS_CSV)
    return {image_of(row): normalize("NFC", row["label"]) for row in rows}


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


def correct(project: Path, labels: Mapping[ImageKey, str], how: str = "") -> Undo:
    """Set or replace the labels of images in labels.csv.

    `pixels_sha256` may be "". `how` is the cell in HOW of new rows, or "" for all rows. Returns a
    function that undoes the change. Raises InputError or OSError, without changing anything.
    """
    with lock_of(project):
        given = {image_of(row): row.get(HOW, "") for row in read_rows(project / paths.LABELS_CSV)}
        rows: Changes = {}
        for (path, known), label in labels.items():
            pixels = "" if path in given else known  # a row written by hand has no hash
            image = pixels or path
            rows[image] = _row((path, pixels), label, how and given.get(image, how))
        return write_rows(project / paths.LABELS_CSV, rows)


def states_of(project: Path) -> pd.DataFrame:
    """Return what is known of each photo of the last run that can show several labels.

    Rows are usable images, as ImageKey, in the order of `pixels_sha256`; columns are labels by
    name, and a value is a state as in a cell. Rows of labels.csv count, even if they are newer than
    the run. Raises InputError.
    """
    given = labels_given(project)
    images = cells_of(project, given)
    said = SEVERAL_LABELS.names_said([*images["label"], *given.values()])
    names = sorted(said.union(clean_params(project).not_asked) - {"", UNKNOWN})
    nothing = SEVERAL_LABELS.written(dict.fromkeys(names, -1))
    usable = read_table(project / paths.PATHS_CSV, PATHS)[["path", "pixels_sha256"]].merge(images)
    usable = usable[usable["cell"] != UNKNOWN].sort_values("pixels_sha256")
    states = SEVERAL_LABELS.encode(usable["cell"].mask(usable["cell"] == "", nothing), names)
    index = pd.MultiIndex.from_frame(usable[["path", "pixels_sha256"]])
    return pd.DataFrame(states.astype(int), index, names)


def state_in(states: pd.DataFrame, image: ImageKey) -> dict[str, int]:
    """Return the state of each label of an image. Raises InputError for one of another run."""
    if image not in states.index:
        raise InputError(f"{image[0]}: not in the last run. Reload the page.")
    return states.loc[image].to_dict()


def answer(project: Path, images: Sequence[ImageKey], said: str, how: str = "") -> tuple[Undo, int]:
    """Write what a cell says of its labels for images. What is known of other labels stays.

    Like `correct`, but with `how`, an image of which all these labels are known is not changed:
    somebody else has answered. Also returns the number of these images.
    """
    with lock_of(project):
        states = states_of(project)
        not_asked = clean_params(project).not_asked
        new = SEVERAL_LABELS.states_in(said)
        cells = {}
        for image in images:
            known = state_in(states, image)
            if not how or any(known.get(label, -1) < 0 for label in new):
                cells[image] = SEVERAL_LABELS.written(known | new, not_asked)
        return correct(project, cells, how), len(images) - len(cells)


def _row(image: ImageKey, label: str, how: str = "") -> Cells:
    path, pixels = image
    return {"path": path, "label": label, HOW: how} | ({"pixels_sha256": pixels} if pixels else {})


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
