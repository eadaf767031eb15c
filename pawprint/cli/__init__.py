"""The commands of `pawprint`.

`run_NAME` is the command of this name, and its docstring the help; `add_NAME` adds its arguments.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from pawprint import package, project
from pawprint.errors import InputError, printable
from pawprint.git import try_git


def add_format(parser: argparse.ArgumentParser, formats: Iterable[str]) -> None:
    parser.add_argument(
        "--format", choices=formats, default="table", help="of the output; default: %(default)s"
    )


def add_model(parser: argparse.ArgumentParser, more: str = "", **options: str) -> None:
    default = f"{project.SERVED_MODEL} or, if there is none, {package.EXAMPLE_MODEL}"
    served = f"the served model or an export; default: {default}{more}"
    parser.add_argument("--model", type=Path, metavar="FOLDER", help=served, **options)


def add_sheet(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("--sheet", type=_page, metavar="FILE.html", help=help)


def align(rows: Iterable[Sequence[str]]) -> str:
    """Lines of a table whose columns begin at the same place."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def require_committed() -> None:
    if try_git("status", "--porcelain", "--", project.PARAMS.name) != "":
        raise InputError(
            "params.yaml: expected a file without uncommitted changes, which would be lost. "
            "Commit it first."
        )


def require_existing(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{printable(str(path))}: expected a file or folder. Received: none.")


def count(text: str) -> int:
    """An argument that is a number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more. Received: {printable(text)}")
    return int(text)


def _page(name: str) -> Path:
    if not name.endswith(".html"):  # not to replace a photo or a table by mistake
        raise argparse.ArgumentTypeError(f"expected FILE.html. Received: {name}")
    return Path(name).expanduser()  # no shell does this after --sheet=
