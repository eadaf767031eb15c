"""Read the forms in which labelled images are shipped, for `pawprint init`.

A table beside photos becomes a folder of photos, whose bytes are unchanged, with one metadata.csv.
"""

import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.files import copy_file, is_link_of_dvc, write_text
from pawprint.data.folders import AUTO, describe_class_counts, find_layout
from pawprint.data.metadata_csv import FILE_NAME, is_metadata, parse_metadata_csv
from pawprint.data.names import is_image_name, is_visible

Cells = dict[str, str]  # keyed by column
Files = Mapping[str, Path]  # keyed by the path relative to the images
OF_DATASETS = {".arrow", ".parquet"}
OF_TABLES = {"", ".csv", ".tsv"}  # Dataverse serves tables without a suffix
BESIDE = (".cls", ".json", ".txt")  # suffixes of a file with the label of the photo beside it
TABLES = (".arrow", ".csv", ".json", ".jsonl", ".npz", ".parquet", ".tsv", ".xlsx")

ZEROS = {"0", "0.0"}
FLAGS = {*ZEROS, "1", "1.0"}
# Columns that tell which photos belong together, rather than what they show.
OF_GROUPS = {"lesion_id", "location", "patient_id", "seq_id", "site"}
PART = re.compile(r"(.*part)[ _-]?\d+", re.IGNORECASE)  # such as HAM10000_images_part_1


class Asked(NamedTuple):
    """What a user asks for: the file of a table, and the name of the column with the labels."""

    table: Path | None = None
    label: str = ""


NOTHING = Asked()


class Form(NamedTuple):
    """Labelled images in one form.

    `photos` maps the name of each photo to its cells in metadata.csv: a label, or "" for a photo
    without one, and perhaps a split, a group and others. `notes` are lines about what was left out.
    """

    name: str
    photos: Mapping[str, Cells]
    notes: list[str]


class Row(NamedTuple):
    """A row of a table: where it is, such as "line 2", its cells, and the name of its photo."""

    place: str
    cells: Cells
    photo: str


def find_form(images: Path, files: Files, asked: Asked, labels: str | dict) -> Form | None:
    """Return the form of a folder with these files or of one file.

    Returns None for images that `clean` reads with `clean.labels`: folders of classes, photos with
    a metadata.csv, and photos without labels. A table or column that is asked for takes precedence.
    Raises InputError if labels are missing or need a choice.
    """
    names = sorted(filter(is_visible, files))
    files = {name: files[name] for name in names}
    suffixes = {PurePosixPath(name).suffix.lower() for name in names}
    are_given = labels != AUTO or any(map(is_metadata, names))
    classes = _classes(names)
    if images.is_dir() and not any(asked) and (are_given or classes):
        if are_given or not suffixes & OF_TABLES:
            return None
        from pawprint.commands import table_forms as tables

        if _are_parts(classes):
            return tables.read(images, files, asked)
        tables.require_same_classes(images, files)
        return None
    if suffixes & OF_DATASETS and not asked.table and not any(map(is_image_name, names)):
        raise InputError(
            f"{images}: expected photos. Received: {name_some(names)}. Write them to a folder as "
            "docs/images.md shows for Hugging Face data sets."
        )
    if asked.table or suffixes & OF_TABLES:
        from pawprint.commands import table_forms as tables

        return tables.read(images, files, asked)
    if asked.label:
        raise InputError(f"{images}: found no table with a column {asked.label}. Omit --label.")
    return None


def _classes(names: Iterable[str]) -> list[str]:
    """Return the classes that the folders of these files stand for, if any."""
    with contextlib.suppress(InputError):
        return find_layout([*names], None, AUTO, "").classes
    return []


def _are_parts(classes: Sequence[str]) -> bool:
    """Return whether folders contain numbered parts of one set, in any case."""
    parts = [PART.fullmatch(name) for name in classes]
    return len({part and part[1].lower() for part in parts}) == 1 and None not in parts


def describe_form(images: Path, form: Form) -> list[str]:
    """Return lines about a form, its classes and its splits. Raises InputError like `clean`."""
    names = [FILE_NAME, *form.photos]
    where = f"{images}: {form.name}"
    rows = parse_metadata_csv(where, names, lambda _: metadata_csv(form.photos).encode())
    layout = find_layout(names, rows, AUTO, where)
    lines = [f"found {printable(form.name)}", describe_class_counts(layout.count_labels())]
    if splits := Counter(place.split for place in layout.places.values() if place.split):
        lines.append(f"splits: {', '.join(f'{name} ({splits[name]:,})' for name in splits)}")
    if all(cells["label"].isdecimal() for cells in form.photos.values() if cells["label"]):
        lines.append(
            "the classes are numbers; to name them, list them in clean.labels, such as {cat: ['0']}"
        )
    return [*lines, *form.notes]


def write_form(form: Form, images: Path, folder: Path) -> None:
    """Write the photos of a form to a folder, with a metadata.csv.

    Raises InputError for a link that leads outside the images, because others may have made it.
    """
    for name in form.photos:
        source, path = images / name, folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not source.resolve().is_relative_to(images.resolve()) and not is_link_of_dvc(source):
            raise InputError(
                f"{printable(str(source))}: expected a file. Received: a link that leads outside "
                f"{images}. Replace it with a copy."
            )
        copy_file(source, path)
    write_text(folder / FILE_NAME, metadata_csv(form.photos))


