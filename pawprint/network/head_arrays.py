"""The file of a trained head: the arrays of its layers, in the order of Keras' `get_weights`."""

import zipfile
from pathlib import Path

import numpy as np

from pawprint.core.errors import InputError, reason
from pawprint.core.files import replacing


def write_head(path: Path, arrays: list[np.ndarray]) -> None:
    """Write a .npz file with the same bytes for the same arrays; NumPy names them arr_0, …"""
    with replacing(path) as partial:
        np.savez(partial, *arrays)


def read_head(path: Path) -> list[np.ndarray]:
    """The arrays that `write_head` wrote. Raises InputError if they are missing or damaged."""
    try:
        with np.load(path) as arrays:
            return [arrays[f"arr_{number}"] for number in range(len(arrays.files))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: expected the arrays of a head. Received: {reason(error)}. Run `dvc repro`."
        ) from None
