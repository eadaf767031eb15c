"""What the stages wrote, read again only when a file has changed."""

from pathlib import Path
from typing import Any

import streamlit as st

from app.messages import NotHereError
from pawprint.core.errors import InputError
from pawprint.core.files import read_csv, read_json

Stamp = tuple[int, int]


def stamp(path: Path) -> Stamp:
    """What changes when the file does. Raises NotHereError if there is none."""
    try:
        status = path.stat()
    except OSError:
        raise NotHereError(path) from None
    return status.st_mtime_ns, status.st_size


def record(path: Path, key: str) -> Any:
    """What a JSON file holds under a key. Raises InputError."""
    found = _record(path, stamp(path))
    if key not in found:
        raise InputError(f"{path}: expected the key {key}, which is missing. Run `dvc repro`.")
    return found[key]


def table(path: Path, /, **columns: type) -> list[dict[str, Any]]:
    """The rows of a CSV file with these columns, each of its type. Raises InputError."""
    return _table(path, columns, stamp(path))


def typed(path: Path, rows: list[dict[str, str]], columns: dict[str, type]) -> list[dict[str, Any]]:
    """These columns of the rows of a CSV file, each of its type. Raises InputError."""
    try:
        return [{name: kind(row[name]) for name, kind in columns.items()} for row in rows]
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{path}: expected the columns {', '.join(columns)}. Received: {error}. "
            "Run `dvc repro`."
        ) from None


@st.cache_data(max_entries=16, show_spinner=False)
def _record(path: Path, stamp: Stamp) -> dict:
    return read_json(path)


@st.cache_data(max_entries=16, show_spinner=False)
def _table(path: Path, columns: dict[str, type], stamp: Stamp) -> list[dict[str, Any]]:
    return typed(path, read_csv(path), columns)
