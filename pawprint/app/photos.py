"""Provide parts that pages share: photos of the last run, and errors as a single sentence.

Photos are shown in grids, and a single photo can be enlarged in a dialog, with its saliency. Cached
values are read again when one of their files changes. Pages embed photos as data URIs: whenever a
script run ends, Streamlit deletes the files of a page that is being redrawn, so a browser that has
not loaded them yet could not show them.
"""

import contextlib
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image, ImageOps

from pawprint import paths
from pawprint.columns import SPLIT
from pawprint.decoding.formats import FORMATS
from pawprint.decoding.jpeg import decoded_side
from pawprint.errors import InputError, name_in_folder, one_of, printable
from pawprint.files import stamps
from pawprint.images.archive import Archive, UnusableImageError, open_archive
from pawprint.images.reading import open_image
from pawprint.model.predictor import Predictor, default_model, load_predictor
from pawprint.model.saliency import Explainer, explainer, saliency_of
from pawprint.params.data import Clean
from pawprint.reports.pages import data_uri
from pawprint.scores.prediction_table import with_image
from pawprint.tables import read_table


@contextlib.contextmanager
def explain_errors() -> Iterator[None]:
    """Show an error in place of the block; the rest of the page is shown as usual."""
    try:
        yield
    except UnusableImageError as error:
        st.warning(
            f"cannot use this file: {plain(str(error))}. Choose a complete {one_of(FORMATS)}."
        )
    except InputError as error:
        text = str(error).replace("`dvc repro`", "`dvc repro` (the Run page)")
        st.warning("  \n".join(map(message, text.splitlines())))
    except Exception as error:
        traceback.print_exc()
        if isinstance(error, OSError) and error.filename:
            reason = f"cannot read or write {error.filename}: {error.strerror}."
            st.warning(plain(f"{reason} Check the path and its permissions."))
            return
        st.error(
            f"Unexpected error ({type(error).__name__}). The terminal of `pawprint app` shows the "
            "traceback."
        )


def show_tabs(parts: dict[str, Callable[[], None]], key: str, default: str | None = None) -> None:
    """Show parts of a page, keyed by title, as tabs. Only the open one is computed."""
    tabs = st.tabs(list(parts), default=default, key=key, on_change="rerun")
    for tab, part in zip(tabs, parts.values()):
        if tab.open:
            with tab, explain_errors():
                part()


def plain(text: str) -> str:
    """Escape text so that Markdown shows it unchanged, because names are untrusted.

    An address would become a link even if it is escaped, so a zero-width character is inserted.
    """
    unlinked = re.sub(r"(?<=:)(?=//)|(?<=@)|(?<=www)(?=\.)", "\u2060", printable(text))
    return re.sub(r"([!-/:-@[-`{-~])", r"\\\1", unlinked)


def message(text: str) -> str:
    """Return a message for Markdown: `commands` and `files` as code, everything else as `plain`."""
    parts = re.split(r"(`[^`]+`)", printable(text))
    return "".join(part if number % 2 else plain(part) for number, part in enumerate(parts))


# Streamlit's cache identifies a path by the state of its files.
HASHED: dict = {type(Path()): lambda path: str(stamps(path))}


