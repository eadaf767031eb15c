"""Read tables beside photos: CSV and TSV."""

import math
import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from unicodedata import normalize

from pawprint.base.errors import InputError, name_some, printable
from pawprint.base.files import read_bytes
from pawprint.commands.forms import OF_TABLES, Asked, Cells, Files, Form, Row, find_labels, repeats
from pawprint.data.folder_names import SPLIT_OF_FOLDER
from pawprint.data.folders import AUTO, INNER, OUTER, find_layout
from pawprint.data.names import count_suffixes, is_image_name
from pawprint.data.user_tables import parse_csv

MAX_CHECKED = 10**7  # bytes of a table beside the folders of classes
# Names of columns, of which one wins if several name files.
OF_FILES = {"file", "file_name", "filename", "image", "image_id", "image_path", "path"}
UNREAD = {".arrow", ".json", ".jsonl", ".parquet", ".xlsx"}
PROBED = 100  # rows that are searched for names of files before all of them
Ends = Mapping[str, str | None]


def read(images: Path, files: Files, asked: Asked) -> Form | None:
    """Return the photos with the labels of a table, or None if no table lists photos.

    Raises InputError as in `find_form`, and if a column that is asked for cannot be used.
    """
    tables = _tables(images, files, asked.table)
    if len(tables) > 1:
        raise InputError(
            f"{images}: expected one table. Received: {name_some(tables, 20)}. Choose one with "
            "--table FILE."
        )
    for name, table in tables.items():
        return _form(images, files, asked.label, name, *table)
    if any(asked):
        raise InputError(
            f"{asked.table or images}: expected a table with a column of labels"
            f"{asked.label and f' named {asked.label}'} beside the names of files. Received: none."
        )
    return None


def require_same_classes(images: Path, files: Files) -> None:
    """Raise InputError if a table labels most photos, and not as the folders of classes do.

    Tables above MAX_CHECKED bytes, such as tables of pixels, are not considered.
    """
    places = find_layout([*files], None, AUTO, str(images)).places
    folders = {name: place.label for name, place in places.items() if place.label}
    for name, (_, rows) in _tables(images, files, None, MAX_CHECKED).items():
        rows = [row for row in rows if row.photo in folders]
        photos = {row.photo for row in rows}
        columns = dict.fromkeys(column for row in rows for column in row.cells)
        values = {column: [row.cells.get(column, "") for row in rows] for column in columns}
        is_labelled = any(map(repeats, values.values()))
        agrees = any(
            _is_one_to_one({(folders[row.photo], cell) for row, cell in zip(rows, cells) if cell})
            for cells in values.values()
        )
        if 2 * len(photos) > len(folders) and is_labelled and not agrees:
            outer = find_layout([*files], None, OUTER, str(images)).places
            reading = OUTER if outer == places else INNER
            raise InputError(
                f"{images}: expected classes as folders or in a table. Received: folders, and "
                f"{printable(name)}, with rows for {len(photos):,} of their images. Use the table "
                f"with --table FILE or --label COLUMN, or the folders with --labels {reading}."
            )


def _is_one_to_one(pairs: set[tuple[str, str]]) -> bool:
    """Return whether each folder has one value, which no other folder has."""
    return len(pairs) == len({folder for folder, _ in pairs}) == len({cell for _, cell in pairs})


def _tables(
    images: Path, files: Files, asked: Path | None, size: float = math.inf
) -> dict[str, tuple[str, list[Row]]]:
    """Return the column that names photos, and the rows, of each table, keyed by its name.

    Tables with the same columns, each in a folder of its own, are one table, such as one per split.
    Tables with more than `size` bytes are left out.
    """
    ends = _ends(files)
    alike: dict[tuple[str, ...], list[tuple[Path, list[Row]]]] = {}
    for path in [asked] if asked else files.values():
        is_table = path.suffix.lower() in OF_TABLES and path.is_file()
        if asked or (is_table and path.stat().st_size <= size):
            try:
                column, rows = _rows_with_photos(path, images, ends)
            except InputError:
                if asked:
                    raise
                continue  # another file, or a damaged one, which will be named
            if rows:
                alike.setdefault((column, *sorted(rows[0].cells)), []).append((path, rows))
    found: dict[str, tuple[str, list[Row]]] = {}
    for (column, *_), tables in alike.items():
        is_one = len({path.parent for path, _ in tables}) == len(tables)
        for part in [tables] if is_one else [[table] for table in tables]:
            name = name_some(dict.fromkeys(path.name for path, _ in part))
            found[name] = (column, [row for _, rows in part for row in rows])
    return found