def metadata_csv(photos: Mapping[str, Cells]) -> str:
    """Return a metadata.csv of the photos that have a label, given their cells by name."""
    columns = dict.fromkeys(name for cells in photos.values() for name in cells)
    table = io.StringIO()
    writer = csv.DictWriter(table, ["file_name", *columns], lineterminator="\n")
    writer.writeheader()
    labelled = {name: cells for name, cells in photos.items() if cells["label"]}
    writer.writerows({"file_name": name, **cells} for name, cells in labelled.items())
    return table.getvalue()


def describe_label_files(names: Iterable[str]) -> str:
    """Return text such as "train.csv, cat/1.txt and 40 more", or "".

    These are tables except for metadata.csv, and files with the name of a photo beside them, which
    may be a caption or a label. Hidden files and files in system folders are left out.
    """
    visible = [PurePosixPath(name) for name in names if is_visible(name)]
    photos = {path.with_suffix("") for path in visible if is_image_name(path.name)}
    found = [
        (path.suffix.lower(), str(path))
        for path in visible
        if path.suffix.lower() in TABLES
        or (path.suffix.lower() in BESIDE and path.with_suffix("") in photos)
    ]
    return name_some(name for _, name in sorted(found) if not is_metadata(name))


def find_labels(rows: Sequence[Row], asked: str, where: str) -> tuple[list[str], list[str]]:
    """Return the columns with the labels, and each row's label, or "" if it is missing.

    There are several columns if each stands for a class and contains 0 or 1. Otherwise, the column
    is the one that is `asked` for, that is called label, or that alone repeats its values and is
    not in OF_GROUPS. If rows have several labels, one of them can be `asked` for: the labels are
    then "NAME" and "not_NAME". Raises InputError if no column or several columns could contain the
    labels, and for rows with several labels.
    """
    columns = dict.fromkeys(name for row in rows for name in row.cells if _may_be(name, asked))
    values = {name: [row.cells.get(name, "") for row in rows] for name in columns}
    flags = [name for name in columns if {*values[name]} & ZEROS and {*values[name]} <= FLAGS]
    choices = [name for name in columns if name.lower() == (asked or "label").lower()]
    if asked and not choices:
        choices = [name for name in columns if asked in _joined_labels(values[name])]
    if not choices and not asked:
        choices = [name for name in columns if name not in flags and _may_be_label(name, values)]
        if len(flags) > 1 and (labels := _labels_of_flags(rows, flags, where, not choices)):
            return flags, labels
        choices += [name for name in flags if {*values[name]} - ZEROS]
    if len(choices) != 1:
        raise InputError(
            f"{where}: expected one column of labels{asked and f' named {asked}'}. Received: "
            f"{name_some(choices or columns, 20) or 'none'}. Choose one with --label COLUMN."
        )
    (column,) = choices
    labels = values[column]
    if asked and len(flags) > 1 and column in flags:
        return choices, [_one_of_two(column, float(label) > 0) for label in labels]
    joined = _joined(labels)
    if joined and asked in _joined_labels(labels):
        shown = {label: asked in joined.get(label, [label]) for label in labels}
        return choices, [label and _one_of_two(asked, shown[label]) for label in labels]
    if joined:
        odd = {row.place: label for row, label in zip(rows, labels) if label in joined}
        raise _several(where, odd, _joined_labels(labels))
    return choices, labels


def _labels_of_flags(
    rows: Sequence[Row], flags: list[str], where: str, are_labels: bool
) -> list[str]:
    """Return the class that has a 1 in each row, or none if not each row has exactly one.

    Then raises InputError if the columns can only be the labels.
    """
    ones = [[name for name in flags if float(row.cells[name])] for row in rows]
    odd = {
        row.place: name_some(found) or "no class with a 1"
        for row, found in zip(rows, ones)
        if len(found) != 1
    }
    if odd and are_labels:
        raise _several(where, odd, flags)
    return [] if odd else [name for (name,) in ones]


def _may_be(name: str, asked: str) -> bool:
    return name == asked or bool(name.strip() and name.lower() not in ("split", "group"))


def _may_be_label(name: str, values: Mapping[str, Sequence[str]]) -> bool:
    return name.lower() not in OF_GROUPS and repeats(values[name])


def repeats(values: Sequence[str]) -> bool:
    """Return whether a column has several values, each in two rows or more on average."""
    present = [value for value in values if value]
    return 1 < len({*present}) <= len(present) / 2


def _one_of_two(label: str, is_shown: bool) -> str:
    return label if is_shown else f"not_{label}"


def _joined(labels: Iterable[str]) -> dict[str, list[str]]:
    """Return the labels in each cell that joins several, or is a list in brackets."""
    known = {*labels}
    found = {}
    for cell in known:
        if cell.startswith("["):
            found[cell] = re.findall(r"[^\s,'\"\[\]]+", cell)
        for separator in (",", ";", "|", None):
            parts = [part.strip() for part in cell.split(separator)]
            if len(parts) > 1 and known.issuperset(parts):
                found[cell] = parts
    return found


def _joined_labels(labels: Sequence[str]) -> list[str]:
    """Return the sorted labels of a column in which cells join several, or none."""
    joined = _joined(labels)
    single = {*labels} - joined.keys() - {""}
    return sorted(single.union(*joined.values())) if joined else []


def _several(where: str, odd: Mapping[str, str], labels: Sequence[str]) -> InputError:
    """Return an error. `odd` has what the rows have instead of one label, keyed by their place."""
    place, received = next(iter(odd.items()))
    count = f"{counted(len(odd), 'row')} with several or none"
    return InputError(
        printable(
            f"{where}: expected exactly one class per photo. Received: {count}, such as {place}: "
            f"{received}. For a project with two classes, NAME and not_NAME, choose one of the "
            f"labels with --label NAME: {name_some(labels, 20)}."
        )
    )
