"""Find the labels of photos in a table beside them, such as Kaggle's train.csv.

The columns with the names of files and with the labels are found by their cells. The photos become
a folder, whose files are unchanged, with one metadata.csv.
"""

import contextlib
import csv
import io
import json
import os
import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from unicodedata import normalize

from pawprint.base.classes import UNKNOWN
from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.files import is_link_of_dvc, read_bytes
from pawprint.commands.given_images import Given
from pawprint.data.folder_names import SPLIT_OF_FOLDER, split_in_words
from pawprint.data.folders import AUTO, READINGS, find_layout
from pawprint.data.metadata_csv import FILE_NAME, is_metadata
from pawprint.data.names import count_suffixes, is_image_name
from pawprint.data.user_tables import parse_csv

Cells = dict[str, str]  # keyed by column
Ends = Mapping[str, str | None]
TABLES = (".arrow", ".csv", ".json", ".jsonl", ".npz", ".parquet", ".tsv", ".xlsx")
OF_TABLES = {"", ".csv", ".tsv"}  # Dataverse serves tables without a suffix
UNREAD = {".arrow", ".json", ".jsonl", ".parquet", ".xlsx"}
BESIDE = (".cls", ".json", ".txt")  # suffixes of a file with the label of the photo beside it
MAX_CHECKED = 10**7  # bytes of a table beside the folders of classes
MAX_NAMES = 10**5  # bytes of a JSON that names classes
PROBED = 100  # rows that are searched for names of files before all of them
# Names of columns, of which one wins if several name files.
OF_FILES = {"file", "file_name", "filename", "image", "image_id", "image_path", "path"}
# Columns that tell which photos belong together, rather than what they show.
OF_GROUPS = {"lesion_id", "location", "patient_id", "seq_id", "site"}
ZEROS = {"0", "0.0"}
FLAGS = {*ZEROS, "1", "1.0"}
OF_NUMBERS = (
    "the classes are numbers; to name them, list them in clean.labels, such as {cat: ['0']}"
)
PART = re.compile(r"(.*part)[ _-]?\d+", re.IGNORECASE)  # such as HAM10000_images_part_1


class Asked(NamedTuple):
    """What a user asks for: the file of a table, and the name of the column with the labels.

    `skips` means that rows which name no photo or several labels are left out with a line.
    """

    table: Path | None = None
    label: str = ""
    skips: bool = False


NOTHING = Asked()


class Row(NamedTuple):
    """A row of a table: where it is, such as "line 2", its cells, and the name of its photo."""

    place: str
    cells: Cells
    photo: str


class Table(NamedTuple):
    """The rows of one file, or of several alike, and the column that names their photos."""

    name: str
    column: str
    rows: list[Row]


class Labelled(NamedTuple):
    """Photos with the labels of a table, which `name` describes.

    `photos` maps the name of each photo to its cells in metadata.csv: a label, or "" for a photo
    without one, and perhaps a split, a group and others. `notes` are lines about what was left out,
    of which `unused` are about rows that name no photo, and photos with several labels.
    """

    name: str
    photos: Mapping[str, Cells]
    notes: list[str]
    unused: list[str]


def with_table(given: Given, asked: Asked, labels: dict[str, list[str]] | str) -> Given:
    """Return the photos of `find_labels` with their metadata.csv, or `given` itself.

    Raises InputError for a link that leads outside the images, because others may have made it.
    """
    found = find_labels(given, asked, labels)
    if not found:
        return given
    for name in found.photos:
        source = given.files[name]
        if not source.resolve().is_relative_to(given.path.resolve()) and not is_link_of_dvc(source):
            raise InputError(
                f"{printable(str(source))}: expected a file. Received: a link that leads outside "
                f"{given.path}. Replace it with a copy."
            )
    table = metadata_csv(found.photos).encode()
    return given._replace(
        files={name: given.files[name] for name in found.photos},
        names=[FILE_NAME, *found.photos],
        images=[*found.photos],
        others=[FILE_NAME],
        read=lambda _: table,
        notes=found.notes,
        table=found.name,
    )


