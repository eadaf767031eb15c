"""The commands of `pawprint`."""

import argparse
from pathlib import Path


def add_sheet(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("--sheet", type=_page, metavar="FILE.html", help=help)


def _page(name: str) -> Path:
    if not name.endswith(".html"):  # not to replace a photo or a table by mistake
        raise argparse.ArgumentTypeError(f"expected FILE.html. Received: {name}")
    return Path(name).expanduser()  # no shell does this after --sheet=
