"""The log of a service, a table of answers: how it is written, and read by `pawprint score`."""

import contextlib
import csv
import errno
import io
import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from unicodedata import normalize

from pawprint.classes import UNKNOWN, UNSURE
from pawprint.dataset.user_tables import csv_rows
from pawprint.errors import InputError, printable
from pawprint.files import detach
from pawprint.named_file import read_bytes

HAS_LOCKS = os.name == "posix"
if HAS_LOCKS:
    import fcntl

STDOUT = ("-", "/dev/stdout")
IDENTITY = re.compile("[0-9a-f]{16}")  # of a model
# Why rows of a table do not count.
TORN = "of rows that are not whole"
OTHER_MODEL = "of another model"
COPY = "copies"


class AnswerLog:
    """A table to which threads and processes append rows, each whole or not at all.

    A row has the identity of the model, so that a table may outlive it. Before each row the file is
    looked at, as `logging.handlers.WatchedFileHandler` does: one that was moved, truncated or is
    empty begins anew, with a header, and a row at the end that was cut is removed. Processes on
    Linux and macOS take turns by a lock. A pipe, a terminal or a device gets the header, then rows.
    """

    def __init__(self, path: Path, labels: list[str], model: str | None) -> None:
        """Open or make the table. Raises InputError if it cannot be, or is another table."""
        names = [f"probability_{label}" for label in labels]
        columns = ["time", "pixels_sha256", "label", *names, "unknown_score", "model"]
        self._path = path
        self._model = model
        self._columns = len(columns)
        self._header = line_of(columns)
        self._lock = threading.Lock()
        self._file: io.FileIO | None = None
        self._is_stream = False
        try:
            self._append(b"")
        except OSError as error:
            raise InputError(
                f"{printable(str(path))}: expected a table to append to. Received: "
                f"{error.strerror}."
            ) from None

    def append(self, sha256: str, answer: dict) -> None:
        """Write a row: the time, the hash of an image, its answer and the model.

        Raises OSError, or InputError for another table; then the file has nothing of the row.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        numbers = *answer["probabilities"].values(), answer["unknown_score"]
        self._append(line_of([time, sha256, answer["label"], *numbers, self._model]))

    def _append(self, row: bytes) -> None:
        with self._lock:
            try:
                if self._file is None or self._is_moved(self._file):
                    self._close()
                    self._file = self._open()
                    if self._is_stream:
                        self._write(self._file, self._header)
                with locked(self._file):
                    if not self._is_stream:
                        self._mend(self._file)
                    self._write(self._file, row)
            except BaseException:
                self._close()  # the next row opens the file anew
                raise

    def _open(self) -> io.FileIO:
        if str(self._path) in STDOUT:  # a socket, as of some containers, cannot be opened
            self._is_stream = True
            return io.FileIO(os.dup(1), "w")
        self._is_stream = self._path.exists() and not self._path.is_file()
        if not self._is_stream:
            detach(self._path)
            return io.FileIO(self._path, "a+")
        try:  # not waiting for the reader of a pipe
            descriptor = os.open(self._path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise OSError(error.errno, "a pipe that nothing reads. Start its reader") from None
            raise
        os.set_blocking(descriptor, True)
        return io.FileIO(descriptor, "w")

    def _close(self) -> None:
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file = None

    def _is_moved(self, file: io.FileIO) -> bool:
        if str(self._path) in STDOUT:
            return False
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return True

    def _mend(self, file: io.FileIO) -> None:
        """Write the header of an empty file, and end the last row, or remove it if it was cut."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        first = file.read(len(self._header))
        if first == self._header:
            if last := last_line(file, size):
                cells = next(csv.reader([last.decode(errors="replace")]))
                if len(cells) == self._columns and IDENTITY.fullmatch(cells[-1]):
                    self._write(file, b"\n")
                else:
                    file.truncate(size - len(last))
        elif size == len(first) and self._header.startswith(first):
            file.truncate(0)
            self._write(file, self._header)
        else:
            raise InputError(
                f"{printable(str(self._path))}: expected the table of a model with these labels "
                "and the column model. Received: another file. Name a new file."
            )

    def _write(self, file: io.FileIO, data: bytes) -> None:
        """Write all bytes, or, of a file, none: a full disk may take a part of them."""
        size = 0 if self._is_stream else file.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            if not self._is_stream:
                file.truncate(size)
            raise


@contextlib.contextmanager
def locked(file: io.FileIO) -> Iterator[None]:
    """Keep other processes away from a file, where its system has such locks."""
    if HAS_LOCKS:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if HAS_LOCKS:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)


def last_line(file: io.FileIO, size: int) -> bytes:
    """Return what follows the last newline of a file of `size` bytes."""
    end = b""
    number = 1  # of bytes: mostly, the last one is a newline
    while len(end) < size and b"\n" not in end:
        start = max(0, size - number)
        file.seek(start)
        end = file.read(size - start)
        number *= 1024
    return end.rpartition(b"\n")[2]


def line_of(cells: Iterable[object]) -> bytes:
    """Return a row of a CSV file, in UTF-8."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def read_answers(path: Path, labels: Sequence[str], has_scores: bool) -> list[dict]:
    """Read a table that a service or `predict` wrote, in rows as of `predict_each`.

    With `has_scores` each has a number as `unknown_score`. A row that is not whole, as after a
    power failure, has no label and the error TORN. Raises InputError if it is another table, or one
    of other labels.
    """
    where = printable(str(path))
    try:
        content, torn = without_torn_rows(read_bytes(path))
    except OSError as error:
        raise InputError(
            f"{where}: expected a table that can be read. Received: {error.strerror}."
        ) from None
    names = [f"probability_{label}" for label in labels]
    if has_scores:
        names.append("unknown_score")
    names = [normalize("NFC", name.lower()) for name in names]
    rows: list[dict] = [
        {"path": f"line {line}", "label": "", "error": TORN, "model": ""} for line in torn
    ]
    for line, cells in csv_rows(content, where, ("label", *names, "pixels_sha256", "model")):
        label = cells["label"]
        numbers = [_number(cells[name]) for name in names]
        are_right = all(0 <= number <= 1 for number in numbers[: len(labels)])
        are_right &= numbers[-1] == numbers[-1]  # no NaN
        if label and not (are_right and label in (*labels, UNSURE, UNKNOWN)):
            raise InputError(
                f"{where}: line {line}: expected a label of {', '.join(labels)}, {UNSURE} or "
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


def _number(cell: str) -> float:
    """Return the number in a cell, NaN if there is none."""
    try:
        return float(cell.replace(",", "."))  # as spreadsheets in many languages write it
    except ValueError:
        return nan


def without_torn_rows(content: bytes) -> tuple[bytes, list[int]]:
    """Empty the lines of a CSV that have fewer or more cells than the first, or repeat it.

    Returns the content and the numbers of the lines with other cells. Each row is on a line of its
    own, so that what one of them lacks, such as a quote, is not looked for in the next. A table in
    another encoding, or with another separator, is returned as it is.
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
    """Return the cells in a line of a CSV in UTF-8, none if it is another line."""
    try:
        return next(csv.reader([line.decode().rstrip("\r")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return []


def select_answers(
    rows: Sequence[dict], model: str | None
) -> tuple[list[dict], dict[str, int], list[dict]]:
    """Return the answers of a model, each image once, of rows as of `predict_each`.

    With them come the numbers of rows that do not count, by reason, and the rows without a label.
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
