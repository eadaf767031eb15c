"""Find the labels of photos in a table beside them, such as Kaggle's train.csv.

The columns that name the photos and their labels are found by their cells. A cell names a file, or
all photos in a folder, such as a slide's, or all with a part of their path, such as a patient. The
photos become a folder, whose files are unchanged, with one metadata.csv.
"""

import contextlib
import csv
import io
import json
import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeGuard
from unicodedata import normalize

from pawprint.base.classes import UNKNOWN
from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.files import is_link_of_dvc, read_bytes
from pawprint.commands.given_images import Given
from pawprint.given.folder_names import SPLIT_OF_FOLDER, split_in_words
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
MAX_CHECKED = 10**7  # bytes of a table beside the folders of classes
MAX_NAMES = 10**5  # bytes of a JSON that names classes
PROBED = 100  # rows that are searched for names of files before all of them
# Names of columns, of which one wins if several name files.
OF_FILES = {"file", "file_name", "filename", "image", "image_id", "image_path", "path"}
# Columns that tell where photos were taken, or which ones belong together, rather than what they
# show, in lower case and without spaces or underscores.
OF_SITES = {
    *("camera", "cameraid", "cameramodel", "deployment", "deploymentid", "location", "locationid"),
    *("locationname", "placename", "relativepath", "site", "siteid", "station"),
}
OF_GROUPS = OF_SITES | {"lesionid", "patientid", "seqid"}
FILES, FOLDERS, PARTS = "files", "folders", "parts of paths"  # what a column can name
OF_ROWS = {"", "id", "index"}  # columns that number the rows of their own table
MAX_WORDS = 12  # at the end of a path, in which parts are searched
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
    """A row of a table: where it is, such as "line 2", its cells, and the photos of its `key`."""

    place: str
    key: str
    cells: Cells
    photos: list[str]


class Table(NamedTuple):
    """The rows of one file, or of several alike, and the column or columns that name their photos.

    `kind` is what the cells name: FILES, FOLDERS or PARTS.
    """

    name: str
    kind: str
    columns: Columns
    rows: list[Row]

    @property
    def photos(self) -> set[str]:
        """All photos that the rows name."""
        return {photo for row in self.rows for photo in row.photos}

    @property
    def is_unique(self) -> bool:
        """Whether each row names other photos."""
        return len({row.key for row in self.rows}) == len(self.rows)

    def values(self, asked: str = "") -> dict[str, list[str]]:
        """Return the cells of each column that may hold labels, or is `asked` for."""
        names = dict.fromkeys(name for row in self.rows for name in row.cells)
        may_be = [name for name in names if _may_be(name, asked)]
        return {name: [row.cells.get(name, "") for row in self.rows] for name in may_be}

    def label_columns(self) -> list[str]:
        """Return the column called label, or all whose values repeat, but no places or groups."""
        found = [name for name, cells in self.values().items() if _repeats(cells)]
        no_labels = OF_GROUPS | {_plain(self.columns[0])}
        labels = [name for name in found if _plain(name) == "label"]
        return labels or [name for name in found if _plain(name) not in no_labels]


class Known(NamedTuple):
    """What is known of the images, and of the tables beside them, while a table is parsed.

    `links` has the photos for the cells of columns in tables that name files. `label` is the column
    that is asked for.
    """

    given: Given
    ends: Ends
    label: str
    links: Mapping[str, Mapping[str, str]] = {}


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
        notes=[*given.notes, *found.notes],
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
        raise InputError(f"{given.path}: cannot use a table with it. Download the archive.")
    others = [given.files[name] for name in given.others if name in given.files]
    paths = [*filter(_may_be_table, others)]
    if asked.table:  # on this computer, or in an archive
        inside = given.files.get(asked.table.as_posix(), asked.table)
        paths.insert(0, asked.table if asked.table.exists() else inside)
    are_given = labels != AUTO or any(map(is_metadata, given.others))
    if not any(asked) and (are_given or not paths):
        return None
    folders = {} if any(asked) else _labels_of_folders(given.images)
    if _are_parts({*folders.values()} - {UNKNOWN}):
        folders = {}
    if folders:
        paths = [path for path in paths if path.stat().st_size <= MAX_CHECKED]
    tables = _read_tables(paths, given, asked)
    if not any(asked):
        tables = _without_doubt(tables, folders, given)
    if not tables and any(asked):
        raise InputError(
            f"{asked.table or given.path}: found no table with a column of labels"
            f"{asked.label and f' named {asked.label}'} beside the names of files. Choose another "
            "with --table FILE or --label COLUMN."
        )
    return _label(given, asked, tables) if tables else None


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


