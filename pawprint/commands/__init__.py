"""The commands of `pawprint`, one module each, and functions that they share.

Each module has a function `add_arguments`, which adds the command's arguments, and a function
`run`, which is the command. The docstring of `run` is the help text and ends with an example.
"""

import argparse
import contextlib
import io
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

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


class Taken:
    """The number of rows that a command has taken before somebody stops it, and if any failed.

    With `needs_all`, the output needs all rows, so stopping ends the command.
    """

    def __init__(self, needs_all: bool) -> None:
        self.needs_all = needs_all
        self.done = 0
        self.total = 0
        self.has_errors = False
        self.is_stopped = False

    def take(self, rows: Iterable[dict], total: int) -> Iterator[dict]:
        """Yield the rows for a number of images. Ctrl-C and SIGTERM stop it early."""
        self.done = 0
        self.total = total
        try:
            for row in rows:
                self.has_errors |= bool(row["error"])
                yield row
                self.done += 1  # the previous row has been written
        except KeyboardInterrupt:
            self.is_stopped = True
            if self.needs_all or not self.done:
                raise

    def describe(self) -> str:
        """Return text such as " after 3 of 9 images", or "" if nothing was taken."""
        return f" after {self.done:,} of {self.total:,} images" if self.total else ""


@contextlib.contextmanager
def output(arguments: argparse.Namespace, needs_all: bool = False) -> Iterator[Taken]:
    """Redirect the output of the block to the file of --output, or to standard output.

    Except for a table on the terminal, each line is written as it is printed, in UTF-8. After
    Ctrl-C, SIGTERM or a write error, earlier rows are kept, and a message states how many images
    they cover. Raises InputError if the file exists, or if nothing can be written.
    """
    taken = Taken(needs_all)
    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        rows = _rows_of(arguments.output, arguments.format)
        with rows as stream, contextlib.redirect_stdout(stream):
            yield taken
        if taken.is_stopped:
            raise KeyboardInterrupt
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:  # a file that the command reads
            raise
        name = printable(str(arguments.output or "standard output"))
        raise InputError(f"cannot write {name}: {error.strerror}{taken.describe()}.") from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(taken.describe()) from None
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _rows_of(path: Path | None, form: str) -> Iterator[TextIO]:
    """Open the file of --output, which is removed if it remains empty, or standard output."""
    if path is None:
        if form != "table" and sys.__stdout__ is None:
            raise InputError(
                "cannot write to standard output: it is closed. Write to a file with --output."
            )
        if form != "table" and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n", line_buffering=True)
        yield sys.stdout
        return
    is_special = path.exists() and not path.is_file()  # for example, /dev/null or a named pipe
    try:
        file = path.open("w" if is_special else "x", 1, "utf-8", "backslashreplace", "\n")
    except OSError as error:
        raise InputError(
            f"{printable(str(path))}: cannot create this file for --output: {error.strerror}. "
            "Choose another file."
        ) from None
    try:
        with file:
            yield file
    finally:
        if path.is_file() and not path.stat().st_size:
            path.unlink()


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
