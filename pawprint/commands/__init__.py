"""The commands of `pawprint`, one module each, and functions that they share.

Each module has a function `add_arguments`, which adds the command's arguments, and a function
`run`, which is the command. The docstring of `run` is the help text and ends with an example.
"""

import argparse
import contextlib
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from pawprint.base import package, paths
from pawprint.base.errors import printable
from pawprint.base.files import writing

TABLE = "table"  # the format for people
BY_ROW = ("csv", "jsonl")  # formats that write each row as soon as it is ready


def add_format(parser: argparse.ArgumentParser, formats: Iterable[str]) -> None:
    """Add --format and --output."""
    parser.add_argument(
        "--format",
        choices=formats,
        default=TABLE,
        help="print in this format; default: %(default)s",
    )
    new = "write to this new file, in UTF-8; existing files are never replaced"
    parser.add_argument("--output", type=_new_file, metavar="FILE", help=new)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model."""
    default = f"{paths.SERVED_MODEL} or, if missing, {package.EXAMPLE_MODEL}"
    served = f"use this served model or export; default: {default}"
    parser.add_argument("--model", type=Path, metavar="FOLDER", help=served)


def add_threshold(parser: argparse.ArgumentParser) -> None:
    """Add --threshold."""
    least = "use boxes with at least this confidence; default: what the JSON calls typical for its "
    least += "detector, or 0.2 in MegaDetector's format"
    parser.add_argument("--threshold", type=float, metavar="P", help=least)


@contextlib.contextmanager
def open_output(path: Path | None, form: str) -> Iterator[TextIO]:
    """Create the file of --output, or return standard output, for text in a format.

    Each line is written as soon as it is printed, in UTF-8; only a table on standard output has the
    terminal's encoding. If the block fails, a file of rows that are complete one by one is kept.
    Raises InputError if the file exists or cannot be written.
    """
    if path is None:
        if form != TABLE and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(
                encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True
            )
        yield sys.stdout
        return
    with writing(path):
        opened = path.open("x", 1, encoding="utf-8", newline="\n")
        try:
            with opened as file:
                yield file
        except BaseException:
            if form not in BY_ROW or not path.stat().st_size:
                path.unlink()
            raise


def align(rows: Iterable[Sequence[str]]) -> str:
    """Return the lines of a table with aligned columns."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def count(text: str) -> int:
    """Return the number in an argument, at least 1. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more. Received: {printable(text)}")
    return int(text)


def _new_file(name: str) -> Path:
    path = Path(name).expanduser()  # the shell does not expand ~ after --output=
    if path.exists():
        raise argparse.ArgumentTypeError(f"{printable(name)} exists. Choose another file")
    return path
