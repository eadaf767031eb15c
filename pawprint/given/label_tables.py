"""Find the rows of tables beside photos, and the photos that each row names.

A table is a CSV, TSV or JSON. Its columns are compared with what photos can be called: paths and
their ends, with or without suffix and with another root; folders; and numbers with other zeros, or
before a number, as 12 for 012.jpg and for 12_1.jpg. What the other columns hold is decided in
label_readings.py.
"""

import json
import os
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import pandas as pd

from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.files import read_bytes
from pawprint.given.names import is_image_name, split_in_words
from pawprint.given.user_tables import parse_csv

Found = tuple[str, list[str], list[list[str]]]  # what columns name, which, and the photos of a row
TABLES, MAY_BE, OF_JSON = {".csv", ".tsv"}, {"", ".txt"}, {".json", ".jsonl"}
MAX_CHECKED = 10**7  # bytes of a table of which some rows are looked at before
PROBED = 100  # so many rows, and columns that may tell the folder of a name
FILES, FOLDERS, NUMBERED = "files", "folders", "numbered files"  # what a column can name
PLACE, KEY, PHOTO = range(3)  # columns of rows that are not the table's, whose names are texts
SHAPES = (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError)


class NoTableError(InputError):
    """A file that says nothing about the photos, so that it can be left out with its reason."""


class Table(NamedTuple):
    """The rows of one file, or of several alike: a row for each photo that a line names.

    `kind` is what the cells of `columns` name: FILES, FOLDERS or NUMBERED. The place of a row is
    its line, its key names the photos, and the photo is "" if there is none.
    """

    files: list[str]  # below the folder of the photos, if they are there
    kind: str
    columns: list[str]
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """The names of its files."""
        return name_some(dict.fromkeys(map(posixpath.basename, self.files)))

    @property
    def cells(self) -> list[str]:
        """The other columns."""
        return [name for name in self.rows if isinstance(name, str)]


def is_table(path: Path, stems: Collection[str] = ()) -> bool:
    """Return whether a file is a table by its name, and perhaps its first line.

    Not an example of what to submit to Kaggle, no text or JSON beside a photo with one of the
    `stems`, and no large JSON, which takes much memory.
    """
    suffix = path.suffix.lower()
    if not path.is_file() or (path.stem in stems and suffix not in TABLES):
        return False
    if suffix in MAY_BE:
        with path.open("rb") as file:
            return bool(re.search(rb"\t" if suffix else rb"[\t,;]", file.readline(10**5)))
    is_example = re.match(r"sample[\W_]*submission", path.name, re.IGNORECASE)
    is_small = suffix in OF_JSON and path.stat().st_size < MAX_CHECKED
    return (suffix in TABLES or is_small) and not is_example


