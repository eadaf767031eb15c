"""Photos, read from the archive and never unpacked: grids of them, and each one large."""

import io
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath

import streamlit as st
from PIL import Image, ImageOps

from app import files
from app.messages import literal
from pawprint.core import paths
from pawprint.images.archive import open_archive, read_member
from pawprint.images.decoder import decode, open_image
from pawprint.images.unusable import UnusableImageError

CELL = 154  # pixels of a photo in a grid: two beside each other on a phone
PER_PAGE = 24
LARGE = 900  # pixels of a photo alone, at most
BACKGROUND = "#f3f5f7"


def archive() -> zipfile.ZipFile:
    """Raises NotHereError, or InputError if it is no whole zip."""
    return _archive(files.stamp(paths.RAW_IMAGES))


def large(name: str) -> Image.Image:
    """The photo of a usable image, RGB. Raises InputError."""
    return shrunk(open_image(archive(), name))


def shrunk(image: Image.Image) -> Image.Image:
    image.thumbnail((LARGE, LARGE))
    return image


def grid(rows: list[dict], key: str, says: Callable[[dict], tuple[str, str | None]]) -> dict | None:
    """Photos of the rows by their `path`, page by page; the row of the one that was clicked.

    `says` gives the Markdown and the icon under each.
    """
    page = pages(len(rows), PER_PAGE, key)
    chosen = None
    with st.container(horizontal=True, gap="small"):
        for index, row in enumerate(rows[page]):
            if cell(row["path"], f"{key}-{index}", *says(row)):
                chosen = row
    return chosen


def cell(name: str, key: str, label: str, icon: str | None = None) -> bool:
    """A small photo over a button, and whether it was clicked. Raises NotHereError."""
    square = _square(name, files.stamp(paths.RAW_IMAGES))
    with st.container(key=f"photo-{key}", width=CELL, gap="xxsmall"):
        if square:
            st.image(square, width="stretch", alt=alt(name))
        else:
            st.caption(f"{literal(alt(name))} is not in the archive, or another image now.")
        return st.button(label, icon=icon, type="tertiary", key=f"open-{key}", disabled=not square)


def pages(number: int, per_page: int, key: str) -> slice:
    """A control for the pages, if there are several, and what is on the page that it shows."""
    last = -(-number // per_page)
    page = st.pagination(last, key=f"pages-{key}-{last}") if last > 1 else 1
    return slice((page - 1) * per_page, page * per_page)


def can_be_shown(name: str) -> bool:
    return _square(name, files.stamp(paths.RAW_IMAGES)) is not None


def alt(name: str) -> str:
    """What a photo is called where it cannot be seen: its file and the folder of that."""
    return "/".join(PurePosixPath(name).parts[-2:])


@st.cache_resource(max_entries=1, show_spinner=False)
def _archive(stamp: files.Stamp) -> zipfile.ZipFile:
    return open_archive(paths.RAW_IMAGES)


@st.cache_data(max_entries=4000, show_spinner=False)
def _square(name: str, stamp: files.Stamp) -> bytes | None:
    """A JPEG of the whole photo in a square, twice as many pixels as shown, for sharp screens.

    None if the archive holds no image of this name.
    """
    try:
        image = decode(read_member(archive(), name))
    except (KeyError, UnusableImageError):
        return None
    buffer = io.BytesIO()
    square = ImageOps.pad(image, (2 * CELL, 2 * CELL), color=BACKGROUND)
    square.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