def metadata_csv(photos: Mapping[str, Cells]) -> str:
    """Return a metadata.csv of the photos that have a label, given their cells by name."""
    columns = dict.fromkeys(name for cells in photos.values() for name in cells)
    table = io.StringIO()
    writer = csv.DictWriter(table, ["file_name", *columns], lineterminator="\n")
    writer.writeheader()
    labelled = {name: cells for name, cells in photos.items() if cells["label"]}
    writer.writerows({"file_name": name, **cells} for name, cells in labelled.items())
    return table.getvalue()


def find_labels(given: Given, asked: Asked, labels: dict[str, list[str]] | str) -> Labelled | None:
    """Return the photos in a folder with the labels of a table.

    Returns None for images that `clean` reads with `clean.labels`: folders of classes, photos with
    a metadata.csv, and photos without labels. A table or column that is asked for takes precedence.
    Raises InputError if labels are missing or need a choice.
    """
    if any(asked) and not given.path.is_dir():
        raise InputError(f"{given.path}: expected a folder to use a table with. Unpack the images.")
    others = [given.files[name] for name in given.others if name in given.files]
    paths = [asked.table] if asked.table else [*filter(_may_be_table, others)]
    are_given = labels != AUTO or any(map(is_metadata, given.others))
    if not any(asked) and (are_given or not paths):
        return None
    folders = {} if any(asked) else _labels_of_folders(given.images)
    classes = {*folders.values()} - {UNKNOWN}
    if classes and not _are_parts(classes):
        paths = [path for path in paths if path.stat().st_size <= MAX_CHECKED]
        _require_same_classes(given, folders, _read_tables(paths, given))
        return None
    tables = _read_tables(paths, given, is_asked=bool(asked.table))
    if not tables and any(asked):
        raise InputError(
            f"{asked.table or given.path}: found no table with a column of labels"
            f"{asked.label and f' named {asked.label}'} beside the names of files. Choose another "
            "with --table FILE or --label COLUMN."
        )
    return _label(given, asked, tables) if tables else None


def label_files(given: Given) -> list[str]:
    """Return the files that may hold labels, sorted by suffix.

    These are tables, and files with the name of a photo beside them, which may be a caption or a
    label.
    """
    photos = {PurePosixPath(name).with_suffix("") for name in given.images}
    found = [
        (path.suffix.lower(), str(path))
        for path in map(PurePosixPath, given.others)
        if path.suffix.lower() in TABLES
        or (path.suffix.lower() in BESIDE and path.with_suffix("") in photos)
    ]
    return [name for _, name in sorted(found)]


def _labels_of_folders(names: list[str], reading: str = AUTO) -> dict[str, str]:
    """Return the label that its folders give each of these files, or none if they are in doubt."""
    with contextlib.suppress(InputError):
        places = find_layout(names, None, reading, "").places
        return {name: place.label for name, place in places.items() if place.label}
    return {}


def _are_parts(classes: Iterable[str]) -> bool:
    """Return whether folders contain numbered parts of one set, in any case."""
    parts = [PART.fullmatch(name) for name in classes]
    return len({part and part[1].lower() for part in parts}) == 1 and None not in parts


def _require_same_classes(given: Given, folders: Mapping[str, str], tables: list[Table]) -> None:
    """Raise InputError if a table labels most photos, and not as the folders of classes do.

    `folders` has the label that its folders give each file.
    """
    for table in tables:
        rows = [row for row in table.rows if row.photo in folders]
        photos = {row.photo for row in rows}
        columns = dict.fromkeys(column for row in rows for column in row.cells)
        values = {column: [row.cells.get(column, "") for row in rows] for column in columns}
        is_labelled = any(map(_repeats, values.values()))
        agrees = any(
            _is_one_to_one({(folders[row.photo], cell) for row, cell in zip(rows, cells) if cell})
            for cells in values.values()
        )
        if 2 * len(photos) > len(folders) and is_labelled and not agrees:
            reading = next(
                each for each in READINGS if _labels_of_folders(given.images, each) == folders
            )
            raise InputError(
                f"{given.path}: expected classes as folders or in a table. Received: folders, and "
                f"{printable(table.name)}, with rows for {len(photos):,} of their images. Use the "
                "table with --table FILE or --label COLUMN, or the folders with --labels "
                f"{reading}."
            )