def _are_parts(classes: Iterable[str]) -> bool:
    """Return whether folders contain numbered parts of one set, in any case."""
    parts = [PART.fullmatch(name) for name in classes]
    return len({part and part[1].lower() for part in parts}) == 1 and None not in parts


def _without_doubt(tables: list[Table], folders: Mapping[str, str], given: Given) -> list[Table]:
    """Return the tables that have the labels, or none if the folders have them.

    `folders` has the label that its folders give each file. Raises InputError if most photos could
    have a label of a table instead.
    """
    of_files = [table for table in tables if table.kind == FILES]
    if of_files and not folders:
        return of_files
    known = {*(folders or given.images)}
    tables = [table for table in tables if 2 * len(table.photos & known) > len(known)]
    if any(table.label_columns() and _agrees(table, folders) for table in tables):
        return []
    doubtful = [table for table in tables if _may_label(table, folders)]
    if len(doubtful) == 1 and _labels_specimens(doubtful[0], {*folders.values()}):
        return doubtful
    if not doubtful or not (folders or any(table.kind == FOLDERS for table in doubtful)):
        return []
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
    """Return whether a column of labels, or any without one, has one value for each folder."""
    rows = [(photo, row.cells) for row in table.rows for photo in row.photos if photo in folders]
    return table.kind == FILES and any(
        _is_one_to_one({(folders[photo], cells[name]) for photo, cells in rows if cells.get(name)})
        for name in table.label_columns() or table.values()
    )


def _may_label(table: Table, folders: Mapping[str, str]) -> bool:
    """Return whether a table may hold other labels than the folders."""
    if table.kind == FILES:
        return any(map(_repeats, table.values().values())) and not _agrees(table, folders)
    return bool(table.label_columns()) and (table.kind == FOLDERS or table.is_unique)


def _labels_specimens(table: Table, classes: set[str]) -> bool:
    """Return whether the folders are only specimens, with one column of labels.

    Unlike most classes, their names have a digit and another character, such as S01.
    """
    names = {row.key for row in table.rows}
    is_code = all(re.search(r"\d", name) and not name.isdecimal() for name in names)
    is_place = _plain(table.columns[-1]) in OF_SITES
    is_kind = table.kind == FOLDERS and table.is_unique and is_code and not is_place
    return is_kind and classes - {UNKNOWN} <= names and len(table.label_columns()) == 1


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _is_one_to_one(pairs: set[tuple[str, str]]) -> bool:
    """Return whether each folder has one value, which no other folder has."""
    return len(pairs) == len({folder for folder, _ in pairs}) == len({cell for _, cell in pairs})


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
    parsed = _parse_each(paths, known)
    if links := _links(parsed.values()):
        rest = [path for path in paths if not _names_files(parsed[path])]
        parsed |= _parse_each(rest, known._replace(links=links))
    if asked.table:
        parsed = {paths[0]: parsed[paths[0]]}
    alike: dict[tuple, list[tuple[Path, Table]]] = defaultdict(list)
    for path, table in parsed.items():
        if isinstance(table, Table) and table.rows:
            key = (table.kind, table.columns, *sorted(table.rows[0].cells))
            alike[key].append((path, table))
        elif isinstance(table, InputError) and asked.table:
            raise table  # any other file, which may be damaged, will be named
    found = []
    for tables in alike.values():
        is_one = len({path.parent for path, _ in tables}) == len(tables)
        for part in [tables] if is_one else [[table] for table in tables]:
            name = name_some(dict.fromkeys(path.name for path, _ in part))
            rows = [row for _, table in part for row in table.rows]
            found.append(part[0][1]._replace(name=name, rows=rows))
    return found


