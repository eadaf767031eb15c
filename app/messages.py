"""What the app says when something is missing or wrong: a sentence, never a traceback."""

import contextlib
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from pawprint.core.errors import InputError, printable


class NotHereError(InputError):
    """A file that a stage writes and that is not in the workspace."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"`{path.as_posix()}` is not here. `dvc pull` fetches it if somebody pushed it; "
            "`dvc repro` makes it."
        )


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Show an error raised inside where it was raised; what comes after it is shown as usual."""
    try:
        yield
    except NotHereError as error:
        st.info(str(error), icon=":material/download:")
    except InputError as error:
        st.warning(literal(str(error)), icon=":material/error:")
    except Exception as error:
        traceback.print_exc()
        st.error(
            f"This cannot be shown ({type(error).__name__}). The terminal in which `make app` runs "
            "says more.",
            icon=":material/error:",
        )


def literal(text: str) -> str:
    """The text such that Markdown shows it as it is: names of files come from strangers.

    What is escaped would still become a link, so addresses get a character without width.
    """
    unlinked = re.sub(r"(?<=:)(?=//)|(?<=@)|(?<=www)(?=\.)", "\u2060", printable(text))
    return re.sub(r"([!-/:-@[-`{-~])", r"\\\1", unlinked)