def _is_one_to_one(pairs: set[tuple[str, str]]) -> bool:
    """Return whether each folder has one value, which no other folder has."""
    return len(pairs) == len({folder for folder, _ in pairs}) == len({cell for _, cell in pairs})


def _may_be_table(path: Path) -> bool:
    """Return whether a file may be a table, other than an example of what to submit to Kaggle."""
    is_example = re.match(r"sample[\W_]*submission", path.name, re.IGNORECASE)
    return path.suffix.lower() in OF_TABLES and not is_example and path.is_file()


def _read_tables(paths: Iterable[Path], given: Given, is_asked: bool = False) -> list[Table]:
    """Return the tables whose rows name some of the images, or files beside them.

    Tables with the same columns, each in a folder of its own, are one table, such as one per split.
    Files that are not such tables are left out, or raise InputError if `is_asked`.
    """
    ends = _ends(given)
    alike: dict[tuple[str, ...], list[tuple[Path, list[Row]]]] = {}
    for path in paths:
        try:
            column, rows = _rows_with_photos(path, given.path, ends)
        except InputError:
            if is_asked:
                raise
            continue  # another file, or a damaged one, which will be named
        if rows:
            alike.setdefault((column, *sorted(rows[0].cells)), []).append((path, rows))
    found = []
    for (column, *_), tables in alike.items():
        is_one = len({path.parent for path, _ in tables}) == len(tables)
        for part in [tables] if is_one else [[table] for table in tables]:
            name = name_some(dict.fromkeys(path.name for path, _ in part))
            found.append(Table(name, column, [row for _, rows in part for row in rows]))
    return found


def _ends(given: Given) -> Ends:
    """Return the file for each end of a path, or None if several have the same end.

    A slash at the beginning marks whole paths. Suffixes of images may be missing, unless two files
    differ in nothing else.
    """
    ends: dict[str, str | None] = {}
    wholes = [(f"/{normalize('NFC', name)}", name) for name in (*given.images, *given.others)]
    stems = [(f"/{normalize('NFC', posixpath.splitext(name)[0])}", name) for name in given.images]
    for end, name in (*wholes, *stems):
        parts = end.split("/")
        for start in range(len(parts)):
            key = "/".join(parts[start:])
            ends[key] = None if key in ends else name
    return ends | dict(wholes)


def _rows_with_photos(path: Path, images: Path, ends: Ends) -> tuple[str, list[Row]]:
    """Return the column that names photos, and the rows with their photos.

    Raises InputError for the same reasons as `_parse`.
    """
    if path.suffix.lower() in UNREAD:
        raise InputError(f"{path}: expected a CSV or TSV. Received: {path.suffix}. Convert it.")
    content = read_bytes(path)
    if len(content) > MAX_CHECKED:  # it may have a column per pixel, and take minutes
        _parse(b"\n".join(content.split(b"\n", PROBED)[:PROBED]), path, images, ends)
    return _parse(content, path, images, ends)


