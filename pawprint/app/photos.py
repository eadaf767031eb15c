"""Provide parts that pages share: photos of the last run, and errors as a single sentence.

Cached values are read again when one of their files changes. Pages embed photos as data URIs:
whenever a script run ends, Streamlit deletes the files of a page that is being redrawn, so a
browser that has not loaded them yet could not show them.
"""

import contextlib
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import streamlit as st
from PIL import Image, ImageOps

from pawprint.app import HERE
from pawprint.artifacts import open_photos
from pawprint.base import paths
from pawprint.base.errors import InputError, one_of, printable
from pawprint.base.files import stamps
from pawprint.given.archive import Archive, UnusableImageError
from pawprint.given.decoding.formats import FORMATS
from pawprint.given.decoding.jpeg import decoded_side
from pawprint.given.reading import open_image
from pawprint.report.pages import data_uri


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


def show_tabs(parts: dict[str, Callable[[], None]], default: str | None) -> None:
    """Show parts of a page, keyed by title, as tabs. Only the open one is computed."""
    tabs = st.tabs(list(parts), default=default, key="tabs", on_change="rerun")
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

SQUARE = 308  # size of a photo in a page of photos, in pixels, for sharp displays
LARGE = 900  # maximum size of a large photo, in pixels
BACKGROUND = "#f3f5f7"


def large(name: str) -> str:
    """Return an image of the archive as a data URI. Raises InputError."""
    return shrunk(open_image(archive(), name, LARGE))


def shrunk(image: Image.Image) -> str:
    """Return an image as a data URI, at most LARGE pixels wide and high."""
    small = image.copy()
    small.thumbnail((LARGE, LARGE))
    return data_uri(small)


def archive() -> Archive:
    """Return the archive of the last run. Raises InputError."""
    return _archive(paths.RAW_ARCHIVES, paths.PARAMS)


@st.cache_resource(max_entries=1, show_spinner=False, hash_funcs=HASHED)
def _archive(*files: Path) -> Archive:
    return open_photos(HERE)


def square(name: str) -> str:
    """Return an image of the archive, padded to a square, as a data URI. Raises InputError."""
    return _square(name, paths.RAW_ARCHIVES, paths.PARAMS)


@st.cache_data(max_entries=4000, show_spinner=False, hash_funcs=HASHED)
def _square(name: str, *files: Path) -> str:
    image = open_image(archive(), name, decoded_side(SQUARE))
    return data_uri(ImageOps.pad(image, (SQUARE, SQUARE), color=BACKGROUND))
