"""Photos, read from the archive: grids of them, and each one large in a dialog."""

import io
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pandas as pd
import streamlit as st
from PIL import Image, ImageOps

from app import files
from app.messages import explained, literal
from app.model import show_saliency
from pawprint.core import paths
from pawprint.images.archive import open_archive, read_member
from pawprint.images.decoder import decode, open_image
from pawprint.images.unusable import UnusableImageError

CELL = 154  # pixels of a photo in a grid; two fit side by side on a phone
PER_PAGE = 24
LARGE = 900  # pixels, at most, of a photo in the dialog
BACKGROUND = "#f3f5f7"


def archive() -> zipfile.ZipFile:
    """Raises MissingFileError, or InputError if it is not a whole zip."""
    return _archive(files.stamp(paths.RAW_IMAGES))


def shrunk(image: Image.Image) -> Image.Image:
    image.thumbnail((LARGE, LARGE))
    return image


def grid(rows: pd.DataFrame, key: str, caption: Callable[[Any], tuple[str, str | None]]) -> Any:
    """Photos of the rows by their `path`, in pages. Returns the row that was clicked, or None.

    Rows are named tuples. `caption` returns Markdown and an icon, or None, for a row.
    """
    page = pages(len(rows), PER_PAGE, key)
    chosen = None
    with st.container(horizontal=True, gap="small"):
        for index, row in enumerate(rows[page].itertuples()):
            if cell(row.path, f"{key}-{index}", *caption(row)):
                chosen = row
    return chosen


def cell(name: str, key: str, label: str, icon: str | None = None) -> bool:
    """A small photo with a button. Returns whether it was clicked. Raises MissingFileError."""
    square = _square(name, files.stamp(paths.RAW_IMAGES))
    with st.container(key=f"photo-{key}", width=CELL, gap="xxsmall"):
        if square:
            st.image(square, width="stretch", alt=alt(name))
        else:
            st.caption(f"{literal(alt(name))} is not an image of the archive. Run `dvc repro`.")
        return st.button(label, icon=icon, type="tertiary", key=f"open-{key}", disabled=not square)


def pages(number: int, per_page: int, key: str) -> slice:
    """A control for the pages, if there are several. Returns the positions on the page shown."""
    last = -(-number // per_page)
    page = st.pagination(last, key=f"pages-{key}-{last}") if last > 1 else 1
    return slice((page - 1) * per_page, page * per_page)


def open_large(name: str, text: str) -> None:
    """A dialog with a usable image, its saliency, and Markdown above them."""

    @st.dialog(literal(alt(name)), width="large")
    def dialog() -> None:
        with explained():
            st.markdown(text)
            image = shrunk(open_image(archive(), name))
            left, right = st.columns(2)
            left.image(image, width="stretch", alt=alt(name))
            with right, explained():
                show_saliency(image, alt(name))
            st.caption(literal(name))

    dialog()


def can_be_shown(name: str) -> bool:
    return _square(name, files.stamp(paths.RAW_IMAGES)) is not None


def alt(name: str) -> str:
    """The text alternative of a photo: its file name and folder."""
    return "/".join(PurePosixPath(name).parts[-2:])


@st.cache_resource(max_entries=1, show_spinner=False)
def _archive(stamp: files.Stamp) -> zipfile.ZipFile:
    return open_archive(paths.RAW_IMAGES)


@st.cache_data(max_entries=4000, show_spinner=False)
def _square(name: str, stamp: files.Stamp) -> bytes | None:
    """A JPEG of the photo, padded to a square, with twice the pixels shown, for sharp screens.

    None if the archive holds no usable image of this name.
    """
    try:
        image = decode(read_member(archive(), name))
    except (KeyError, UnusableImageError):
        return None
    buffer = io.BytesIO()
    square = ImageOps.pad(image, (2 * CELL, 2 * CELL), color=BACKGROUND)
    square.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
