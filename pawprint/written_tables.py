"""Tables that people wrote, as CSV files of spreadsheets and editors."""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

from pawprint.errors import InputError, printable

# The encoding by byte order mark. Those of UTF-32 come first: one begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
SEPARATORS = ",;\t|"
# A first line of Excel that names the separator.
SEPARATOR_LINE = re.compile(rf'"?sep=([{SEPARATORS}])"?(?=[\r\n]|$)', re.IGNORECASE)
PATHS = ("path", "file_name")  # columns of names of files, which may begin or end with a space
SAVE = (
    'Save it as "CSV UTF-8" in Excel or another spreadsheet, or convert it, such as with '
    "`iconv -f cp1252 -t utf-8 OLD.csv >NEW.csv`"
)
Cells = dict[str, str]  # by column, in lower case


class WrittenTable(NamedTuple):
    """A CSV file as a person or a spreadsheet wrote it, without its empty rows.

    `header` is as written, `names` in lower case, each once: a column without a name has spaces. A
    row is the number of its last line, counted from 1, and a cell for each column.
    """

    header: list[str]
    names: list[str]
    rows: list[tuple[int, list[str]]]
    separator: str


def read_csv_rows(path: Path, columns: Collection[str]) -> list[tuple[int, Cells]]:
    """As `csv_rows`, of a file or a pipe. Raises InputError also if it cannot be read."""
    where = printable(str(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{where}: expected a file that can be read. Received: {error.strerror}."
        ) from None
    return csv_rows(content, where, columns)


def csv_rows(content: bytes, where: str, columns: Collection[str]) -> list[tuple[int, Cells]]:
    """Return the line number of each row and its cells by column, without columns without a name.

    Raises InputError as `parse_csv`.
    """
    _, names, rows, _ = parse_csv(content, where, columns)
    return [(line, {n: cell for n, cell in zip(names, cells) if n.strip()}) for line, cells in rows]


def parse_csv(content: bytes, where: str, columns: Collection[str]) -> WrittenTable:
    """Read a table that has these columns and perhaps others, as spreadsheets and Macs write it.

    A byte order mark says which Unicode it is, or else it is UTF-8. The one of SEPARATORS
    separates that gives the columns. Empty rows are left out, and empty cells behind the last
    column. A row may lack its last cells, but none of `columns`. Spaces around a cell are removed,
    except for those of a path. Raises InputError that begins with `where` for any other file.
    """
    text = _decode(content, where)
    if line := SEPARATOR_LINE.match(text):
        text = text[line.end() :]  # with the end of the line, as lines are counted
    separators = line[1] if line else SEPARATORS
    headers = {separator: _header(text, separator) for separator in separators}
    fitting = (name for name, header in headers.items() if set(columns) <= {*_names(header)})
    separator = next(fitting, separators[0])
    header, names = headers[separator], _names(headers[separator])
    if set(columns) - set(names) or len(set(names)) < len(names):
        raise InputError(
            f"{where}: line 1: expected the columns {','.join(columns)}, separated by commas. "
            f"Received: {printable(repr(separator.join(header)))}."
        )
    try:
        rows = list(_rows(text, separator))[1:]
    except csv.Error as error:
        raise InputError(
            f"{where}: expected a CSV in UTF-8. Received: {printable(str(error))}."
        ) from None
    needed = 1 + max(map(names.index, columns))
    for line, cells in rows:
        is_long = any(map(str.strip, cells[len(names) :]))
        if is_long or len(cells) < needed:
            raise InputError(
                f"{where}: line {line}: expected {len(names)} cells. Received: {len(cells)}."
                + (f" Put a cell that holds {separator!r} in quotes." if is_long else "")
            )
        filled = [*cells, *[""] * len(names)]
        cells[:] = [cell if name in PATHS else cell.strip() for name, cell in zip(names, filled)]
    return WrittenTable(header, names, rows, separator)


def _decode(content: bytes, where: str) -> str:
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{where}: line {line}: expected a CSV in UTF-8. Received: another encoding. {SAVE}."
        ) from None
    if "\0" in text:  # such as UTF-16 without its mark
        raise InputError(f"{where}: expected a CSV in UTF-8. Received: zero bytes. {SAVE}.")
    return text


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    for cells in lines:
        if any(map(str.strip, cells)):
            yield lines.line_num, cells


def _header(text: str, separator: str) -> list[str]:
    try:
        return next(_rows(text, separator), (1, []))[1]
    except csv.Error:  # such as of quotes around cells that another one separates
        return []


def _names(header: list[str]) -> list[str]:
    names = (normalize("NFC", name.strip().lower()) for name in header)
    return [name or " " * place for place, name in enumerate(names, start=1)]


def spellings(path: str) -> tuple[str, ...]:
    """Return a path of a table as it is, in composed Unicode, and also without spaces at its ends.

    Macs decompose letters in names of files; keyboards and spreadsheets do not.
    """
    return path, normalize("NFC", path), normalize("NFC", path.strip())


def name_likely(path: str, paths: Sequence[str]) -> str:
    """Return a question that names at most three of `paths` which a wrong one may mean, or "".

    They have its file name, or else only the suffix is another, and most of its folders. Case,
    slashes, spaces around names and forms of Unicode may differ.
    """
    *folders, name = _parts(path)
    stems = {name, _stem(name)}
    for is_same in ((lambda other: other == name), (lambda other: _stem(other) in stems)):
        scores = {}
        for other in paths:
            *others, last = _parts(other)
            if is_same(last):
                equal = (a == b for a, b in zip(reversed(folders), reversed(others)))
                scores[other] = sum(itertools.takewhile(bool, equal))
        if scores:
            best = max(scores.values())
            likely = sorted(repr(other) for other, score in scores.items() if score == best)
            return f"Did you mean {' or '.join(likely[:3])}?"
    return ""


def _parts(path: str) -> list[str]:
    text = normalize("NFKC", unquote(path)).casefold().replace("\\", "/")
    return [part.strip() for part in text.split("/") if part.strip(" .")] or [""]


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name
