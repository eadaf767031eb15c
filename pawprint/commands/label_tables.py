"""Find the labels of photos in a table beside them, such as Kaggle's train.csv.

The columns that name the photos and their labels are found by their cells. A cell names a file, or
all photos in a folder, such as a slide's. The photos become a folder, whose files are unchanged,
with one metadata.csv.
"""

import contextlib
import os
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from unicodedata import normalize

import pandas as pd

from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.files import is_link_of_dvc, read_bytes
from pawprint.base.labels import (
    NEITHER,
    ONE_CLASS,
    SEPARATOR,
    SEVERAL_LABELS,
    UNKNOWN,
    UNLABELLED,
    LabelKind,
    cell_of,
)
from pawprint.commands.given_images import Given
from pawprint.given.folders import AUTO, READINGS, find_layout
from pawprint.given.metadata_csv import FILE_NAME, is_metadata
from pawprint.given.names import count_suffixes, is_image_name
from pawprint.given.user_tables import parse_csv

Cells = dict[str, str]  # keyed by column
Columns = tuple[str, ...]  # one with paths, or two with the folder and the name of each
Ends = Mapping[str, str | None]
TABLES = (".arrow", ".csv", ".json", ".jsonl", ".npz", ".parquet", ".tsv", ".xlsx")
OF_TABLES = {"", ".csv", ".tsv"}  # Dataverse serves tables without a suffix
UNREAD = {".arrow", ".json", ".jsonl", ".parquet", ".xlsx"}
BESIDE = (".cls", ".json", ".txt")  # suffixes of a file with the label of the photo beside it
MAX_CHECKED = 10**7  # bytes of a table whose first rows are not looked at before
PROBED = 100  # rows that are searched for names of files before all of them
# Beginnings of columns that tell where photos were taken, or which ones belong together, and not
# what they show, in lower case and without spaces or underscores.
OF_SITES = ("camera", "deployment", "location", "placename", "relativepath", "site", "station")
OF_GROUPS = (*OF_SITES, "lesionid", "patientid", "seqid")
FILES, FOLDERS = "files", "folders"  # what a column can name
ZEROS = {"0", "0.0", "False", "FALSE"}
ONES = {"1", "1.0", "True", "TRUE"}
FLAGS = ZEROS | ONES
SEPARATORS = ",;|"  # of labels in a cell, as spaces are
NOT_ASKED = {"", "-1", "-1.0"}  # whether the photo shows the label
OF_NUMBERS = (
    "the classes are numbers; to name them, list them in clean.labels, such as {cat: ['0']}"
)


class Asked(NamedTuple):
    """What a user asks for: the file of a table, and the name of the column with the labels.

    `separator` is between the labels in a cell of this column. `zeros` tells what a row of zeros
    means: NEITHER or UNLABELLED. `skips` means that rows which name no photo or several labels are
    left out with a line.
    """

    table: Path | None = None
    label: str = ""
    separator: str = ""
    zeros: str = ""
    skips: bool = False


NOTHING = Asked()


class Row(NamedTuple):
    """A row of a table: where it is, such as "line 2", its cells, and the photos of its `key`."""

    place: str
    key: str
    cells: Cells
    photos: list[str]


class Table(NamedTuple):
    """The rows of one file, or of several alike, and the column or columns that name their photos.

    `kind` is what the cells name: FILES or FOLDERS.
    """

    name: str
    kind: str
    columns: Columns
    rows: list[Row]

    @property
    def photos(self) -> set[str]:
        """All photos that the rows name."""
        return {photo for row in self.rows for photo in row.photos}

    def values(self, asked: str = "") -> dict[str, list[str]]:
        """Return the cells of each column that may hold labels, or is `asked` for."""
        names = dict.fromkeys(name for row in self.rows for name in row.cells)
        return {
            name: [row.cells.get(name, "") for row in self.rows]
            for name in names
            if name == asked or (name.strip() and name.lower() not in ("split", "group"))
        }

    def label_columns(self) -> list[str]:
        """Return the column called label, or all whose values repeat, but no places or groups."""
        found = [name for name, cells in self.values().items() if _repeats(cells)]
        labels = [name for name in found if _plain(name) == "label"]
        others = [name for name in found if name != self.columns[0]]
        return labels or [name for name in others if not _plain(name).startswith(OF_GROUPS)]


