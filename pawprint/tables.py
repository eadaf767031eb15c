"""Tables: pandas DataFrames in code, CSV on disk with the same bytes on every platform."""

import codecs
import csv
import io
import itertools
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

import numpy as np
import pandas as pd

from pawprint.classes import log_losses
from pawprint.columns import IMAGE_DIGITS, PREDICTIONS, PROBABILITY, UNKNOWN_SCORE, Columns
from pawprint.errors import InputError, printable
from pawprint.files import parse_file, replacing


def read_table(path: Path, columns: Columns) -> pd.DataFrame:
    """A CSV file with exactly these columns. Raises InputError if it is missing or another table.

    Text is not converted: an empty cell is "", and "NA" is a word.
    """
    return parse_file(path, lambda content: parse_table(content, columns))


def parse_table(content: bytes, columns: Columns) -> pd.DataFrame:
    """As `read_table`, from the bytes of a file. Raises ValueError if it is another table."""
    try:
        with warnings.catch_warnings():
            # As for a row with more values. Only this one: the filters are those of all threads.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(content),
                dtype=columns,
                na_values={name: "" for name, kind in columns.items() if kind == "Float64"},
                keep_default_na=False,
                index_col=False,
                encoding="utf-8",
            )
        if list(frame) != list(columns):
            raise ValueError(f"the columns {', '.join(map(str, frame))}")
        # pandas fills a row of too few cells. Our tables have no empty cell in the last column.
        if (frame.iloc[:, -1] == "").any():
            raise ValueError("a row with fewer values")
    except (ValueError, OverflowError, Warning) as error:
        reason = " ".join(str(error).split())
        # Columns of probabilities have names of the file.
        expected = f"expected a table with the columns {', '.join(columns)}. Received: {reason}"
        raise ValueError(printable(expected)) from None
    return frame


def write_table(path: Path, frame: pd.DataFrame, columns: Columns) -> None:
    """Write these columns of the rows, in this order; floats with six significant digits."""
    with replacing(path) as partial:
        frame[list(columns)].astype(columns).to_csv(
            partial, index=False, lineterminator="\n", encoding="utf-8", float_format="%.6g"
        )


def read_predictions(path: Path) -> pd.DataFrame:
    """As `read_table`, a table PREDICTIONS with the columns of its labels."""
    return parse_file(path, parse_predictions)


def parse_predictions(content: bytes) -> pd.DataFrame:
    """As `parse_table`, a table PREDICTIONS with a column of probabilities per label."""
    try:
        header = next(csv.reader([content.split(b"\n", 1)[0].decode()]), [])
    except (UnicodeDecodeError, csv.Error):
        header = []
    return parse_table(content, _prediction_columns(header))


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """As `write_table`, a table PREDICTIONS."""
    write_table(path, predictions, _prediction_columns(predictions))


def _prediction_columns(names: Iterable[str]) -> Columns:
    numbers = [name for name in names if name.startswith(PROBABILITY) or name == UNKNOWN_SCORE]
    return PREDICTIONS | dict.fromkeys(numbers, "float64")


def predicted_labels(predictions: Iterable[str]) -> list[str]:
    """The labels of a table PREDICTIONS, or of its columns, in their order, also of no image."""
    names = [name for name in predictions if name.startswith(PROBABILITY)]
    return [name.removeprefix(PROBABILITY) for name in names]


def probabilities_in(predictions: pd.DataFrame) -> np.ndarray:
    """float64 `(images, classes)`: the probabilities in a table PREDICTIONS."""
    return predictions[[PROBABILITY + label for label in predicted_labels(predictions)]].to_numpy()


def losses_in(predictions: pd.DataFrame) -> np.ndarray:
    """The log loss of each image of a table PREDICTIONS, `(images,)`."""
    actual = pd.Index(predicted_labels(predictions)).get_indexer(predictions["actual"])
    return log_losses(actual, probabilities_in(predictions))


def tabulate(
    rows: pd.DataFrame,
    probabilities: np.ndarray,
    predicted: np.ndarray,
    labels: list[str],
    unknown_scores: np.ndarray | None = None,
) -> pd.DataFrame:
    """The table PREDICTIONS.

    `rows` has the columns `path`, `label` and `pixels_sha256`, in the order of the images in
    `probabilities`, float64 `(images, classes)`, in `predicted`, the indices of `labels`, and in
    `unknown_scores`, float64 `(images,)`.
    """
    scores = {} if unknown_scores is None else {UNKNOWN_SCORE: unknown_scores}
    return pd.DataFrame(
        {
            "path": rows["path"].array,
            "actual": rows["label"].array,
            "predicted": np.array(labels)[predicted],
            "pixels_sha256": rows["pixels_sha256"].array,
            **{PROBABILITY + label: column for label, column in zip(labels, probabilities.T)},
            **scores,
        }
    )


def with_image(images: pd.DataFrame) -> pd.DataFrame:
    """A table with the column `image` of PREDICTED_CLASSES, from its `pixels_sha256`."""
    return images.assign(image=images["pixels_sha256"].str[:IMAGE_DIGITS])


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


def spread(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """At most `number` rows at equal distances, with the first and the last."""
    return rows.iloc[np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(int)]


def training_images(split: pd.DataFrame, number: int) -> pd.DataFrame:
    """At most so many training images of a table SPLIT: those with the lowest hashes of pixels."""
    return split[split["split"] == "train"].sort_values("pixels_sha256")[:number]