def keep_present(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of images in the last run, with their current `path` and `pixels_sha256`.

    Images are identified by `pixels_sha256`, or by `image` in a PREDICTED_CLASSES table. Raises
    InputError.
    """
    images = with_image(read_table(paths.SPLIT_CSV, SPLIT)[["path", "pixels_sha256"]])
    key = "image" if "image" in rows else "pixels_sha256"
    return rows.drop(columns="path", errors="ignore").merge(images, on=key)


SALIENCY = "Brighter regions have more influence on the prediction."


def predictor() -> Predictor:
    """Return the served model, or the one in Git. Raises InputError if it is damaged."""
    return _predictor(default_model())


@st.cache_data(max_entries=200, show_spinner="Computing the saliency …", hash_funcs=HASHED)
def _saliency(image: np.ndarray, folder: Path) -> str:
    picture = saliency_of(_predictor(folder), Image.fromarray(image), _explainer(folder))
    return data_uri(Image.fromarray(picture))


@st.cache_resource(max_entries=1, show_spinner=False, hash_funcs=HASHED)
def _explainer(folder: Path) -> Explainer:
    return explainer(_predictor(folder))


@st.cache_resource(max_entries=1, show_spinner="Loading the model …", hash_funcs=HASHED)
def _predictor(folder: Path) -> Predictor:
    return load_predictor(folder)


CELL = 154  # size of a photo in a grid, in pixels; two fit side by side on a phone
SQUARE = 2 * CELL  # its size in the file, for sharp displays
PER_PAGE = 24
LARGE = 900  # maximum size of a large photo, in pixels
BACKGROUND = "#f3f5f7"


def grid(rows: pd.DataFrame, key: str, caption: Callable[[pd.Series], str]) -> pd.Series | None:
    """Show the photos at the `path` of each row, in pages. `caption` returns Markdown for a row.

    Returns the row that was clicked, or None.
    """
    clicked = None
    last = -(-len(rows) // PER_PAGE)
    page = st.pagination(last, key=f"pages-{key}-{last}") if last > 1 else 1
    on_page = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
    with st.container(horizontal=True, gap="small"):
        for index, (_, row) in enumerate(on_page.iterrows()):
            name = row["path"]
            with st.container(key=f"photo-{key}-{index}", width=CELL, gap="xxsmall"):
                with explain_errors():  # for example, a photo removed after the run
                    st.image(square(name), width="stretch", alt=name_in_folder(name))
                if st.button(caption(row), f"open-{key}-{index}", plain(name), type="tertiary"):
                    clicked = row
    return clicked


def open_large(name: str, text: str) -> None:
    """Open a dialog with an image, its saliency, and Markdown above them."""
    st.dialog(plain(name_in_folder(name)), width="large")(_show_large_photo)(name, text)


def _show_large_photo(name: str, text: str) -> None:
    with explain_errors():
        st.markdown(text)
        show_with_saliency(photo(name), name_in_folder(name))
        st.caption(plain(name))


def show_with_saliency(image: Image.Image, text: str) -> None:
    """Show an image, and next to it its saliency; `text` is the alternative text."""
    left, right = st.columns(2)
    with left:
        show_large(image, text)
    with right, explain_errors():
        picture = _saliency(np.asarray(image), default_model())
        st.image(picture, width="stretch", alt=f"Saliency of {text}", caption=SALIENCY)


def show_large(image: Image.Image, text: str) -> None:
    """Show an image as wide as its column; `text` is the alternative text."""
    small = image.copy()
    small.thumbnail((LARGE, LARGE))
    st.image(data_uri(small), width="stretch", alt=text)


def photo(name: str, side: int = LARGE) -> Image.Image:
    """Return an image of the archive, decoded with `side`. Raises InputError."""
    return open_image(archive(), name, side)


def archive() -> Archive:
    """Return the archive of the last run. Raises InputError."""
    return _archive(paths.RAW_ARCHIVES, Clean.load().bits)


@st.cache_resource(max_entries=1, show_spinner=False, hash_funcs=HASHED)
def _archive(folder: Path, bits: int | None) -> Archive:
    return open_archive(folder, bits)


def square(name: str) -> str:
    """Return a photo for a grid, as a data URI. Raises InputError."""
    return _square(name, paths.RAW_ARCHIVES, Clean.load().bits)


@st.cache_data(max_entries=4000, show_spinner=False, hash_funcs=HASHED)
def _square(name: str, folder: Path, bits: int | None) -> str:
    return padded(photo(name, decoded_side(SQUARE)))


def padded(image: Image.Image) -> str:
    """Return an image, padded to a square for a grid, as a data URI."""
    return data_uri(ImageOps.pad(image, (SQUARE, SQUARE), color=BACKGROUND))