def _parse(content: bytes, path: Path, images: Path, ends: Ends) -> tuple[str, list[Row]]:
    """Return the column that names photos, and the rows with their photos.

    A column in which most cells have the suffix of an image comes first, because numbers of rows
    can look like names; then the column whose cells name the most files, and one of OF_FILES.
    Raises InputError if others name different files, if the first line has no header, if no column
    names files, and for another file.
    """
    header, _, lines, _ = parse_csv(content, printable(str(path)), ())
    rows = [_with_path(dict(zip(map(str.strip, header), cells))) for _, cells in lines]
    inside = os.path.relpath(path.resolve().parent, images.resolve())
    names = dict.fromkeys(name for cells in rows for name in cells)
    found = {}
    for name in names:
        values = [cells.get(name, "") for cells in rows]
        if any(_find_photos(values[:PROBED], inside, path.stem, ends)):
            found[name] = _find_photos(values, inside, path.stem, ends)
    suffixes = Counter(name for cells in rows for name in cells if is_image_name(cells[name]))
    ranks = {
        name: (2 * suffixes[name] > len(rows), len({*photos} - {None}), name.lower() in OF_FILES)
        for name, photos in found.items()
    }
    columns = [name for name in ranks if ranks[name] == max(ranks.values())]
    missing = next((name for name in names if is_image_name(name) and name in ends), None)
    problem = missing and f"a header in the first line. Received: {missing}. Add one"
    if len({tuple(found[name]) for name in columns}) > 1:
        problem = (
            f"one column with the names of files. Received: {name_some(columns)}, which name "
            "different files. Keep one of them"
        )
    several = [cell for cells in rows for cell in cells.values() if ends.get(cell, "") is None]
    if several and not columns:
        problem = f"paths below {images}. Received: {several[0]}, which is in several folders"
    if problem:
        raise InputError(f"{path}: expected {printable(problem)}.")
    if not columns:
        raise InputError(
            f"{path}: expected a column with the names of files in {images}. Received: "
            f"{name_some(names, 20) or 'no rows'}."
        )
    column = columns[0]
    others = names.keys() - {column}
    return column, [
        Row(f"line {line} ({cells.pop(column)})", cells, photo or "")
        for (line, _), cells, photo in zip(lines, rows, found[column])
        if others and cells.get(column)
    ]


def _with_path(cells: Cells) -> Cells:
    """Return a row with the path in File, where Timelapse has the name."""
    if not {"File", "RelativePath"} <= cells.keys():
        return cells
    folder = cells.pop("RelativePath")
    return cells | {"File": posixpath.join(folder, cells["File"])}


def _find_photos(cells: list[str], folder: str, stem: str, ends: Ends) -> list[str | None]:
    """Return the file that each cell of a column names, or None.

    The files may have moved, so that folders which all cells share are missing.
    """
    paths = [normalize("NFC", cell.replace("\\", "/")) for cell in cells]
    shared = os.path.commonprefix([path for path in paths if path])  # noqa: RUF071 - cut at a slash
    moved = [path[shared.rfind("/") + 1 :] for path in paths]
    found: list[str | None] = []
    for names in (paths, moved):
        found = [_find_photo(path, (folder, f"{folder}/{stem}"), ends) for path in names]
        if any(found):
            break
    return found


def _find_photo(path: str, folders: tuple[str, ...], ends: Ends) -> str | None:
    path = posixpath.normpath(path) if path else ""
    wholes = [posixpath.normpath(f"/{folder}/{path}") for folder in folders]
    return next((photo for key in (*wholes, path) if (photo := ends.get(key))), None)


def _choose_table(tables: list[Table], where: Path) -> tuple[Table, list[str]]:
    """Return the only table, and the names of others that only list test photos."""
    chosen = [table for table in tables if not all(map(_is_of_test, table.rows))] or tables
    if len(chosen) > 1:
        raise InputError(
            f"{where}: expected one table. Received: "
            f"{name_some((table.name for table in chosen), 20)}. Choose one with --table FILE."
        )
    return chosen[0], [table.name for table in tables if table != chosen[0]]


def _is_of_test(row: Row) -> bool:
    folders = PurePosixPath(row.photo).parts[:-1]
    return any(split_in_words(folder) == "test" for folder in folders)


