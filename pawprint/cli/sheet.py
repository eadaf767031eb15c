"""A page of photos in one HTML file, which needs no other: the option `--sheet`."""

import argparse
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from PIL import Image

from pawprint.core.files import write_text
from pawprint.reports.pages.rendering import data_uri, fill

TEMPLATE = Path(__file__).with_suffix(".html")
SIDE = 320  # pixels of a photo, at most; twice those shown, for sharp screens


class Photo(NamedTuple):
    """A photo as `embedded` returns it, or "" without one; its label, and text after that."""

    picture: str
    path: str
    label: str
    text: str


def embedded(image: Image.Image) -> str:
    """A data URI of the image, which is reduced in place."""
    image.thumbnail((SIDE, SIDE))
    return data_uri(image)


def add_argument(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("--sheet", type=_page, metavar="FILE.html", help=help)


def _page(name: str) -> Path:
    if not name.endswith(".html"):  # not to replace a photo or a table by mistake
        raise argparse.ArgumentTypeError(f"expected FILE.html. Received: {name}")
    return Path(name).expanduser()  # no shell does this after --sheet=


def write_sheet(
    path: Path, title: str, groups: dict[str, list[Photo]], counts: pd.DataFrame | None = None
) -> None:
    """Write the photos below their headings, after a table of counts, whose index has classes."""
    write_text(path, fill(TEMPLATE, title=title, groups=groups, counts=counts))
