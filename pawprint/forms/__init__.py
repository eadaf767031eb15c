"""Read the forms in which labelled images are shipped, for `pawprint init`.

A form becomes a folder of photos, whose bytes are unchanged, with one metadata.csv. Each module
reads one form, and is imported only if the images may have this form.
"""

import contextlib
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pawprint.dataset.folder_messages import describe_class_counts
from pawprint.dataset.folders import AUTO, count_labels, find_places
from pawprint.dataset.metadata_csv import FILE_NAME, is_metadata, parse_metadata_csv
from pawprint.errors import InputError, printable
from pawprint.files import is_link_of_dvc, write_text
from pawprint.images.archive import is_image_name
from pawprint.named_file import copy_file

Cells = dict[str, str]  # keyed by column
Files = Mapping[str, Path]  # keyed by the path relative to the images
OF_DATASETS = {".arrow", ".parquet"}
OF_TABLES = {".csv", ".json", ".jsonl", ".tsv"}
BESIDE = (".cls", ".json", ".txt")  # suffixes of a file with the label of the photo beside it
TABLES = (".arrow", ".csv", ".json", ".jsonl", ".npz", ".parquet", ".tsv", ".xlsx")


class Asked(NamedTuple):
    """What a user asks for: the file of a table, and the name of the column with the labels."""

    table: Path | None = None
    label: str = ""


NOTHING = Asked()


class Form(NamedTuple):
    """Labelled images in one form.

    `photos` maps the name of each photo to its cells in metadata.csv: a label, or "" for a photo
    without one, and perhaps a split, a group and others. `contents` yields each photo's name, and
    its bytes or its file. `notes` are lines about what was left out.
    """

    name: str
    photos: Mapping[str, Cells]
    contents: Callable[[], Iterable[tuple[str, bytes | Path]]]
    notes: list[str]


def find_form(images: Path, files: Files, asked: Asked, labels: str | dict) -> Form | None:
    """Return the form of a folder with these files or of one file.

    Returns None for images that `clean` reads with `clean.labels`: folders of classes, photos with
    a metadata.csv, and photos without labels. A table or column that is asked for takes precedence.
    Raises InputError if labels are missing or need a choice.
    """
    names = [name for name in sorted(files) if is_image_name(f"{name}.jpg")]  # not hidden
    files = {name: files[name] for name in names}
    suffixes = {PurePosixPath(name).suffix.lower() for name in names}
    are_given = labels != AUTO or any(map(is_metadata, names))
    if images.is_dir() and not any(asked) and (are_given or have_classes(names)):
        if not are_given and suffixes & OF_TABLES:
            from pawprint.forms import tables

            tables.require_same_classes(images, files)
        return None
    if suffixes & OF_DATASETS and not asked.table:
        from pawprint.forms import hugging_face

        return hugging_face.read(images, files, asked)
    if asked.table or suffixes & OF_TABLES:
        from pawprint.forms import tables

        return tables.read(images, files, asked)
    if asked.label:
        raise InputError(f"{images}: found no table with a column {asked.label}. Omit --label.")
    return None


def have_classes(names: Iterable[str]) -> bool:
    """Return whether the folders of these files are classes."""
    with contextlib.suppress(InputError):
        return bool(find_places([*names], None, AUTO, "")[0])
    return False


def describe_form(images: Path, form: Form) -> list[str]:
    """Return lines about a form, its classes and its splits. Raises InputError like `clean`."""
    names = [FILE_NAME, *form.photos]
    where = f"{images}: {form.name}"
    rows = parse_metadata_csv(where, names, lambda _: _metadata_csv(form).encode())
    _, places = find_places(names, rows, AUTO, where)
    lines = [f"found {printable(form.name)}", describe_class_counts(count_labels(places, rows))]
    if splits := Counter(place.split for place in places.values() if place.split):
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
    for name, content in form.contents():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content.resolve().is_relative_to(images.resolve()) or is_link_of_dvc(content):
            copy_file(content, path)
        else:
            raise InputError(
                f"{printable(str(content))}: expected a file. Received: a link that leads outside "
                f"{images}. Replace it with a copy."
            )
    write_text(folder / FILE_NAME, _metadata_csv(form))


def _metadata_csv(form: Form) -> str:
    columns = dict.fromkeys(name for cells in form.photos.values() for name in cells)
    table = io.StringIO()
    writer = csv.DictWriter(table, ["file_name", *columns], lineterminator="\n")
    writer.writeheader()
    labelled = {name: cells for name, cells in form.photos.items() if cells["label"]}
    writer.writerows({"file_name": name, **cells} for name, cells in labelled.items())
    return table.getvalue()


def describe_label_files(names: Iterable[str]) -> str:
    """Return text such as "40 .txt, such as cat/1.txt; 1 .csv, such as train.csv", or "".

    These are tables except for metadata.csv, and files with the name of a photo beside them, which
    may be a caption or a label. Hidden files and files in system folders are left out.
    """
    names = list(names)
    photos = {str(PurePosixPath(name).with_suffix("")) for name in names if is_image_name(name)}
    first: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for name in sorted(names):
        path = PurePosixPath(name)
        suffix = path.suffix.lower()
        is_beside = suffix in BESIDE and str(path.with_suffix("")) in photos
        is_visible = is_image_name(f"{name}.jpg")
        if is_visible and (is_beside or suffix in TABLES) and not is_metadata(name):
            numbers[suffix] += 1
            first.setdefault(suffix, name)
    kinds = (f"{numbers[suffix]:,} {suffix}, such as {first[suffix]}" for suffix in first)
    return "; ".join(map(printable, kinds))