def _label(given: Given, asked: Asked, tables: list[Table]) -> Labelled:
    """Return the photos with the labels of a table, in the column that is `asked` for, if any."""
    (name, column, rows), of_tests = _choose_table(tables, given.path)
    where = f"{given.path}: {printable(name)}"
    missing = [row.place for row in rows if not row.photo]
    gone = (
        f"{len(missing):,} rows name files that do not exist below the images, or several of them"
    )
    gone += f": {name_some(missing, 3)}"
    if missing and not asked.skips:
        raise InputError(
            f"{where}: {gone}. Add the files, write the paths of names that are in several "
            "folders, or remove the rows."
        )
    rows = [row for row in rows if row.photo]
    used, chosen = _choose_labels(rows, asked.label, where, asked.skips)
    differing = {row.photo for row, label in zip(rows, chosen) if label is None}
    labels = [label or "" for label in chosen]
    json_file, class_of = _names_of_numbers(given, {*labels} - {""})
    labels = [class_of.get(label, label) for label in labels]
    left_out = {*used, "label", "file_name"}
    splits = {row.cells.get("split", "").lower() for row in rows}
    other_splits = splits - {"", *SPLIT_OF_FOLDER}
    left_out |= {"split"} if other_splits else set()
    photos: dict[str, Cells] = {photo: {"label": ""} for photo in given.images}
    for row, label in zip(rows, labels):
        cells = {column: cell for column, cell in row.cells.items() if column not in left_out}
        before = photos.get(row.photo, {}).get("label", "")
        differing |= {row.photo} if before and label and before != label else set()
        photos[row.photo] = {"label": label or before} | cells
    for photo in differing:
        photos[photo]["label"] = ""
    unused = [gone] if missing else []
    unused += [several] if (several := describe_several(differing)) else []
    others = sorted({*given.others}.difference(photos, [json_file]))
    notes = (
        all(map(str.isdecimal, {*labels} - {""})) and OF_NUMBERS,
        class_of and f"{printable(json_file)} names the classes",
        others and f"left out: {count_suffixes(others)}",
        _offer_groups(rows),
        other_splits
        and f"the column split is not used, because it contains {name_some(sorted(other_splits))}; "
        "`split` divides the photos",
        *unused,
        of_tests and f"left out, because they name test photos: {name_some(of_tests)}",
    )
    name = f"{name}, with the files in {column or 'the first column'}, labels in {name_some(used)}"
    return Labelled(name, photos, [note for note in notes if note], unused)


def describe_several(photos: Collection[str]) -> str:
    """Return a line about photos that have several labels, or "" for none."""
    what = f"{counted(len(photos), 'photo')} with several labels, unlabelled until you choose one"
    return f"{what}: {name_some(sorted(photos))}" if photos else ""


def _names_of_numbers(given: Given, labels: set[str]) -> tuple[str, dict[str, str]]:
    """Return the only JSON file that names these numbers, and the names, or "" and no names."""
    found = {}
    for name in given.others if all(map(str.isdecimal, labels)) else ():
        path = given.files[name]
        if path.suffix.lower() == ".json" and path.stat().st_size <= MAX_NAMES:
            with contextlib.suppress(ValueError, RecursionError):  # another file, left out
                names = json.loads(read_bytes(path))
                texts = [*names.values()] if isinstance(names, dict) else [None]
                is_names = all(isinstance(text, str) for text in texts)
                if is_names and labels <= names.keys() and len({*texts}) == len(texts):
                    found[name] = {number: text.strip() for number, text in names.items()}
    return found.popitem() if len(found) == 1 else ("", {})


def _offer_groups(rows: list[Row]) -> str:
    """Return a line that names the columns in OF_GROUPS, if they repeat and no group is given."""
    columns = [name for name in rows[0].cells if name.lower() in OF_GROUPS]
    values = {name: [cell for row in rows if (cell := row.cells.get(name))] for name in columns}
    found = [name for name in columns if 1 < len({*values[name]}) < len(values[name])]
    if not found or any(name.lower() == "group" for name in rows[0].cells):
        return ""
    return (
        f"{name_some(found)} may tell which photos belong together: to keep these in one set, "
        "rename the column to group in photos/metadata.csv"
    )


def _choose_labels(
    rows: Sequence[Row], asked: str, where: str, skips: bool
) -> tuple[list[str], Sequence[str | None]]:
    """Return the columns with the labels, and each row's label, or "" if it is missing.

    There are several columns if each stands for a class and contains 0 or 1. Otherwise, the column
    is the one that is `asked` for, that is called label, or that alone repeats its values and is
    not in OF_GROUPS. If rows have several labels, one of them can be `asked` for: the labels are
    then "NAME" and "not_NAME". Raises InputError if no column or several columns could contain the
    labels, and for rows with several labels in a cell, unless it `skips` them, with None as label.
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
    if joined and not skips:
        odd = {row.place: label for row, label in zip(rows, labels) if label in joined}
        raise _several(where, odd, _joined_labels(labels))
    return choices, [None if label in joined else label for label in labels]


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
    return name.lower() not in OF_GROUPS and _repeats(values[name])


def _repeats(values: Sequence[str]) -> bool:
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
