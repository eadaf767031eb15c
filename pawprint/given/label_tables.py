"""Find the rows of tables beside photos, and the photos that each row names.

A table is a CSV or TSV. Its columns are compared with what photos can be called: paths and their
ends, with or without suffix and with another root; folders; and numbers with other zeros, or before
a number, as 12 for 012.jpg and for 12_1.jpg. What the other columns hold is decided in
label_readings.py.
"""

import os
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.files import read_bytes
from pawprint.given.given_images import Given
from pawprint.given.names import SPLIT_OF_FOLDER, is_image_name, split_in_words
from pawprint.given.user_tables import parse_csv

Found = tuple[str, list[str], list[list[str]]]  # what columns name, which, and the photos of a row
TABLES, MAY_BE = {".csv", ".tsv"}, {"", ".txt"}  # Dataverse serves tables without a suffix
UNREAD = {".arrow", ".json", ".jsonl", ".npz", ".parquet", ".xlsx"}
BESIDE = {".cls", ".json", ".txt"}  # suffixes of a file with the label of the photo beside it
MAX_CHECKED = 10**7  # bytes of a table of which some rows are looked at before
PROBED = 100  # so many rows, and columns that may tell the folder of a name
FILES, FOLDERS, NUMBERED = "files", "folders", "numbered files"  # what a column can name
TOGETHER = ("lesion", "patient", "seq", "subject")  # columns whose photos belong in one split
PLACE, KEY, PHOTO = range(3)  # columns of rows that are not the table's, whose names are texts


def plain(name: str) -> str:
    """Return a name of a column without differences in writing."""
    return re.sub(r"[\W_]", "", name).lower()


class NoTableError(InputError):
    """A file that says nothing about the photos, so that it can be left out with its reason."""


class InDoubtError(InputError):
    """A table of names that may be photos, or numbers of something else; it says what to do."""


@dataclass(frozen=True, eq=False)
class Table:
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

    @cached_property
    def cells(self) -> dict[str, set[str]]:
        """The other columns, and what is in their cells."""
        return {name: {*self.rows[name]} for name in self.rows if isinstance(name, str)}

    @cached_property
    def split(self) -> str:
        """The column with splits, by its name or else by its cells, or ""."""
        sets = {name: {*map(str.lower, each)} - {""} for name, each in self.cells.items()}
        named = [name for name in sets if name.lower() == "split"]
        found = [n for n, each in sets.items() if len(each) > 1 and each <= {*SPLIT_OF_FOLDER}]
        return next(iter(named + found), "")


def read_tables(
    given: Given, asked: Collection[Path], labels: Collection[str]
) -> tuple[list[Table], list[str]]:
    """Return the tables whose rows name some of the images, and why others are none.

    Tables that are `asked` for are files on this computer, or in the folder of the images. Raises
    InputError if one of them is none, and for a CSV or TSV that is damaged or in doubt.
    """
    stems = {posixpath.splitext(posixpath.basename(name))[0] for name in given.images}
    others = {name: given.files[name] for name in given.others}
    paths = [path for path in others.values() if not asked and is_table(path, stems)]
    for path in asked:
        named = [file for name, file in others.items() if str(path) in (name, file.name)]
        paths += named if named and not path.exists() else [path]
    tables, reasons, photos = [], [], Photos(given)
    for path in paths:
        if path.suffix.lower() in UNREAD:
            what = f"expected a CSV or TSV. Received: {path.suffix}"
            raise InputError(f"{path}: {what}. Convert it as `pawprint docs images` shows.")
        try:
            tables.append(read_table(path, photos, labels))
        except InputError as error:
            if asked or (path.suffix and not isinstance(error, NoTableError)):
                is_told = asked or isinstance(error, InDoubtError)
                way = "" if is_told else " To leave it out, add --table FILE, or --table none."
                raise InputError(f"{error}{way}") from None
            reasons.append(str(error))
    return [*join_tables(tables)], reasons