class Photos:
    """The photos by what cells may call them."""

    def __init__(self, folder: Path, images: Collection[str], others: Collection[str]) -> None:
        self.folder = folder
        self.ends: dict[str, list[str]] = defaultdict(list)
        # By kind, whether without zeros, and depth.
        self.further: dict[tuple, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        wholes = [(f"/{_normal(name)}", name) for name in (*images, *others)]
        for end, name in (*wholes, *((posixpath.splitext(f"/{_normal(n)}")[0], n) for n in images)):
            parts = end.split("/")
            for start in range(len(parts)):
                self.ends["/".join(parts[start:])].append(name)
        self.ends |= {end: [name] for end, name in wholes}
        for image in images:
            *above, name = posixpath.splitext(_normal(image))[0].split("/")
            for depth, part in enumerate(above):
                self.further[FOLDERS, False, depth][part].append(image)
                self.further[FOLDERS, True, depth][_bare(part)].append(image)
            self.further[FILES, True, 0][_bare(name)].append(image)
            if found := re.fullmatch(r"(.+?)[_\-. ]+\(?\d{1,3}\)?", name):
                self.further[NUMBERED, False, 0][found[1]].append(image)

    def files(self, values: Collection[str], path: Path) -> dict[str, list[str]]:
        """Return the files that each cell of a table may name; the folders above may be missing."""
        inside = os.path.relpath(path.resolve().parent, self.folder.resolve())
        places = (f"/{inside}", f"/{inside}/{path.stem}", "")
        found: dict[str, list[str]] = {}
        for start in {0: 0, _shared(values): 0}:
            for value in () if found else values:
                keys = (posixpath.normpath(posixpath.join(each, value[start:])) for each in places)
                if hits := [self.ends[key] for key in keys if key in self.ends]:
                    found[value] = min(hits, key=len)
        return found


def _shared(values: Iterable[str]) -> int:
    """Return the length of the folders that all paths share."""
    return os.path.commonprefix([*filter(None, values)]).rfind("/") + 1  # noqa: RUF071


def _bare(name: str) -> str:
    """Return a number without zeros at its beginning."""
    return (name.lstrip("0") or "0") if name.isdecimal() else name


def _normal(path: str) -> str:
    """Return a path with slashes, in NFC."""
    return normalize("NFC", path.replace("\\", "/"))


def read_table(path: Path, photos: Photos, labels: Collection[str] = ()) -> Table:
    """Return the rows of a file with their photos.

    The columns `labels` are asked for, and name no folders. Raises NoTableError if no column names
    photos, and InputError if a file is damaged, or if it is in doubt what its cells name.
    """
    content = read_bytes(path)
    if path.suffix.lower() in OF_JSON:
        return _locate(_records(content, path), path, photos, labels)
    if len(content) > MAX_CHECKED:  # it may have a column per pixel, and take minutes
        first, *lines = content.splitlines(keepends=True)
        some = b"".join([first, *lines[:: len(lines) // PROBED + 1]])
        _locate(_parse(some, path), path, photos, labels)
    return _locate(_parse(content, path), path, photos, labels)


def _parse(content: bytes, path: Path) -> pd.DataFrame:
    """Return the cells, and the line as index. Columns of the same name are numbered."""
    header, _, rows, _ = parse_csv(content, printable(str(path)), ())
    names = pd.Series([*map(str.strip, header)], dtype=str)
    low = names.str.lower()
    number = "(" + (low.groupby(low).cumcount() + 1).astype(str) + ")"
    names = names.where(~low.duplicated(keep=False) | (names == ""), names + " " + number)
    return pd.DataFrame([cells for _, cells in rows], [line for line, _ in rows], [*names], str)


def _records(content: bytes, path: Path) -> pd.DataFrame:
    """Return the rows of a JSON: records, labels by file, or COCO's images with their categories.

    With boxes, categories are of parts of an image.
    """
    try:
        text = content.decode("utf-8-sig")
        is_lines = path.suffix.lower() == ".jsonl"
        data = [json.loads(line) for line in text.splitlines()] if is_lines else json.loads(text)
        if isinstance(data, dict) and "annotations" in data:
            if any(each.get("bbox") for each in data["annotations"]):
                raise ValueError("boxes, which `pawprint crop` cuts out")
            names = {each["id"]: each["name"] for each in data["categories"]}
            labels = defaultdict(list)
            for each in data["annotations"]:
                labels[each["image_id"]].append(names[each["category_id"]])
            data = {each["file_name"]: labels[each["id"]] for each in data["images"]}
        if isinstance(data, dict):
            data = [{"file_name": name, "label": label} for name, label in data.items()]
        rows = pd.DataFrame(data, [*range(1, 1 + len(data))], dtype=object).fillna("")
        return rows.map(lambda each: each.strip() if isinstance(each, str) else json.dumps(each))
    except SHAPES as error:
        raise NoTableError(f"{path}: expected rows in a JSON. Received: {error!r}.") from None


def _locate(rows: pd.DataFrame, path: Path, photos: Photos, labels: Collection[str]) -> Table:
    """Return the table, by the columns that name most photos."""
    normal = {name: [*map(_normal, cells)] for name, cells in rows.items()}
    kind, columns, found = _find_files(normal, path, photos)
    named = {each[0] for each in found if len(each) == 1}
    if 2 * len(named) < len(rows):
        others = {name: cells for name, cells in normal.items() if name.lower() not in labels}
        kind, columns, found = _find_further(others, photos) or (kind, columns, found)
    if not any(found):
        shown = (f"{name} (such as {max(cells, key=bool)})" for name, cells in rows.items())
        raise NoTableError(
            f"{path}: expected a column with the names of files in {photos.folder}, or with their "
            f"paths if several folders have the same names. Received: "
            f"{name_some(shown, 20) if len(rows) else 'no rows'}, where a photo is called "
            f"{next(iter(photos.ends.values()), ['?'])[0]}."
        )
    if kind == FILES and 2 * sum(len(each) > 1 for each in found) > len(rows):
        folders = Counter(posixpath.dirname(name) for each in found for name in each)
        shown = (f"{name or '.'}/ ({counted(n, 'photo')})" for name, n in folders.items())
        raise InputError(
            f"{path}: expected names that are in one folder, or their paths. Received: "
            f"{columns[-1]}, whose names are in {name_some(shown)}. Write the paths, or use one "
            f"folder, such as --images {photos.folder / min(folders)} --table {path}."
        )
    first = photos.files({_normal(columns[-1])}, path) if kind == FILES else {}
    is_name = is_image_name(columns[-1]) or re.search(r"\d", columns[-1])
    if is_name and not {name for each in first.values() for name in each} <= named:
        raise InputError(
            f"{path}: expected a header in the first line. Received: {printable(columns[-1])}. Add "
            "one, such as file_name,label."
        )
    keys = pd.Series(map("/".join, zip(*(normal[name] for name in columns))), rows.index, str)
    certain = [each if len(each) == 1 or kind != FILES else [] for each in found]
    rows = rows.drop(columns=columns[-1])
    if rows.columns.size:
        rows[PLACE] = [f"line {line} ({key})" for line, key in keys.items()]
        rows[KEY], rows[PHOTO] = keys, pd.Series(certain, rows.index)
    rows = rows[(keys.str.strip("/") != "") & bool(rows.columns.size)]
    root, file = photos.folder.resolve(), path.resolve()
    file = file.relative_to(root) if file.is_relative_to(root) else path
    rows = rows.explode(PHOTO).fillna("") if len(rows) else rows
    return Table([file.as_posix()], kind, columns, rows.reset_index(drop=True))


def _find_files(columns: Mapping[str, Sequence[str]], path: Path, photos: Photos) -> Found:
    """Return the column with names of files, perhaps after the column of their folders.

    A column of names with suffixes of images comes first, because numbers can look like names.
    """
    found: dict[tuple[str, ...], list[list[str]]] = {}
    for name, cells in columns.items():
        if hits := photos.files({*cells} - {""}, path):
            found[(name,)] = [hits.get(cell, []) for cell in cells]
    for (name,), files in [*found.items()]:
        for folder in [*columns][:PROBED] if any(len(each) > 1 for each in files) else ():
            found[folder, name] = [*_in_folders(files, columns[folder])]
    ranks = {
        names: (
            2 * sum(map(is_image_name, columns[names[-1]])) > len(files),
            len({each[0] for each in files if len(each) == 1}),
            sum(map(bool, files)),
        )
        for names, files in found.items()
    }
    best = [names for names in ranks if ranks[names] == max(ranks.values())]
    if len({str(found[names]) for names in best}) > 1:
        raise InputError(
            f"{path}: expected one column with the names of files. Received: "
            f"{name_some(map('/'.join, best))}, which name different files. Keep one of them, or "
            "write a row for each file."
        )
    return (FILES, [*best[-1]], found[best[-1]]) if best else (FILES, [], [])


def _in_folders(files: Sequence[list[str]], cells: Sequence[str]) -> Iterator[list[str]]:
    """Yield the files of each row that are in the folder of its cell."""
    shared = _shared(cells)
    for names, cell in zip(files, cells):
        ends = (*(f"/{each}" for each in (cell, cell[shared:]) if each),)
        above = {name: f"/{_normal(posixpath.dirname(name))}" for name in names}
        yield [name for name in names if len(names) == 1 or above[name].endswith(ends)]


def _find_further(columns: Mapping[str, Sequence[str]], photos: Photos) -> Found | None:
    """Return the column most of whose cells are folders, numbers, or what numbers follow, or None.

    Only the depth at which most values are counts: elsewhere, 1 may be a view, and not a patient.
    """
    best: dict[tuple, Found] = {}
    for name, cells in columns.items():
        values = Counter(filter(None, cells))
        is_unique = len(values) == values.total()
        for (kind, is_bare, _), calls in photos.further.items():
            keys = {value: _bare(value) if is_bare else value for value in values}
            hits = {value: calls[key] for value, key in keys.items() if key in calls}
            sizes = [*map(len, hits.values())]
            is_certain = kind == FOLDERS or (
                is_unique and (kind != FILES or max(sizes, default=0) == 1)
            )
            if 1 < len(hits) > len(values) / 2 and is_certain:
                rank = (kind == FOLDERS, is_unique, len(hits), sum(sizes), not is_bare)
                best.setdefault(rank, (kind, [name], [hits.get(cell, []) for cell in cells]))
    return best[max(best)] if best else None


def join_tables(tables: Iterable[Table]) -> Iterator[Table]:
    """Yield tables with the same columns as one: of several folders, or of train, val and test."""
    alike: dict[tuple, list[Table]] = defaultdict(list)
    for table in tables:
        alike[table.kind, *table.columns, *sorted(table.cells)].append(table)
    for group in alike.values():
        paths = [Path(table.files[0]) for table in group]
        if len({path.parent for path in paths}) < len(group):
            sets = {split_in_words(path.stem): table for path, table in zip(paths, group)}
            named = {split: table for split, table in sets.items() if split and len(sets) > 1}
            yield from (table for table in group if all(table is not one for one in named.values()))
            group = [one._replace(rows=one.rows.assign(split=s)) for s, one in named.items()]
        if group:
            files = [path for table in group for path in table.files]
            rows = pd.concat([table.rows for table in group], ignore_index=True)
            yield group[0]._replace(files=files, rows=rows)
