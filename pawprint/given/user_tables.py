"""Read tables that people write or save with spreadsheets, such as labels.csv and splits.csv."""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import eq
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

from pawprint.base.columns import SPLITS
from pawprint.base.errors import InputError, counted, name_some, one_of, printable
from pawprint.base.files import read_bytes
from pawprint.base.labels import NEITHER, ONE_CLASS, SEPARATOR, UNKNOWN, LabelKind, cell_of
from pawprint.base.paths import LABELS_CSV, SPLITS_CSV

if TYPE_CHECKING:
    import pandas as pd


# Encodings by byte order mark.
MARKS = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
SEPARATORS = ",;\t|"
# A first line in which Excel declares the separator.
SEPARATOR_LINE = re.compile(rf'"?sep=([{SEPARATORS}])"?(?=[\r\n]|$)', re.IGNORECASE)
PATHS = ("path", "file_name")  # columns with file names, which may begin or end with a space
SAVE = (
    'Save it as "CSV UTF-8" in Excel or another spreadsheet, or convert it, for example with '
    "`iconv -f cp1252 -t utf-8 OLD.csv >NEW.csv`"
)
Cells = dict[str, str]  # keyed by column, in lower case


class WrittenTable(NamedTuple):
    """A CSV file written by a person or a spreadsheet, without its empty rows.

    `header` is unchanged. `names` are in lower case and unique, because unnamed columns get names
    with different numbers of spaces. Each row has the number of its last line, counted from 1, and
    a cell for each column.
    """

    header: list[str]
    names: list[str]
    rows: list[tuple[int, list[str]]]
    separator: str


def read_csv_rows(path: Path, columns: Collection[str]) -> list[tuple[int, Cells]]:
    """Return `csv_rows` for a file or a pipe. Also raises InputError if reading fails."""
    where = printable(str(path))
    try:
        content = read_bytes(path)
    except OSError as error:
        raise InputError(f"cannot read {where}: {error.strerror}.") from None
    return csv_rows(content, where, columns)


def csv_rows(content: bytes, where: str, columns: Collection[str]) -> list[tuple[int, Cells]]:
    """Return each row's line number and its cells, keyed by column; unnamed columns are left out.

    Raises InputError for the same reasons as `parse_csv`.
    """
    _, names, rows, _ = parse_csv(content, where, columns)
    return [(line, {n: cell for n, cell in zip(names, cells) if n.strip()}) for line, cells in rows]


