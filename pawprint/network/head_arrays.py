"""The file of a trained head: the arrays of its layers, in the order of Keras' `get_weights`."""

import io
import zipfile
from pathlib import Path

import numpy as np

from pawprint.core.errors import InputError, reason
from pawprint.core.files import pack, replacing


def write_head(path: Path, arrays: list[np.ndarray]) -> None:
    """Write a .npz file with the same bytes for the same arrays; they are named 0, 1, …"""
    members = []
    for number, array in enumerate(arrays):
        content = io.BytesIO()
        np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
        members.append((f"{number}.npy", content.getvalue()))
    with replacing(path) as partial:
        pack(partial, members)


def read_head(path: Path) -> list[np.ndarray]:
    """The arrays that `write_head` wrote. Raises InputError if they are missing or damaged."""
    try:
        with np.load(path) as arrays:
            return [arrays[str(number)] for number in range(len(arrays.files))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: expected the arrays of a head. Received: {reason(error)}. Run `dvc repro`."
        ) from None