class Known(NamedTuple):
    """What is known of the images, and of the tables beside them, while a table is parsed.

    `label` is the column that is asked for.
    """

    given: Given
    ends: Ends
    label: str


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
    kind: LabelKind = ONE_CLASS


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
        notes=[*given.notes, *found.notes],
        table=found.name,
        kind=found.kind,
    )


def metadata_csv(photos: Mapping[str, Cells]) -> str:
    """Return a metadata.csv of the photos that have a label, given their cells by name."""
    columns = dict.fromkeys(["file_name", *(name for cells in photos.values() for name in cells)])
    rows = [{"file_name": name, **cells} for name, cells in photos.items() if cells["label"]]
    return pd.DataFrame(rows, columns=[*columns]).to_csv(index=False, lineterminator="\n")


def find_labels(given: Given, asked: Asked, labels: dict[str, list[str]] | str) -> Labelled | None:
    """Return the photos in a folder with the labels of a table.

    Returns None for images that `clean` reads with `clean.labels`: folders of classes, photos with
    a metadata.csv, and photos without labels. A table or column that is asked for takes precedence.
    Raises InputError if labels are missing or need a choice.
    """
    if any(asked) and not given.path.is_dir():
        raise InputError(f"{given.path}: cannot use a table with it. Download the archive.")
    paths = [*filter(_may_be_table, (given.files[name] for name in given.others))]
    if not any(asked):
        is_read = labels == AUTO and not any(map(is_metadata, given.others))
        tables = _without_doubt(_read_tables(paths, given, asked), given) if is_read else []
        return _label(given, asked, tables) if tables else None
    if asked.table:  # on this computer, or in an archive
        inside = given.files.get(asked.table.as_posix(), asked.table)
        paths.insert(0, asked.table if asked.table.exists() else inside)
    tables = _read_tables(paths, given, asked)
    if not tables:
        raise InputError(
            f"{asked.table or given.path}: found no table with a column of labels"
            f"{asked.label and f' named {asked.label}'} beside the names of files. Choose another "
            "with --table FILE or --label COLUMN."
        )
    return _label(given, asked, tables)


