"""The commands of `pawprint`, one module each, and functions that they share.

Each module has a function `add_arguments`, which adds the command's arguments, and a function
`run`, which is the command. The docstring of `run` is the help text and ends with an example.
"""

import argparse
import contextlib
import io
import os
import signal
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pawprint import package, paths
from pawprint.errors import InputError, printable


def add_format(parser: argparse.ArgumentParser, formats: Iterable[str]) -> None:
    """Add --format and --output."""
    parser.add_argument(
        "--format",
        choices=formats,
        default="table",
        help="print in this format; default: %(default)s",
    )
    new = "write to this new file, in UTF-8; existing files are never replaced"
    parser.add_argument("--output", type=_file, metavar="FILE", help=new)


def add_model(parser: argparse.ArgumentParser, more: str = "", action: str = "store") -> None:
    """Add --model, with `more` after its help. With the action `append`, it can be repeated."""
    default = f"{paths.SERVED_MODEL} or, if missing, {package.EXAMPLE_MODEL}"
    served = f"use this served model or export; default: {default}{more}"
    parser.add_argument("--model", type=Path, metavar="FOLDER", help=served, action=action)


def add_sheet(parser: argparse.ArgumentParser, help: str) -> None:
    """Add --sheet, a page of photos."""
    parser.add_argument("--sheet", type=_page, metavar="FILE.html", help=help)


class RowStream(io.TextIOBase):
    """A stream of UTF-8 text, written as it is printed. A full disk leaves no partial row."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write the whole text, or nothing if that fails in a file. Raises OSError."""
        data = text.encode("utf-8", "backslashreplace")
        written = 0
        try:
            while written < len(data):
                written += os.write(self.descriptor, data[written:])
        except OSError as error:
            self.error = error
            if self.is_file and written:  # with `>>`, the position is only known after a write
                end = os.lseek(self.descriptor, 0, os.SEEK_CUR)
                os.ftruncate(self.descriptor, end - written)
            raise
        return len(text)


class Taken:
    """The number of rows that a command has taken before somebody stops it.

    With `needs_all`, the output needs all rows, so stopping ends the command.
    """

    def __init__(self, needs_all: bool) -> None:
        self.needs_all = needs_all
        self.done = 0
        self.total = 0
        self.signal: int | None = None

    def take(self, rows: Iterable[dict], total: int) -> Iterator[dict]:
        """Yield the rows for a number of images. Ctrl-C and SIGTERM stop it early."""
        self.done = 0
        self.total = total
        try:
            for row in rows:
                yield row
                self.done += 1  # the previous row has been written
        except KeyboardInterrupt:
            self.signal = self.signal or signal.SIGINT
            if self.needs_all or not self.done:
                raise

    def describe(self) -> str:
        """Return text such as " after 3 of 9 images", or "" if nothing was taken."""
        return f" after {self.done:,} of {self.total:,} images" if self.total else ""

    def terminate(self, number: int, _: object) -> None:
        """Handle a signal in the same way as Ctrl-C."""
        self.signal = number
        raise KeyboardInterrupt


@contextlib.contextmanager
def output(arguments: argparse.Namespace, needs_all: bool = False) -> Iterator[Taken]:
    """Redirect the output of the block to the file of --output, or to standard output.

    Except for a table on the terminal, everything is written as it is printed, in UTF-8. After
    Ctrl-C, SIGTERM or a write error, earlier rows are kept, and a message states how many images
    they cover. Raises InputError if the file exists, or if nothing can be written.
    """
    taken = Taken(needs_all)
    path = arguments.output
    rows = _open_rows(path, arguments.format)
    handler = signal.signal(signal.SIGTERM, taken.terminate)
    try:
        with contextlib.redirect_stdout(rows) if rows else contextlib.nullcontext():
            yield taken
        if taken.signal:
            raise KeyboardInterrupt
    except BrokenPipeError:
        raise
    except OSError as error:
        if not rows or error is not rows.error:
            raise
        raise InputError(
            f"cannot write {printable(str(path or 'standard output'))}: "
            f"{error.strerror}{taken.describe()}."
        ) from None
    except KeyboardInterrupt:
        if taken.signal != signal.SIGTERM:
            raise KeyboardInterrupt(taken.describe()) from None
        print(f"\n{arguments.command}: terminated{taken.describe()}", file=sys.stderr)
        raise SystemExit(128 + signal.SIGTERM) from None
    finally:
        signal.signal(signal.SIGTERM, handler)
        if path and rows:
            _close(rows, path)


def _open_rows(path: Path | None, form: str) -> RowStream | None:
    """Open the file of --output or standard output. Return None for a table on the terminal."""
    if path:
        return RowStream(_open_new(path))
    if form == "table":
        return None
    if sys.__stdout__ is None:
        raise InputError(
            "cannot write to standard output: it is closed. Write to a file with --output."
        )
    sys.stdout.flush()
    return RowStream(sys.stdout.fileno())


def _close(rows: RowStream, path: Path) -> None:
    """Close the file of --output and remove it if it is empty."""
    is_empty = rows.is_file and not os.fstat(rows.descriptor).st_size
    os.close(rows.descriptor)
    if is_empty:
        path.unlink()


def _open_new(path: Path) -> int:
    is_special = path.exists() and not path.is_file()  # for example, /dev/null or a named pipe
    flags = os.O_WRONLY if is_special else os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise InputError(
            f"{printable(str(path))}: cannot create this file for --output: {error.strerror}. "
            "Choose another file."
        ) from None


def align(rows: Iterable[Sequence[str]]) -> str:
    """Return the lines of a table with aligned columns."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def require_existing(path: Path) -> None:
    """Raise InputError if nothing exists at a path."""
    if not path.exists():
        raise InputError(f"{printable(str(path))}: no such file or folder. Check the path.")


def count(text: str) -> int:
    """Return the number in an argument, at least 1. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more. Received: {printable(text)}")
    return int(text)


def _page(name: str) -> Path:
    if not name.endswith(".html"):  # prevent replacing a photo or a table by mistake
        raise argparse.ArgumentTypeError(f"expected FILE.html. Received: {name}")
    return _file(name)


def _file(name: str) -> Path:
    return Path(name).expanduser()  # the shell does not expand ~ after --sheet=
