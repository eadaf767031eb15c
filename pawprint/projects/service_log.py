"""Write the log of a service, with answers as JSON lines, and read it for `pawprint score`.

The logs of earlier versions can also be read. They are CSV tables like those of `pawprint predict`.
"""

import contextlib
import csv
import errno
import io
import json
import os
import threading
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from unicodedata import normalize

from filelock import FileLock

from pawprint.classes import UNKNOWN, UNSURE
from pawprint.dataset.user_tables import Cells, csv_rows
from pawprint.errors import InputError, printable
from pawprint.files import detach
from pawprint.named_file import read_bytes

STDOUT = ("-", "/dev/stdout")
BEGIN = b'{"time": "'  # the beginning of each line
KEYS = {"pixels_sha256", "label", "probabilities", "model"}  # keys that a line must have
PATIENCE = 10  # seconds to wait for another process to write its line
# Reasons for ignoring rows in a table.
TORN = "in incomplete rows"
OTHER_MODEL = "of another model"
COPY = "copies"


class AnswerLog:
    """A file to which threads and processes append lines of JSON, each completely or not at all.

    Each line identifies the model, so that a log may contain several models. The file is opened for
    every line, so that it can be moved or truncated. Processes take turns by means of a lock file
    next to it. A pipe, a terminal or a device stays open.
    """

    def __init__(self, path: Path, model: str | None) -> None:
        """Open or create the file. Raises InputError if that fails or the file is not a log."""
        self._path = path
        self._model = model
        self._lock = threading.Lock()
        self._stream: io.FileIO | None = None
        try:
            self._append(b"")
        except OSError as error:
            raise InputError(
                f"cannot append to {printable(str(path))}: {error.strerror}."
            ) from None

    def append(self, sha256: str, answer: dict) -> None:
        """Append a line with the time, the hash of an image, its answer and the model.

        Raises OSError, or InputError if the file is not a log. In these cases, no line is written.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        keys = ("label", "probabilities", "unknown_score")
        record = {"time": time, "pixels_sha256": sha256} | {key: answer[key] for key in keys}
        line = json.dumps(record | {"model": self._model}, ensure_ascii=False)
        self._append(line.encode() + b"\n")

    def _append(self, line: bytes) -> None:
        with self._lock:
            is_stdout = str(self._path) in STDOUT
            if is_stdout or (self._path.exists() and not self._path.is_file()):
                self._append_to_stream(line)
            else:
                with locked(self._path):
                    append_to_file(self._path, line)

    def _append_to_stream(self, line: bytes) -> None:
        try:
            self._stream = self._stream or open_stream(self._path)
            write_all(self._stream, line)
        except OSError:
            if self._stream:  # the next line reopens the file
                with contextlib.suppress(OSError):
                    self._stream.close()
            self._stream = None
            raise


def open_stream(path: Path) -> io.FileIO:
    """Open standard output, a pipe, a terminal or a device."""
    if str(path) in STDOUT:  # in some containers, it is a socket, which cannot be opened
        return io.FileIO(os.dup(1), "w")
    try:  # do not wait for a reader of the pipe
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(error.errno, "a pipe that nothing reads. Start its reader") from None
        raise
    os.set_blocking(descriptor, True)
    return io.FileIO(descriptor, "w")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock a file for other processes with a lock file next to it, if that can be created."""
    lock = FileLock(f"{path}.lock", timeout=PATIENCE, poll_interval=0.01)
    with contextlib.suppress(OSError):  # the lock file cannot be created there
        if path.parent.is_dir():  # the lock would create the folder
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def append_to_file(path: Path, line: bytes) -> None:
    """Append a whole line or nothing, even if the previous line was cut short.

    Raises InputError if the file is not a log, and OSError.
    """
    detach(path)
    with io.FileIO(path, "a+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if not BEGIN.startswith(file.read(len(BEGIN))):
            raise InputError(
                f"{printable(str(path))}: expected a log of JSON lines. Received: another file, "
                "such as a CSV from an earlier version. Choose a new file."
            )
        file.seek(max(0, size - 1))
        is_cut = size and file.read(1) != b"\n"
        try:
            write_all(file, b"\n" + line if is_cut and line else line)
        except OSError:
            file.truncate(size)
            raise


def write_all(file: io.FileIO, data: bytes) -> None:
    """Write all bytes. A full disk may accept some of them before it fails."""
    while data:
        data = data[file.write(data) :]


def read_answers(path: Path, labels: Sequence[str], has_scores: bool) -> list[dict]:
    """Read a log or a table of `predict`, as CSV or JSON lines, into rows like `predict_each`.

    With `has_scores`, each row must have a number as `unknown_score`. An incomplete row, for
    example after a power failure, has the error TORN instead of a label. Raises InputError for any
    other file, and for a CSV table with other labels. JSON lines with other labels are attributed
    to another model.
    """
    where = printable(str(path))
    content = _content_of(path)
    names = [_column_of(label) for label in labels]
    if has_scores:
        names.append("unknown_score")
    columns = ("label", *names, "pixels_sha256", "model")
    if is_json_lines(content):
        found, torn = cells_of_lines(content, where, labels)
    else:
        content, torn = without_torn_rows(content)
        found = csv_rows(content, where, columns)
    rows: list[dict] = [
        {"path": f"line {line}", "label": "", "error": TORN, "model": ""} for line in torn
    ]
    for line, cells in found:
        label = cells["label"]
        numbers = [_number(cells[name]) for name in names]
        are_right = all(0 <= number <= 1 for number in numbers[: len(labels)])
        are_right &= numbers[-1] == numbers[-1]  # excludes NaN
        if label and not (are_right and label in (*labels, UNSURE, UNKNOWN)):
            raise InputError(
                f"{where}: line {line}: expected the label {', '.join(labels)}, {UNSURE} or "
                f"{UNKNOWN}, and numbers as `pawprint predict` writes them. Received: "
                f"{printable(', '.join([label, *(cells[name] for name in names)]))}."
            )
        row: dict = {"path": f"line {line}", "error": ""} | cells
        if not label:
            row["error"] = row["error"] or "no label"
        row |= {"path": printable(row["path"]), "error": printable(row["error"])}
        row["unknown_score"] = numbers[-1] if has_scores else None
        rows.append(row | {"probabilities": dict(zip(labels, numbers))})
    return rows


def _content_of(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise InputError(f"cannot read {printable(str(path))}: {error.strerror}.") from None


def is_json_lines(content: bytes) -> bool:
    """Return whether a file consists of JSON lines, or is empty like a log without answers."""
    return content.lstrip()[:1] in (b"", b"{")


def records_in(content: bytes) -> Iterator[tuple[int, dict | None]]:
    """Yield the number and the object of each line, or None for an incomplete line."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            yield number, record if isinstance(record, dict) else None


def cells_of_lines(
    content: bytes, where: str, labels: Sequence[str]
) -> tuple[list[tuple[int, Cells]], list[int]]:
    """Return the cells in each line of a log, named like CSV columns, and the incomplete lines.

    The model of a line with other labels is OTHER_MODEL.
    """
    found: list[tuple[int, Cells]] = []
    torn: list[int] = []
    for line, record in records_in(content):
        if record is None:
            torn.append(line)
            continue
        probabilities = record.get("probabilities", "none")
        if not record.keys() >= KEYS or not isinstance(probabilities, dict | None):
            raise InputError(
                f"{where}: line {line}: expected a line of `pawprint serve --log` or `pawprint "
                f"predict --format jsonl`. Received: the keys {printable(', '.join(record))}."
            )
        known = probabilities or {}
        if known and known.keys() != {*labels}:
            record |= {"label": None, "model": OTHER_MODEL}
        numbers = {_column_of(label): known.get(label) for label in labels}
        cells = {"unknown_score": None} | record | numbers
        found.append((line, {key: _cell(value) for key, value in cells.items()}))
    return found, torn


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _column_of(label: str) -> str:
    return normalize("NFC", f"probability_{label}".lower())


def rows_with(source: Path, columns: Collection[str]) -> list[Cells]:
    """Return the complete rows in a table of `predict`, as CSV or JSON lines.

    Raises InputError if the table cannot be read, or lacks one of the columns.
    """
    where = printable(str(source))
    content = _content_of(source)
    if not is_json_lines(content):
        return [cells for _, cells in csv_rows(content, where, columns)]
    records = [(line, record) for line, record in records_in(content) if record is not None]
    for line, record in records:
        if missing := [name for name in columns if name not in record]:
            raise InputError(
                f"{where}: line {line}: expected the keys {', '.join(columns)}, as from `pawprint "
                f"predict --format jsonl`. Received: no {missing[0]}."
            )
    return [{key: _cell(value) for key, value in record.items()} for _, record in records]


def _number(cell: str) -> float:
    """Return the number in a cell, or NaN if there is none."""
    try:
        return float(cell.replace(",", "."))  # spreadsheets in many languages write a decimal comma
    except ValueError:
        return nan


def without_torn_rows(content: bytes) -> tuple[bytes, list[int]]:
    """Blank out the lines of a CSV that have another number of cells than the first, or repeat it.

    Returns the content, and the numbers of the lines with the wrong number of cells. Each row is a
    single line, so an error in a row, such as a missing quote, does not affect the next one. A
    table in another encoding or with another separator is returned unchanged.
    """
    lines = content.split(b"\n")
    expected = len(_cells_in(lines[0]))
    torn: list[int] = []
    if expected < 2:
        return content, torn
    for number, line in enumerate(lines[1:], start=2):
        cells = _cells_in(line)
        is_whole = len(cells) >= expected and not any(cells[expected:])
        if line.strip() and not is_whole:
            torn.append(number)
        if not is_whole or line == lines[0]:
            lines[number - 1] = b""
    return b"\n".join(lines), torn


def _cells_in(line: bytes) -> list[str]:
    """Return the cells in a line of a UTF-8 CSV, or none for any other line."""
    try:
        return next(csv.reader([line.decode().rstrip("\r")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return []


def select_answers(
    rows: Sequence[dict], model: str | None
) -> tuple[list[dict], dict[str, int], list[dict]]:
    """Return a model's answers, each image only once, from rows like those of `predict_each`.

    Also returns the number of ignored rows by reason, and the rows without a label.
    """
    whole = [row for row in rows if row["error"] != TORN]
    own = [row for row in whole if row["model"] == (model or "")]
    labelled = [row for row in own if row["label"]]
    once = list({row["pixels_sha256"]: row for row in reversed(labelled)}.values())[::-1]
    left_out = {
        TORN: len(rows) - len(whole),
        OTHER_MODEL: len(whole) - len(own),
        COPY: len(labelled) - len(once),
    }
    return once, left_out, [row for row in own if not row["label"]]
