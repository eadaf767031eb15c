"""Errors as one sentence on the page; a traceback goes to the terminal."""

import contextlib
import re
import traceback
from collections.abc import Iterator

import streamlit as st

from pawprint.errors import InputError, printable
from pawprint.images.archive import UnusableImageError
from pawprint.images.decoder import FORMATS


@contextlib.contextmanager
def explain_errors() -> Iterator[None]:
    """Show an error of the block in its place; the rest of the page is shown as usual."""
    try:
        yield
    except InputError as error:
        text = str(error).replace("`dvc repro`", "`dvc repro` (the page Run)")
        st.warning("  \n".join(map(plain, text.splitlines())))
    except UnusableImageError as error:
        st.warning(
            f"This file cannot be used: {plain(str(error))}. Expected a whole "
            f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        )
    except Exception as error:
        traceback.print_exc()
        if isinstance(error, OSError) and error.filename:
            reason = f"{error.filename}: expected to read or write it. Received: {error.strerror}."
            st.warning(plain(f"{reason} Check the path and its permissions."))
            return
        st.error(
            f"Unexpected error ({type(error).__name__}). The terminal of `pawprint app` shows the "
            "traceback."
        )


def plain(text: str) -> str:
    """The text, escaped so that Markdown shows it unchanged. Names of files are untrusted.

    Escaping does not keep an address from becoming a link; a zero-width character does.
    """
    unlinked = re.sub(r"(?<=:)(?=//)|(?<=@)|(?<=www)(?=\.)", "\u2060", printable(text))
    return re.sub(r"([!-/:-@[-`{-~])", r"\\\1", unlinked)