def label_files(given: Given) -> list[str]:
    """Return the files that may hold labels, sorted by suffix, and the columns of each CSV or TSV.

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
    return [f"{name}{_columns_of(given.files[name])}" for _, name in sorted(found)]


def _columns_of(path: Path) -> str:
    """Return text such as " (image, age)", or "" for a file that is not a CSV or TSV."""
    with contextlib.suppress(InputError, UnicodeError), path.open("rb") as file:
        if path.suffix.lower() in OF_TABLES:
            return f" ({name_some(parse_csv(file.readline(), '', ()).header)})"
    return ""


def _labels_of_folders(names: list[str], reading: str = AUTO) -> dict[str, str]:
    """Return the label that its folders give each of these files, or none if they are in doubt."""
    with contextlib.suppress(InputError):
        places = find_layout(names, None, reading, "").places
        return {name: place.label for name, place in places.items() if place.label}
    return {}


def _without_doubt(tables: list[Table], given: Given) -> list[Table]:
    """Return the tables that have the labels, or none if the folders have them.

    Raises InputError if most photos could have a label of a table or of a folder.
    """
    folders = _labels_of_folders(given.images) if tables else {}
    of_files = [table for table in tables if table.kind == FILES]
    if of_files and not folders:
        return of_files
    known = {*(folders or given.images)}
    tables = [table for table in tables if 2 * len(table.photos & known) > len(known)]
    if any(_agrees(table, folders) for table in tables):
        return []
    doubtful = [table for table in tables if table.label_columns()]
    if not doubtful:
        return []
    if len(doubtful) == 1 and _labels_specimens(doubtful[0], {*folders.values()}):
        return doubtful
    same = [each for each in READINGS if _labels_of_folders(given.images, each) == folders]
    reading = same[0] if same else "outer or inner"
    names = (f"{table.name} ({name_some(table.label_columns())})" for table in doubtful)
    photos = {photo for table in doubtful for photo in table.photos} & known
    raise InputError(
        f"{given.path}: expected classes as folders or in a table. Received: folders, and "
        f"{name_some(names)}, with rows for {len(photos):,} of their images. Use a table with "
        f"--table FILE --label COLUMN, or the folders with --labels {reading}."
    )


def _agrees(table: Table, folders: Mapping[str, str]) -> bool:
    """Return whether each value in a column of labels stands for a folder, and the other way."""
    for name in table.label_columns() if table.kind == FILES else ():
        rows = [(row.cells[name], row.photos) for row in table.rows if row.cells[name]]
        pairs = {
            (folders[each], cell) for cell, photos in rows for each in photos if each in folders
        }
        if len(pairs) == len({folder for folder, _ in pairs}) == len({cell for _, cell in pairs}):
            return True
    return False


def _labels_specimens(table: Table, classes: set[str]) -> bool:
    """Return whether the folders are only specimens, with one column of labels.

    Unlike most classes, their names have a digit and another character, such as S01, and each label
    has three or more.
    """
    names = {row.key for row in table.rows}
    is_code = all(re.search(r"\d", name) and not name.isdecimal() for name in names)
    is_place = _plain(table.columns[-1]).startswith(OF_SITES)
    is_unique = len(names) == len(table.rows)
    is_kind = table.kind == FOLDERS and is_unique and is_code and not is_place
    if not is_kind or len(labels := table.label_columns()) != 1:
        return False
    number = Counter(row.cells[labels[0]] for row in table.rows if row.photos)
    return classes - {UNKNOWN} <= names and all(number[label] > 2 for label in number if label)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _may_be_table(path: Path) -> bool:
    """Return whether a file may be a table, other than an example of what to submit to Kaggle."""
    is_example = re.match(r"sample[\W_]*submission", path.name, re.IGNORECASE)
    return path.suffix.lower() in OF_TABLES and not is_example and path.is_file()


def _read_tables(paths: list[Path], given: Given, asked: Asked) -> list[Table]:
    """Return the tables whose rows name some of the images, or files beside them.

    If a table is asked for, it is the first of `paths`, and is returned alone. Tables with the same
    columns, each in a folder of its own, are one table, such as one per split. Files that are not
    such tables are left out, or raise InputError if they are asked for.
    """
    known = Known(given, _ends(given), asked.label)
    # A file that is asked for is named if it is damaged, or is no such table.
    tables = {paths[0]: _parse_file(paths[0], known)} if asked.table else {}
    for path in () if asked.table else paths:
        with contextlib.suppress(InputError):
            tables[path] = _parse_file(path, known)
    alike: dict[tuple, list[Path]] = defaultdict(list)
    for path, table in tables.items():
        if table.rows:
            alike[table.kind, table.columns, *sorted(table.rows[0].cells)].append(path)
    found = []
    for group in alike.values():
        is_one = len({path.parent for path in group}) == len(group)
        for part in [group] if is_one else [[path] for path in group]:
            name = name_some(dict.fromkeys(path.name for path in part))
            rows = [row for path in part for row in tables[path].rows]
            found.append(tables[part[0]]._replace(name=name, rows=rows))
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


def _parse_file(path: Path, known: Known) -> Table:
    """Return the rows with their photos. Raises InputError for the same reasons as `_parse`."""
    if path.suffix.lower() in UNREAD:
        raise InputError(f"{path}: expected a CSV or TSV. Received: {path.suffix}. Convert it.")
    content = read_bytes(path)
    if len(content) > MAX_CHECKED:  # it may have a column per pixel, and take minutes
        _parse(b"\n".join(content.split(b"\n", PROBED)[:PROBED]), path, known)
    return _parse(content, path, known)


def _parse(content: bytes, path: Path, known: Known) -> Table:
    """Return the rows with their photos.

    If no column names the files of half of the rows, one may name folders. Raises InputError for
    the same reasons as `_find_files`, if the first line has no header, if no column names photos,
    and for another file.
    """
    header, _, lines, _ = parse_csv(content, printable(str(path)), ())
    header = [*map(str.strip, header)]
    rows = [dict(zip(header, cells)) for _, cells in lines]
    if missing := [name for name in header if is_image_name(name) and name in known.ends]:
        raise InputError(
            f"{path}: expected a header in the first line. Received: {printable(missing[0])}. "
            "Add one."
        )
    cells_of = _cells_of(rows, known)
    columns, files = _find_files(cells_of, rows, path, known)
    kind, photos = FILES, [[file] if file else [] for file in files]
    if 2 * len({*files} - {None}) < len(rows) and (found := _find_folders(cells_of, known)):
        kind, (columns, photos) = FOLDERS, found
    if not columns:
        raise InputError(
            f"{path}: expected a column with the names of files in {known.given.path}, or with "
            "their paths if several folders have the same names. Received: "
            f"{name_some(dict.fromkeys(header), 20) if rows else 'no rows'}."
        )
    others = [name for name in dict.fromkeys(header) if name != columns[-1]]
    named = [
        Row(f"line {line} ({key})", key, {name: row[name] for name in others}, each)
        for (line, _), row, key, each in zip(lines, rows, cells_of[columns], photos)
        if others and key
    ]
    return Table(path.name, kind, columns, named)


def _cells_of(rows: list[Cells], known: Known) -> dict[Columns, list[str]]:
    """Return the cells of each column, or path from a column of folders and one of names."""
    folders = {part for image in known.given.images for _, part in _folders_of(image)}
    names = [*rows[0]] if rows else []
    pairs = [
        (folder, name)
        for folder in (names if len(names) < PROBED else ())  # others have a column per pixel
        if any(_normal(row[folder]).rpartition("/")[2] in folders for row in rows[:PROBED])
        for name in names
        if name != folder
    ]
    return {
        columns: [
            _normal(row[columns[-1]] and posixpath.join(*(row[name] for name in columns)))
            for row in rows
        ]
        for columns in (*pairs, *((name,) for name in names))
    }


def _find_files(
    cells_of: Mapping[Columns, list[str]], rows: list[Cells], path: Path, known: Known
) -> tuple[Columns, list[str | None]]:
    """Return the columns that name files, or () if there are none, and the file of each row.

    A column in which most cells have the suffix of an image comes first, because numbers of rows
    can look like names; then the column, or a column of folders and one of names, whose cells name
    the most files. Raises InputError if others name different files.
    """
    inside = os.path.relpath(path.resolve().parent, known.given.path.resolve())
    places = (f"/{inside}", f"/{inside}/{path.stem}", "")
    found = {
        columns: _files_at(cells, places, known.ends)
        for columns, cells in cells_of.items()
        if any(_files_at(cells[:PROBED], places, known.ends))
    }
    ranks = {
        columns: (
            2 * sum(is_image_name(row[columns[-1]]) for row in rows) > len(rows),
            len({*files} - {None}),
            len(columns),
        )
        for columns, files in found.items()
    }
    best = [columns for columns in ranks if ranks[columns] == max(ranks.values())]
    if len({tuple(found[columns]) for columns in best}) > 1:
        raise InputError(
            f"{path}: expected one column with the names of files. Received: "
            f"{name_some(map('/'.join, best))}, which name different files. Keep one of them."
        )
    return (best[0], found[best[0]]) if best else ((), [])


def _files_at(paths: list[str], folders: tuple[str, ...], ends: Ends) -> list[str | None]:
    """Return the file that each path names in the first of these folders that has it, or None.

    The files may have moved, so that folders which all paths share are missing.
    """
    shared = os.path.commonprefix([path for path in paths if path])  # noqa: RUF071 - cut at a slash
    found: list[str | None] = []
    for start in (0, shared.rfind("/") + 1):
        keys_of = ([posixpath.join(folder, path[start:]) for folder in folders] for path in paths)
        files_of = ((ends.get(posixpath.normpath(key)) for key in keys) for keys in keys_of)
        found = [next(filter(None, files), None) for files in files_of]
        if any(found):
            break
    return found


def _find_folders(
    cells_of: Mapping[Columns, list[str]], known: Known
) -> tuple[Columns, list[list[str]]] | None:
    """Return the columns that name folders, and the photos of each row, or None.

    In these columns, most values name folders, and preferably each row has another one. Only the
    depth at which most values are counts: elsewhere, 1 may be a view, and not a patient. The column
    that is asked for has the labels.
    """
    cells_of = {columns: cells_of[columns] for columns in cells_of if known.label not in columns}
    at: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for image in known.given.images:
        for depth, folder in _folders_of(image):
            at[depth][folder].append(image)
    found: dict[tuple, tuple[Columns, list[list[str]]]] = {}
    for columns, cells in cells_of.items():
        present = {*cells} - {""}
        each = ({key: at[depth][key] for key in at[depth].keys() & present} for depth in at)
        photos = max(each, key=lambda one: (len(one), sum(map(len, one.values()))), default={})
        if 1 < len(photos) > len(present) / 2:
            rank = len(present) == sum(map(bool, cells)), sum(map(len, photos.values()))
            of_rows = [photos.get(cell, []) for cell in cells]
            found.setdefault((*rank, -len(columns)), (columns, of_rows))
    return found[max(found)] if found else None


def _normal(path: str) -> str:
    """Return a path with slashes, in NFC."""
    return normalize("NFC", path.replace("\\", "/"))


def _folders_of(image: str) -> list[tuple[int, str]]:
    """Return the depth and the name of each folder above an image, the outermost first."""
    return [*enumerate(normalize("NFC", image).split("/")[:-1])]


def _label(given: Given, asked: Asked, tables: list[Table]) -> Labelled:
    """Return the photos with the labels of a table, in the column that is `asked` for, if any."""
    if len(tables) > 1:
        raise InputError(
            f"{given.path}: expected one table. Received: "
            f"{name_some((table.name for table in tables), 20)}. Choose one with --table FILE."
        )
    (table,) = tables
    where = f"{given.path}: {printable(table.name)}"
    missing = [row.place for row in table.rows if not row.photos]
    lacks = "with no file below the images, or several" if table.kind == FILES else "without photos"
    gone = f"{counted(len(missing), 'row')} {lacks}: {name_some(missing, 3)}"
    unused = [gone] if missing else []
    if unused and table.kind == FILES and not asked.skips:
        raise InputError(
            f"{where}: {unused[0]}. Add the files, write the paths of names that are in several "
            "folders, or remove the rows."
        )
    table = table._replace(rows=[row for row in table.rows if row.photos])
    used, labels, kind = _choose_labels(table, asked, where)
    own = {*map(str.lower, used), "label", "file_name"}  # metadata.csv is read in any case
    names = dict.fromkeys(name for row in table.rows for name in row.cells)
    kept = {name.lower(): name for name in names if name.lower() not in own}
    photos, differing = _cells_of_photos(table, labels, kept)
    photos = {name: {"label": ""} for name in given.images} | photos
    unused += filter(None, [describe_several(differing)])
    others = sorted({*given.others}.difference(photos))
    notes = (
        all(map(str.isdecimal, filter(None, labels))) and OF_NUMBERS,
        others and f"left out: {count_suffixes(others)}",
        table.kind == FILES and "group" not in kept and _offer_groups(table),
        *unused,
    )
    column = "/".join(table.columns) or "the first column"
    name = f"{table.name}, with the {table.kind} in {column}, labels in {name_some(used)}"
    return Labelled(name, photos, [note for note in notes if note], unused, kind)


def _cells_of_photos(
    table: Table, labels: Sequence[str | None], kept: Mapping[str, str]
) -> tuple[dict[str, Cells], set[str]]:
    """Return the cells of each photo in metadata.csv, and the photos with several labels.

    `kept` has the further columns of the table, keyed by their names in lower case.
    """
    photos: dict[str, Cells] = {}
    differing = set()
    for row, label in zip(table.rows, labels):
        cells = {name: row.cells[name] for name in kept.values()}
        if table.kind != FILES:
            group = kept.get("group", "group")
            cells[group] = cells.get(group) or row.key
        for photo in row.photos:
            before = photos.get(photo, {}).get("label", "")
            if label is None or (before and label and before != label):
                differing.add(photo)
            photos[photo] = {"label": label or before} | cells
    for photo in differing:
        photos[photo]["label"] = ""
    return photos, differing


def describe_several(photos: Collection[str]) -> str:
    """Return a line about photos that have several labels, or "" for none."""
    what = f"{counted(len(photos), 'photo')} with several labels"
    return f"{what}, unlabelled until you choose one: {name_some(sorted(photos))}" if photos else ""


def _offer_groups(table: Table) -> str:
    """Return a line that names the columns in OF_GROUPS, if they repeat, or ""."""
    values = {name: {*cells} - {""} for name, cells in table.values().items()}
    found = [name for name in values if _plain(name).startswith(OF_GROUPS)]
    found = [name for name in found if 1 < len(values[name]) < len(table.rows)]
    line = "may tell which photos belong together: to keep these in one set, rename the column to"
    return f"{name_some(found)} {line} group in photos/metadata.csv" if found else ""


def _choose_labels(
    table: Table, asked: Asked, where: str
) -> tuple[list[str], Sequence[str | None], LabelKind]:
    """Return the columns with the labels, and each row's label, or "" if it is missing.

    With several labels, each row's label is a cell.

    There are several columns if each stands for a class and contains FLAGS; a column that joins
    these labels is left out. Otherwise, the column is the one that is asked for, that is called
    label, or the only one of `label_columns`. If rows have several labels, one of them can be asked
    for: the labels are then "NAME" and "not_NAME".
    Raises InputError if no column or several columns could contain the labels, for cells of such
    columns that are neither 0 nor 1, and for rows of zeros, unless `asked` tells what they mean.
    If rows are skipped, those with several labels have None as label.
    """
    label, rows = asked.label, table.rows
    values = table.values(label)
    flags = [n for n in values if {*values[n]} & ZEROS and {*values[n]} <= FLAGS | NOT_ASKED]
    flags = flags if len(flags) > 1 else []
    named = [name for name in values if name.lower() == (label or "label").lower()]
    lists = [[name for name in flags if row.cells[name] in ONES] for row in rows]
    if named:
        choices = named
    elif label:
        choices = [name for name in values if _joins(label, _labels_in(values[name]))]
    else:  # another column may join the same labels
        joined = {name: zip(_labels_in(values[name]), lists) for name in table.label_columns()}
        choices = [name for name in joined if any({*a} != {*b} for a, b in joined[name])]
    is_one_each = all(len(each) == 1 for each in lists) or {*choices} <= {*flags}
    are_flags = bool(flags) and (label in flags or (is_one_each and not label and not named))
    if are_flags:
        used = [label] if label else flags
        _require_all_asked(rows, used, where)
    elif len(choices) == 1:
        used, lists = choices, _labels_in(values[choices[0]], asked.separator)
    else:
        raise InputError(
            f"{where}: expected one column of labels{label and f' named {label}'}. Received: "
            f"{name_some(choices or values, 20) or 'none'}. Choose one with --label COLUMN"
            f"{', or remove the columns that are not labels' if flags else ''}."
        )
    has_effect = {
        "separator": not are_flags and any(asked.separator in cell for cell in values[used[0]]),
        "zeros": are_flags and [] in lists,
    }
    if useless := [name for name in has_effect if getattr(asked, name) and not has_effect[name]]:
        raise InputError(
            f"{where}: --{useless[0]} has no effect on the labels in {name_some(used)}. Leave it "
            "out."
        )
    if label in flags or (label and _joins(label, lists)):
        of_two = [label if label in each else f"not_{label}" for each in lists]
        of_rows = [two if each or are_flags else "" for two, each in zip(of_two, lists)]
        return used, of_rows, ONE_CLASS
    if asked.skips:
        return used, [None if len(each) > 1 else "".join(each) for each in lists], ONE_CLASS
    return used, *_cells_or_labels(rows, lists, are_flags, asked, where)


def _cells_or_labels(
    rows: Sequence[Row], lists: list[list[str]], are_flags: bool, asked: Asked, where: str
) -> tuple[list[str], LabelKind]:
    """Return the cell of each row, given its labels, and their kind.

    `are_flags` says that the labels are the columns in which a row has a 1.
    """
    zeros = [row.place for row, each in zip(rows, lists) if are_flags and not each]
    if zeros and not asked.zeros:
        raise InputError(
            f"{where}: expected a 1 in each row, or what a row of zeros means. Received: "
            f"{counted(len(zeros), 'row')} of zeros, such as {printable(zeros[0])}. Add --zeros "
            f"{NEITHER} if these photos show none of the labels, or --zeros {UNLABELLED}."
        )
    empty = NEITHER if zeros and asked.zeros == NEITHER else ""
    if not empty and all(len(each) < 2 for each in lists):
        return ["".join(each) for each in lists], ONE_CLASS
    # Without a separator that is asked for, cells may join labels that are nowhere alone.
    marks = SEPARATOR if are_flags or asked.separator else SEPARATORS
    if odd := sorted(name for each in lists for name in each if {*marks} & {*name}):
        todo = "Rename it" if marks == SEPARATOR else "Add --label COLUMN --separator SEP"
        raise InputError(
            f"{where}: expected names of labels without {' '.join(marks)}. Received: "
            f"{printable(odd[0])}. {todo}."
        )
    return [cell_of(each) if each else empty for each in lists], SEVERAL_LABELS


def _require_all_asked(rows: Sequence[Row], columns: list[str], where: str) -> None:
    """Raise InputError for rows that are blank or -1 in columns of 0 or 1: nobody asked them."""
    odd = [row.place for row in rows if any(row.cells[name] in NOT_ASKED for name in columns)]
    if odd:
        raise InputError(
            f"{where}: expected 0 or 1 in the columns {name_some(columns)}. Received: "
            f"{counted(len(odd), 'row')} with blank cells or -1, such as {printable(odd[0])}. "
            "Write 0 or remove the photo."
        )


def _labels_in(cells: Sequence[str], asked: str = "") -> list[list[str]]:
    """Return the labels in each cell, which may join other cells, or be a list in brackets.

    The separator that is `asked` for also joins labels that are in no other cell.
    """
    known = {*cells}
    found = {}
    for cell in known:
        is_list = cell.startswith("[")
        found[cell] = _in_list(cell) if is_list else [cell] if cell else []
        for separator in [asked] if asked else [*SEPARATORS, None]:
            parts = [part.strip() for part in cell.split(separator) if part.strip()]
            if asked or (len(parts) > 1 and known.issuperset(parts)):
                found[cell] = parts
    return [found[cell] for cell in cells]


def _in_list(cell: str) -> list[str]:
    """Return the labels in a list in brackets, such as ['hot dog', 'sun'] or [cat dog]."""
    found = re.findall(r"""'([^']*)'|"([^"]*)"|([^\s,'"\[\]]+)""", cell)
    return [label for label in map("".join, found) if label]


def _joins(label: str, lists: Sequence[list[str]]) -> bool:
    """Return whether some of these lists have several labels, and any has this one."""
    return any(len(each) > 1 for each in lists) and any(label in each for each in lists)


def _repeats(values: Sequence[str]) -> bool:
    """Return whether a column has several values, each in two rows or more on average."""
    present = [value for value in values if value]
    return 1 < len({*present}) <= len(present) / 2