def label_files(given: Given) -> list[str]:
    """Return the files that may hold labels, sorted by suffix, and the columns of each table.

    These are tables, and files with the name of a photo beside them, which may be a caption or a
    label.
    """
    photos = {posixpath.splitext(name)[0] for name in given.images}
    stems, found = {*map(posixpath.basename, photos)}, []
    for name in given.others:
        stem, suffix = posixpath.splitext(name)
        if suffix.lower() in UNREAD or (suffix.lower() in BESIDE and stem in photos):
            found.append((suffix, name))
        elif suffix and is_table(given.files[name], stems):
            with given.files[name].open(encoding="utf-8", errors="replace") as file:
                columns = re.split("[,;\t]", printable(file.readline(10**5).strip()))
            found.append((suffix, f"{name} ({name_some(columns)})"))
    return [name for _, name in sorted(found)]


def is_table(path: Path, stems: Collection[str]) -> bool:
    """Return whether a file is a table by its name, and perhaps its first line.

    An example of what to submit to Kaggle is none, and no text beside a photo with one of `stems`.
    """
    suffix = path.suffix.lower()
    if not path.is_file() or re.match(r"sample[\W_]*submission", path.name, re.IGNORECASE):
        return False
    if suffix in TABLES or suffix not in MAY_BE or path.stem in stems:
        return suffix in TABLES
    with path.open("rb") as file:
        return bool(re.search(rb"\t" if suffix else rb"[\t,;]", file.readline(10**5)))


