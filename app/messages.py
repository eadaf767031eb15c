"""Errors as one sentence on the page; a traceback goes to the terminal."""

import contextlib
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from pawprint.core.errors import InputError, printable


class MissingFileError(InputError):
    """A file that a stage writes is not in the workspace."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"`{path.as_posix()}` is missing. Run `dvc pull` to fetch it from the remote, or "
            "`dvc repro` to make it."
        )


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Show an error of the block in its place; the rest of the page is shown as usual."""
    try:
        yield
    except MissingFileError as error:
        st.info(str(error), icon=":material/download:")
    except InputError as error:
        lines = map(literal, str(error).splitlines())
        st.warning("  \n".join(lines), icon=":material/error:")
    except Exception as error:
        traceback.print_exc()
        st.error(
            f"Unexpected error ({type(error).__name__}). The terminal of `make app` shows the "
            "traceback.",
            icon=":material/error:",
        )


def literal(text: str) -> str:
    """The text, escaped so that Markdown shows it unchanged. Names of files are untrusted.

    Escaping does not keep an address from becoming a link; a zero-width character does.
    """
    unlinked = re.sub(r"(?<=:)(?=//)|(?<=@)|(?<=www)(?=\.)", "\u2060", printable(text))
    return re.sub(r"([!-/:-@[-`{-~])", r"\\\1", unlinked)
