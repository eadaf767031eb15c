"""The commands of `pawprint`."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path


def add_sheet(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("--sheet", type=_page, metavar="FILE.html", help=help)


def aligned(rows: Iterable[Sequence[str]]) -> str:
    """Lines of a table whose columns begin at the same place."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _page(name: str) -> Path:
    if not name.endswith(".html"):  # not to replace a photo or a table by mistake
        raise argparse.ArgumentTypeError(f"expected FILE.html. Received: {name}")
    return Path(name).expanduser()  # no shell does this after --sheet=