def _form(images: Path, files: Files, label: str, name: str, column: str, rows: list[Row]) -> Form:
    where = f"{images}: {printable(name)}"
    if missing := [row.place for row in rows if not row.photo]:
        raise InputError(
            f"{where}: {len(missing):,} rows name files that do not exist below the images, or "
            f"several of them: {name_some(missing, 3)}. Add the files, or remove the rows."
        )
    used, labels = find_labels(rows, label, where)
    left_out = {*used, "label", "file_name"}
    splits = {row.cells.get("split", "").lower() for row in rows}
    other_splits = splits - {"", *SPLIT_OF_FOLDER}
    left_out |= {"split"} if other_splits else set()
    photos: dict[str, Cells] = {
        photo: {"label": ""} for photo in sorted(filter(is_image_name, files))
    }
    differing = set()
    for row, given in zip(rows, labels):
        cells = {column: cell for column, cell in row.cells.items() if column not in left_out}
        before = photos.get(row.photo, {}).get("label", "")
        differing |= {row.photo} if before and given and before != given else set()
        photos[row.photo] = {"label": given or before} | cells
    for photo in differing:
        photos[photo]["label"] = ""
    others = sorted(set(files).difference(photos))
    notes = [f"left out: {count_suffixes(others)}"] if others else []
    if other_splits:
        notes.append(
            f"the column split is not used, because it contains {name_some(sorted(other_splits))}; "
            "`split` divides the photos"
        )
    if differing:
        notes.append(
            f"rows differ for {len(differing):,} photos, which stay unlabelled; choose labels in "
            f"labels.csv: {name_some(sorted(differing))}"
        )
    name = f"{name}, with the files in {column or 'the first column'}, labels in {name_some(used)}"
    return Form(name, photos, notes)


def _ends(files: Files) -> dict[str, str | None]:
    """Return the file for each end of a path, or None if several have the same end.

    A slash at the beginning marks whole paths. Suffixes of images may be missing, unless two files
    differ in nothing else.
    """
    ends: dict[str, str | None] = {}
    for name in files:
        path = normalize("NFC", name)
        for end in {path, posixpath.splitext(path)[0] if is_image_name(name) else path}:
            parts = end.split("/")
            for key in (f"/{end}", *("/".join(parts[start:]) for start in range(len(parts)))):
                ends[key] = None if key in ends else name
    return ends | {f"/{normalize('NFC', name)}": name for name in files}


def _rows_with_photos(path: Path, images: Path, ends: Ends) -> tuple[str, list[Row]]:
    """Return the column that names photos, and the rows with their photos.

    A column in which most cells have the suffix of an image comes first, because numbers of rows
    can look like names; then the column whose cells name the most files, and one of OF_FILES.
    Raises InputError if others name different files, if the first line has no header, if no column
    names files, and for another file.
    """
    rows = [*_rows(read_bytes(path), path)]
    inside = os.path.relpath(path.resolve().parent, images.resolve())
    names = dict.fromkeys(name for _, cells in rows for name in cells)
    found = {}
    for name in names:
        values = [cells.get(name, "") for _, cells in rows]
        if any(_find_photos(values[:PROBED], inside, path.stem, ends)):
            found[name] = _find_photos(values, inside, path.stem, ends)
    suffixes = Counter(name for _, cells in rows for name in cells if is_image_name(cells[name]))
    ranks = {
        name: (2 * suffixes[name] > len(rows), len({*photos} - {None}), name.lower() in OF_FILES)
        for name, photos in found.items()
    }
    columns = [name for name in ranks if ranks[name] == max(ranks.values())]
    header = next((name for name in names if is_image_name(name) and name in ends), None)
    problem = header and f"a header in the first line. Received: {header}. Add one"
    if len({tuple(found[name]) for name in columns}) > 1:
        problem = (
            f"one column with the names of files. Received: {name_some(columns)}, which name "
            "different files. Keep one of them"
        )
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
        Row(f"{place} ({cells.pop(column)})", cells, photo or "")
        for (place, cells), photo in zip(rows, found[column])
        if others and cells.get(column)
    ]


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


def _rows(content: bytes, path: Path) -> Iterator[tuple[str, Cells]]:
    """Yield the place and the cells of each row. Raises InputError for any other file."""
    if path.suffix.lower() in UNREAD:
        raise InputError(f"{path}: expected a CSV or TSV. Received: {path.suffix}. Convert it.")
    header, _, rows, _ = parse_csv(content, printable(str(path)), ())
    for line, cells in rows:
        yield f"line {line}", {name.strip(): cell for name, cell in zip(header, cells)}