def _names_files(table: Table | InputError) -> TypeGuard[Table]:
    return isinstance(table, Table) and table.kind == FILES


def _links(tables: Iterable[Table | InputError]) -> Mapping[str, Mapping[str, str]]:
    """Return the photo for each cell of the columns that tell the files of a table apart."""
    links = {}
    for table in filter(_names_files, tables):
        for name in table.rows[0].cells if table.rows else ():
            photos = {row.cells[name]: photo for row in table.rows for photo in row.photos}
            if len(photos) == len(table.rows) and _plain(name) not in OF_ROWS:
                links[name] = photos
    return links


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


def _parse_each(paths: Iterable[Path], known: Known) -> dict[Path, Table | InputError]:
    found: dict[Path, Table | InputError] = {}
    for path in paths:
        try:
            found[path] = _parse_file(path, known)
        except InputError as error:
            found[path] = error
    return found


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

    If no column names the files of half of the rows, one may name FOLDERS or PARTS. Raises
    InputError for the same reasons as `_choose_paths`, if the first line has no header, if no
    column names photos, and for another file.
    """
    header, _, lines, _ = parse_csv(content, printable(str(path)), ())
    names = [*dict.fromkeys(map(str.strip, header))]
    rows = [dict(zip(map(str.strip, header), cells)) for _, cells in lines]
    missing = next((name for name in names if is_image_name(name) and name in known.ends), None)
    if missing:
        raise InputError(
            f"{path}: expected a header in the first line. Received: {printable(missing)}. Add one."
        )
    choices = _choices(names, rows, known)
    columns, files = _choose_paths(choices, rows, path, known)
    kind, photos = FILES, [[file] if file else [] for file in files]
    if 2 * len({*files} - {None}) < len(rows) and (groups := _find_groups(choices, rows, known)):
        kind, columns, photos = groups
    if not columns:
        several = [
            cell for row in rows for cell in row.values() if known.ends.get(cell, "") is None
        ]
        expected = f"a column with the names of files in {known.given.path}"
        received = name_some(names, 20) if rows else "no rows"
        if several:
            expected = f"paths below {known.given.path}"
            received = f"{printable(several[0])}, which is in several folders"
        raise InputError(f"{path}: expected {expected}. Received: {received}.")
    others = [name for name in names if name != columns[-1]]
    found = [
        Row(f"line {line} ({key})", key, {name: row[name] for name in others}, each)
        for (line, _), row, key, each in zip(lines, rows, _paths(rows, columns), photos)
        if others and key
    ]
    return Table(path.name, kind, columns, found)


def _choices(names: list[str], rows: list[Cells], known: Known) -> list[Columns]:
    """Return the columns that may name photos: a column of folders and one of names, or one."""
    folders = {part for image in known.given.images for part in _folders_of(image)}
    pairs = [
        (folder, name)
        for folder in (names if len(names) < PROBED else ())  # others have a column per pixel
        if any(_normal(row[folder]).rpartition("/")[2] in folders for row in rows[:PROBED])
        for name in names
        if name != folder
    ]
    return [*pairs, *((name,) for name in names)]


def _choose_paths(
    choices: list[Columns], rows: list[Cells], path: Path, known: Known
) -> tuple[Columns, list[str | None]]:
    """Return the columns that name files, or () if there are none, and the file of each row.

    A column in which most cells have the suffix of an image comes first, because numbers of rows
    can look like names; then the column, or a column of folders and one of names, whose cells name
    the most files; then one of OF_FILES. Raises InputError if others name different files.
    """
    inside = os.path.relpath(path.resolve().parent, known.given.path.resolve())
    found: dict[Columns, list[str | None]] = {}
    for columns in choices:
        if any(_find_photos(_paths(rows[:PROBED], columns), inside, path.stem, known.ends)):
            found[columns] = _find_photos(_paths(rows, columns), inside, path.stem, known.ends)
        elif any(row[columns[0]] in known.links.get(columns[-1], ()) for row in rows):
            found[columns] = [*map(known.links[columns[-1]].get, _paths(rows, columns))]
    ranks = {
        columns: (
            2 * sum(is_image_name(row[columns[-1]]) for row in rows) > len(rows),
            len({*files} - {None}),
            len(columns),
            columns[-1].lower() in OF_FILES,
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


def _paths(rows: list[Cells], columns: Columns) -> list[str]:
    """Return the path in each row, whose folder and name may be in two columns."""
    return [row[columns[-1]] and posixpath.join(*(row[name] for name in columns)) for row in rows]


def _find_groups(
    choices: list[Columns], rows: list[Cells], known: Known
) -> tuple[str, Columns, list[list[str]]] | None:
    """Return FOLDERS or PARTS, the columns that name them, and the photos of each row, or None.

    In these columns, most values name photos, and preferably each row has another one. The column
    that is asked for has the labels.
    """
    cells_of = {
        columns: [*map(_normal, _paths(rows, columns))]
        for columns in choices
        if known.label not in columns
    }
    wanted = {cell for cells in cells_of.values() for cell in cells} - {""}
    found: dict[tuple, tuple[str, Columns, list[list[str]]]] = {}
    for kind, parts_of in ((FOLDERS, _folders_of), (PARTS, _parts_of)):
        photos: dict[str, list[str]] = defaultdict(list)
        for image in known.given.images:
            for part in wanted.intersection(parts_of(image)):
                photos[part].append(image)
        for columns, cells in cells_of.items():
            present = {*cells} - {""}
            named = photos.keys() & present
            if 1 < len(named) > len(present) / 2:
                covered = {photo for cell in named for photo in photos[cell]}
                rank = len(present) == sum(map(bool, cells)), len(covered), -len(columns)
                of_rows = [photos.get(cell, []) for cell in cells]
                found.setdefault((rank, kind == FOLDERS), (kind, columns, of_rows))
    return found[max(found)] if found else None


def _normal(path: str) -> str:
    """Return a path with slashes, in NFC."""
    return normalize("NFC", path.replace("\\", "/"))


def _folders_of(image: str) -> list[str]:
    return normalize("NFC", image).split("/")[:-1]


def _parts_of(image: str) -> Iterator[str]:
    """Yield the parts of a path that begin and end with a word, such as P1 and P1_left."""
    path = normalize("NFC", posixpath.splitext(image)[0])
    words = [*re.finditer(r"[^\W_]+", path)][-MAX_WORDS:]
    for first, last in combinations_with_replacement(words, 2):
        yield path[first.start() : last.end()]


def _find_photos(cells: list[str], folder: str, stem: str, ends: Ends) -> list[str | None]:
    """Return the file that each cell of a column names, or None.

    The files may have moved, so that folders which all cells share are missing.
    """
    paths = [*map(_normal, cells)]
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
    folders = {folder for photo in row.photos for folder in _folders_of(photo)}
    return any(split_in_words(folder) == "test" for folder in folders)


def _label(given: Given, asked: Asked, tables: list[Table]) -> Labelled:
    """Return the photos with the labels of a table, in the column that is `asked` for, if any."""
    table, of_tests = _choose_table(tables, given.path)
    where = f"{given.path}: {printable(table.name)}"
    missing = [row.place for row in table.rows if not row.photos]
    gone = f"{len(missing):,} rows name no file below the images, or several"
    gone = f"{gone if table.kind == FILES else counted(len(missing), 'row') + ' without photos'}: "
    gone += name_some(missing, 3)
    if missing and table.kind == FILES and not asked.skips:
        raise InputError(
            f"{where}: {gone}. Add the files, write the paths of names that are in several "
            "folders, or remove the rows."
        )
    rows = [row for row in table.rows if row.photos]
    table = table._replace(rows=rows)
    used, chosen = _choose_labels(table, asked.label, where, skips=asked.skips)
    pairs = zip(rows, chosen)
    differing = {photo for row, label in pairs if label is None for photo in row.photos}
    labels = [label or "" for label in chosen]
    json_file, class_of = _names_of_numbers(given, {*labels} - {""})
    labels = [class_of.get(label, label) for label in labels]
    left_out = {*map(str.lower, used), "label", "file_name"}  # metadata.csv is read in any case
    splits = {
        cell.lower() for row in rows for name, cell in row.cells.items() if name.lower() == "split"
    }
    other_splits = splits - {"", *SPLIT_OF_FOLDER}
    left_out |= {"split"} if other_splits else set()
    photos: dict[str, Cells] = {photo: {"label": ""} for photo in given.images}
    for row, label in zip(rows, labels):
        cells = {name: cell for name, cell in row.cells.items() if name.lower() not in left_out}
        if table.kind != FILES and "group" not in map(str.lower, cells):
            cells["group"] = row.key
        for photo in row.photos:
            before = photos.get(photo, {}).get("label", "")
            differing |= {photo} if before and label and before != label else set()
            photos[photo] = {"label": label or before} | cells
    for photo in differing:
        photos[photo]["label"] = ""
    unused = [gone] if missing else []
    unused += [several] if (several := describe_several(differing)) else []
    others = sorted({*given.others}.difference(photos, [json_file]))
    notes = (
        all(map(str.isdecimal, {*labels} - {""})) and OF_NUMBERS,
        class_of and f"{printable(json_file)} names the classes",
        others and f"left out: {count_suffixes(others)}",
        table.kind == FILES and _offer_groups(rows),
        other_splits
        and f"the column split is not used, because it contains {name_some(sorted(other_splits))}; "
        "`split` divides the photos",
        *unused,
        of_tests and f"left out, because they name test photos: {name_some(of_tests)}",
    )
    column = "/".join(table.columns) or "the first column"
    name = f"{table.name}, with the {table.kind} in {column}, labels in {name_some(used)}"
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
    columns = [name for name in rows[0].cells if _plain(name) in OF_GROUPS]
    values = {name: [cell for row in rows if (cell := row.cells.get(name))] for name in columns}
    found = [name for name in columns if 1 < len({*values[name]}) < len(values[name])]
    if not found or any(name.lower() == "group" for name in rows[0].cells):
        return ""
    return (
        f"{name_some(found)} may tell which photos belong together: to keep these in one set, "
        "rename the column to group in photos/metadata.csv"
    )


def _choose_labels(
    table: Table, asked: str, where: str, *, skips: bool
) -> tuple[list[str], Sequence[str | None]]:
    """Return the columns with the labels, and each row's label, or "" if it is missing.

    There are several columns if each stands for a class and contains 0 or 1. Otherwise, the column
    is the one that is `asked` for, that is called label, or the only one of `label_columns`. If
    rows have several labels, one of them can be `asked` for: the labels are then "NAME" and
    "not_NAME". Raises InputError if no column or several columns could contain the labels, and for
    rows with several labels in a cell, unless it `skips` them, with None as label.
    """
    rows = table.rows
    values = table.values(asked)
    columns = [*values]
    flags = [name for name in columns if {*values[name]} & ZEROS and {*values[name]} <= FLAGS]
    choices = [name for name in columns if name.lower() == (asked or "label").lower()]
    if asked and not choices:
        choices = [name for name in columns if asked in _joined_labels(values[name])]
    if not choices and not asked:
        choices = [name for name in table.label_columns() if name not in flags]
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