class Photos:
    """The photos by what cells may call them."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.root = given.path.resolve()
        self.ends: dict[str, list[str]] = defaultdict(list)
        wholes = {f"/{_normal(name)}": name for name in (*given.images, *given.others)}
        stems = ((posixpath.splitext(f"/{_normal(name)}")[0], name) for name in given.images)
        for end, name in (*wholes.items(), *stems):
            parts = end.split("/")
            for start in range(len(parts)):
                self.ends["/".join(parts[start:])].append(name)
        self.ends |= {end: [name] for end, name in wholes.items()}

    def files(self, values: Collection[str], path: Path) -> dict[str, list[str]]:
        """Return the files that each cell of a table may name; the folders above may be missing."""
        inside = os.path.relpath(path.resolve().parent, self.root)
        places = (f"/{inside}", f"/{inside}/{path.stem}", "")
        found: dict[str, list[str]] = {}
        for start in {0: 0, _shared(values): 0}:
            for value in () if found else values:
                keys = (posixpath.normpath(posixpath.join(each, value[start:])) for each in places)
                if hits := [self.ends[key] for key in keys if key in self.ends]:
                    found[value] = min(hits, key=len)
        return found

    @cached_property
    def further(self) -> Mapping[tuple, Mapping[str, list[str]]]:
        """Names of folders and numbers, by kind, whether they are without zeros, and depth."""
        found: dict[tuple, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for image in self.given.images:
            *above, name = posixpath.splitext(_normal(image))[0].split("/")
            for depth, part in enumerate(above):
                found[FOLDERS, False, depth][part].append(image)
                found[FOLDERS, True, depth][_bare(part)].append(image)
            found[FILES, True, 0][_bare(name)].append(image)
            if number := re.fullmatch(r"(.+?)[_\-. ]+\(?\d{1,3}\)?", name):
                found[NUMBERED, False, 0][number[1]].append(image)
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
    if len(content) > MAX_CHECKED:  # it may have a column per pixel, and take minutes
        first, *lines = content.splitlines(keepends=True)
        some = b"".join([first, *lines[:: len(lines) // PROBED + 1]])
        _locate(_parse(some, path), path, photos, labels)
    return _locate(_parse(content, path), path, photos, labels)


def _parse(content: bytes, path: Path) -> pd.DataFrame:
    """Return the cells, and the line as index. Columns of the same name are numbered."""
    header, _, rows, _ = parse_csv(content, printable(str(path)), ())
    names = pd.Series([*map(str.strip, header)], dtype=object)
    same = names.str.lower()
    number = names + " (" + (same.groupby(same).cumcount() + 1).astype(str) + ")"
    names = names.where(~same.duplicated(keep=False) | (names == ""), number)
    return pd.DataFrame([cells for _, cells in rows], [line for line, _ in rows], [*names], object)


def _locate(rows: pd.DataFrame, path: Path, photos: Photos, labels: Collection[str]) -> Table:
    """Return the table, by the columns that name most photos."""
    normal = {name: [*map(_normal, cells)] for name, cells in rows.items()}
    kind, columns, found = _find_files(normal, path, photos)
    named = {each[0] for each in found if len(each) == 1}
    if 2 * len(named) < len(rows):
        others = {name: cells for name, cells in normal.items() if name.lower() not in labels}
        kind, columns, found = _find_further(others, photos) or (kind, columns, found)
    if not any(found):
        shown = [f"{name} (such as {max([*cells, ''], key=bool)})" for name, cells in rows.items()]
        raise NoTableError(
            f"{path}: expected a column with the names of files in {photos.given.path}, or with "
            "their paths if several folders have the same names. Received: "
            f"{name_some(shown, 20)}, where a photo is called {[*photos.given.images, '?'][0]}."
        )
    if kind == FILES:
        _check_names(columns[-1], found, path, photos)
    keys = [*map("/".join, zip(*(normal[name] for name in columns)))]
    of_rows = [each if len(each) == 1 or kind != FILES else [] for each in found]
    rows = rows.drop(columns=columns[-1])
    if rows.empty:
        raise NoTableError(f"{path}: expected a column of labels. Received: {columns[-1]} alone.")
    rows[PLACE] = [f"line {line} ({key})" for line, key in zip(rows.index, keys)]
    rows[KEY] = keys
    rows = rows.iloc[[n for n, each in enumerate(of_rows) for _ in each or [""]]]
    rows = rows.reset_index(drop=True)
    rows[PHOTO] = [name for each in of_rows for name in each or [""]]
    file = path.resolve()
    file = file.relative_to(photos.root) if file.is_relative_to(photos.root) else path
    return Table([file.as_posix()], kind, columns, rows[rows[KEY].str.strip("/") != ""])


def _check_names(column: str, found: list[list[str]], path: Path, photos: Photos) -> None:
    """Raise InputError if most names are in several folders, or the header is a name itself."""
    if 2 * sum(len(each) > 1 for each in found) > len(found):
        folders = Counter(posixpath.dirname(name) for each in found for name in each)
        shown = (f"{name or '.'}/ ({counted(n, 'photo')})" for name, n in folders.items())
        raise InDoubtError(
            f"{path}: expected names that are in one folder, or their paths. Received: {column}, "
            f"whose names are in {name_some(shown)}. If these are no photos, add --table none; if "
            "they are, write the paths, or use one folder, such as "
            f"--images {photos.given.path / min(folders)} --table {path}."
        )
    named = {each[0] for each in found if len(each) == 1}
    first = photos.files({_normal(column)}, path).values()
    if not {name for each in first for name in each} <= named:
        raise InputError(
            f"{path}: expected a header in the first line. Received: {printable(column)}. Add one, "
            "such as file_name,label."
        )


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
    if any(found[names] != found[best[-1]] for names in best):
        raise InputError(
            f"{path}: expected one column with the names of files. Received: "
            f"{name_some(map('/'.join, best))}, which name different files. Write a row for each."
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
        values = {*cells} - {""}
        is_unique = len(values) == sum(map(bool, cells))
        for (kind, is_bare, _), calls in photos.further.items():
            keys = {value: _bare(value) if is_bare else value for value in values}
            hits = {value: calls[key] for value, key in keys.items() if key in calls}
            if 1 < len(hits) > len(values) / 2 and (kind == FOLDERS or is_unique):
                number = len(hits), sum(map(len, hits.values()))
                found = kind, [name], [hits.get(cell, []) for cell in cells]
                best.setdefault((kind == FOLDERS, is_unique, *number, not is_bare), found)
    return best[max(best)] if best else None


def join_tables(tables: Iterable[Table]) -> Iterator[Table]:
    """Yield tables with the same columns as one: of several folders, or of train, val and test."""
    alike: dict[tuple, list[Table]] = defaultdict(list)
    for table in tables:
        alike[table.kind, *table.columns, *sorted(table.cells)].append(table)
    for group in alike.values():
        if len({posixpath.dirname(table.files[0]) for table in group}) < len(group):
            named = [(split_in_words(Path(table.files[0]).stem), table) for table in group]
            yield from (table for split, table in named if not split)
            group = [replace(t, rows=t.rows.assign(split=split)) for split, t in named if split]
        if group:
            files = [path for table in group for path in table.files]
            rows = pd.concat([table.rows for table in group], ignore_index=True)
            yield replace(group[0], files=files, rows=rows)