def parse_csv(content: bytes, where: str, columns: Collection[str]) -> WrittenTable:
    """Parse a table with at least these columns, as written by spreadsheets and Macs.

    A byte order mark determines the encoding; without one, it is UTF-8. The separator is the one in
    SEPARATORS that results in the right columns, or in the most columns if `columns` is empty.
    Empty rows, and empty cells after the last column, are ignored. A row may be shorter than the
    header, but must include all of `columns`. Spaces around a cell are removed, except around a
    path. Raises InputError, with a message that begins with `where`, for any other file.
    """
    text = _decode(content, where)
    declared = SEPARATOR_LINE.match(text)
    if declared:
        text = text[declared.end() :]  # keep the line end, so that line numbers stay correct
    separators = declared[1] if declared else SEPARATORS
    headers = {separator: _header(text, separator) for separator in separators}
    separator = max(separators, key=lambda each: _rank(headers[each], columns))
    header = headers[separator]
    names = _names(header)
    if set(columns) - set(names):
        raise InputError(
            f"{where}: line 1: expected the columns {','.join(columns)}, separated by commas. "
            f"Received: {printable(repr(separator.join(header)))}."
        )
    if columns and (twice := sorted({name for name in names if names.count(name) > 1})):
        raise InputError(
            f"{where}: line 1: expected each column once. Received: {name_some(twice)} twice. "
            "Rename one."
        )
    try:
        rows = list(_rows(text, separator))[1:]
    except csv.Error as error:
        raise InputError(f"{where}: {printable(str(error))}") from None
    needed = max((1 + names.index(name) for name in columns), default=0)
    for line, cells in rows:
        if len(cells) < needed or any(map(str.strip, cells[len(names) :])):
            received = printable(repr(separator.join(cells)))
            raise InputError(
                f"{where}: line {line}: expected {','.join(columns)}{' in ' if columns else ''}"
                f"at most {len(names)} cells, separated by {separator!r} and in quotes if they "
                f"contain it. Received: {received}."
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
    if "\0" in text:  # the file may be UTF-16 without a byte order mark
        raise InputError(f"{where}: expected a CSV in UTF-8. Received: zero bytes. {SAVE}.")
    return text


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row and its last line. Raises csv.Error with a row's first line."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    first = 1
    try:
        for cells in lines:
            first = lines.line_num + 1
            if any(map(str.strip, cells)):
                yield lines.line_num, cells
    except csv.Error as error:
        raise csv.Error(
            f"line {first}: expected quotation marks only around a cell, and twice in it. Received:"
            f" {error}. Correct the line."
        ) from None


def _header(text: str, separator: str) -> list[str]:
    try:
        return next(_rows(text, separator), (1, []))[1]
    except csv.Error:  # quoted cells may use another separator
        return []


def _rank(header: list[str], columns: Collection[str]) -> tuple[bool, int]:
    """Return whether a header has all columns, and the number of its columns."""
    return set(columns) <= {*_names(header)}, len(header)


def _names(header: list[str]) -> list[str]:
    names = (normalize("NFC", name.strip().lower()) for name in header)
    return [name or " " * place for place, name in enumerate(names, start=1)]


def spellings(path: str) -> tuple[str, ...]:
    """Return a path in three forms: as written, in composed Unicode, without surrounding spaces.

    macOS decomposes letters in file names, but keyboards and spreadsheets do not.
    """
    return path, normalize("NFC", path), normalize("NFC", path.strip())


def name_likely(path: str, paths: Sequence[str]) -> str:
    """Return a question that suggests up to three `paths` for a wrong path, or "".

    The suggestions have the same file name, except perhaps for the suffix, and all folders of the
    shorter path. Case, slashes, spaces around names and the Unicode form may differ.
    """
    name, *folders = _parts(path)
    parts = {other: _parts(other) for other in paths}
    same = [other for other in paths if parts[other][0] == name]
    same = same or [other for other in paths if _stem(parts[other][0]) in (name, _stem(name))]
    close = [other for other in same if all(map(eq, folders, parts[other][1:]))]
    likely = sorted(map(repr, close))
    return f"Did you mean {' or '.join(likely[:3])}?" if likely else ""


def require_files(
    where: str, missing: Sequence[tuple[int, str]], expected: str, paths: Iterable[str]
) -> None:
    """Raise InputError if files are `missing`, given the line and the path of each row.

    One of `paths` may have been meant.
    """
    if missing:
        line, path = missing[0]
        some = name_some((repr(each) for _, each in missing), 3)
        likely = printable(f"{name_likely(path, [*paths])} ".lstrip())
        raise InputError(
            f"{where}: line {line}: expected {expected}. Received: {some} "
            f"({counted(len(missing), 'line')}), not found. {likely}Remove rows of deleted images."
        )


def _parts(path: str) -> list[str]:
    """Return the file name and its folders, innermost first, without differences in writing."""
    text = normalize("NFKC", unquote(path)).casefold().replace("\\", "/")
    return [part.strip() for part in reversed(text.split("/")) if part.strip(" .")] or [""]


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


LABEL_COLUMNS = ("path", "label")  # PIXELS and HOW are optional
PIXELS = "pixels_sha256"
HOW = "how"  # how the label was assigned: OF_PAGE, or "" for a single image
OF_PAGE = "page"  # the label was assigned to all images on a page
SPLIT_COLUMNS = ("pixels_sha256", "split")
# New projects contain these empty tables.
EMPTY_TABLES = {
    # With all columns in the header, adding a label changes a single line.
    LABELS_CSV: f"{','.join((*LABEL_COLUMNS, PIXELS, HOW))}\n",
    SPLITS_CSV: f"{','.join(SPLIT_COLUMNS)}\n",
}
SHA256 = re.compile("[0-9a-f]{64}")


class Correction(NamedTuple):
    """An image's label, or NEITHER, which excludes the image unless it is a class of the source.

    With `pixels_sha256`, the correction applies to the image with these pixels, and the path is
    where that image used to be. Without a hash, it applies to the image at the path. Corrections of
    single images take precedence over one that `is_of_page`.
    """

    path: str
    label: str
    pixels_sha256: str = ""
    is_of_page: bool = False  # whether the label was assigned to all images on a page
    line: int = 0  # in labels.csv

    @property
    def image(self) -> str:
        """The hash of the image's pixels or, if unknown, its path."""
        return self.pixels_sha256 or self.path


def read_corrections(
    path: Path,
    members: Collection[str] | None = None,
    labels: Iterable[str] | None = None,
    kind: LabelKind = ONE_CLASS,
) -> list[Correction]:
    """Return the rows of labels.csv; a label is a cell of this `kind`.

    A path matches a member even if the path is in another Unicode form or has surrounding spaces.
    Raises InputError, with the line number, for a label that is not in `labels`, paths that are not
    in `members` if there is no `pixels_sha256`, an image that occurs twice, a `pixels_sha256` that
    is not 64 hexadecimal digits, and a cell in HOW other than OF_PAGE or "". Also raises InputError
    if the file is not such a table. `members` and `labels` are not checked if they are None.
    """
    choices = None if labels is None else [*dict.fromkeys([*labels, NEITHER])]
    files = [*(members or ())]
    member_of = {normalize("NFC", name): name for name in files} | dict(zip(files, files))
    corrections: dict[str, Correction] = {}
    missing: list[tuple[int, str]] = []
    for line, row in read_csv_rows(path, LABEL_COLUMNS):
        found = (member_of[each] for each in spellings(row["path"]) if each in member_of)
        name = next(found, row["path"])
        parts = kind.parts_of(normalize("NFC", row["label"]))
        label = cell_of(parts)
        names = kind.states_in(label)
        pixels = row.get("pixels_sha256", "")
        correction = Correction(name, label, pixels, row.get(HOW) == OF_PAGE, line)
        problem = _problem_of_optional_cells(row) or kind.problem_of_cell(label)
        if members is not None and not pixels and name not in member_of:
            missing.append((line, name))
        elif label != NEITHER and choices is None and (wrong := kind.problem_of_names(names)):
            problem = f"{wrong}. Correct it."
        elif choices and any(n not in choices or n == NEITHER != label for n in names):
            several = f", or several joined by {SEPARATOR} (add a new one to clean.not_asked)"
            if kind.exclusive:
                is_cell = SEPARATOR in label
                several = " (for several labels, see clean.several_labels)" if is_cell else ""
            problem = f"expected the label {one_of(choices)}{several}. Received: {row['label']!r}."
        elif correction.image in corrections:
            problem = f"expected each image once. Received: {correction.image!r} again."
        if problem:
            raise InputError(f"{path}: line {line}: {printable(problem)}")
        corrections[correction.image] = correction
    expected = f"a path to a file in fetch.source, such as {printable(min(files, default=''))}"
    require_files(str(path), missing, expected, files)
    return [*corrections.values()]


def _problem_of_optional_cells(row: Cells) -> str | None:
    """Return what is wrong with the cells PIXELS and HOW in a labels.csv row, or None."""
    pixels = row.get(PIXELS, "")
    how = row.get(HOW, "")
    if pixels and not SHA256.fullmatch(pixels):
        expected = "expected a pixels_sha256 with 64 hexadecimal digits, or an empty cell"
        return f"{expected}. Received: {pixels!r}. Correct it."
    if how not in ("", OF_PAGE):
        return (
            f"expected {OF_PAGE} in the column {HOW}, or an empty cell. Received: {how!r}. Correct "
            "it, or rename the column if it is your own."
        )
    return None


def reviewed_images(path: Path) -> set[str]:
    """Return the images in labels.csv whose labels a person gave or confirmed one by one.

    Images are identified by `pixels_sha256` or, without a hash, by all spellings of their path. If
    the file is missing, there are none. Raises InputError if the file is not such a table.
    """
    reviewed: set[str] = set()
    for _, row in read_csv_rows(path, LABEL_COLUMNS) if path.exists() else []:
        if row.get(HOW) != OF_PAGE:
            reviewed.update([row[PIXELS]] if row.get(PIXELS) else spellings(row["path"]))
    return reviewed


def choices_of(
    cells: Iterable[str], classes: Collection[str], not_asked: Collection[str], kind: LabelKind
) -> list[str] | None:
    """Return the labels that labels.csv can give, if the source has `classes`.

    These include `not_asked`, and labels that the `cells` of the source only name.
    """
    names = kind.names_said(cells).union(classes, not_asked) - {"", UNKNOWN}
    return sorted(names) if classes else None


def classes_given(corrections: Iterable[Correction], kind: LabelKind = ONE_CLASS) -> list[str]:
    """Return the sorted labels in labels.csv, which are the classes if folders do not define any.

    Raises InputError if a label cannot be a class.
    """
    labels = kind.names_in(correction.label for correction in corrections) - {NEITHER}
    if problem := kind.problem_of_names(labels):
        raise InputError(f"{LABELS_CSV}: {problem}. Correct the labels.")
    return sorted(labels)


def read_kept_splits(path: Path) -> dict[str, str]:
    """Return the split for each `pixels_sha256`, in row order.

    Raises InputError, with the line number, for a hash that is not 64 hexadecimal digits, a split
    that is not in SPLITS, and an image in two splits. Also raises InputError if the file is not
    such a table.
    """
    splits: dict[str, str] = {}
    for line, row in read_csv_rows(path, SPLIT_COLUMNS):
        pixels = row["pixels_sha256"]
        split = row["split"]
        problem = None
        if not SHA256.fullmatch(pixels):
            problem = f"expected a pixels_sha256 with 64 hexadecimal digits. Received: {pixels!r}"
        elif split not in SPLITS:
            problem = f"expected the split {', '.join(SPLITS)}. Received: {split!r}"
        elif splits.setdefault(pixels, split) != split:
            problem = (
                f"expected one split for each image. Received: {split} for {pixels}, which is in "
                f"{splits[pixels]} above"
            )
        if problem:
            raise InputError(f"{path}: line {line}: {printable(problem)}. Correct the line.")
    return splits


def describe_kept_splits(images: "pd.DataFrame", kept_splits: dict[str, str]) -> list[str]:
    """Return lines that compare `kept_splits`, from splits.csv, with a SPLIT table.

    They report images without a row, rows without an image, and rows that the split does not
    follow, because groups stay together.
    """
    if not kept_splits:
        return []
    lines = []
    if new := int((~images["pixels_sha256"].isin(kept_splits)).sum()):
        lines.append(
            f"the file lacks {counted(new, 'image')}, so later changes can move images. Run "
            "`pawprint keep-splits` to keep every image in its split"
        )
    if rows := len(kept_splits.keys() - set(images["pixels_sha256"])):
        lines.append(f"{rows:,} of {len(kept_splits):,} rows do not match a usable image")
    expected = images["pixels_sha256"].map(kept_splits)
    moved = images[expected.notna() & (expected != images["split"])]
    if groups := sorted(set(moved["group"])):
        lines.append(
            f"divides {counted(len(groups), 'group')}: {name_some(groups)}. Each follows its first "
            f"image in the file, so {len(moved):,} images are not in the split that their row gives"
        )
    return lines
