"""Files that stages write, read again only when they change."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app.messages import MissingFileError
from pawprint.core.errors import InputError
from pawprint.core.files import read_json
from pawprint.core.tables import Columns, read_table

Stamp = tuple[tuple[int, int], ...]


def stamp(path: Path) -> Stamp:
    """Modification time in ns and size in bytes of a file, or of each file of a folder.

    Raises MissingFileError.
    """
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        return tuple((status.st_mtime_ns, status.st_size) for status in map(Path.stat, files))
    except OSError:
        raise MissingFileError(path) from None


def record(path: Path, key: str) -> Any:
    """The value of a key of a JSON file. Raises InputError."""
    found = _record(path, stamp(path))
    if key not in found:
        raise InputError(f"{path}: expected the key {key}. Received: none. Run `dvc repro`.")
    return found[key]


def table(path: Path, columns: Columns) -> pd.DataFrame:
    """The rows of a CSV file with these columns. Raises InputError."""
    return _table(path, columns, stamp(path))


@st.cache_data(max_entries=16, show_spinner=False)
def _record(path: Path, stamp: Stamp) -> dict:
    return read_json(path)


@st.cache_data(max_entries=16, show_spinner=False)
def _table(path: Path, columns: Columns, stamp: Stamp) -> pd.DataFrame:
    return read_table(path, columns)
