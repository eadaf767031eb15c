"""Read a file of tensors from PyTorch before 1.6, without PyTorch."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO

import numpy as np

DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Unpickler(pickle.Unpickler):
    """An unpickler for tensors. `storages` maps the key of each storage to its type and length."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, tuple[str, int]] = {}

    def find_class(self, module: str, name: str) -> object:
        """Return the replacement for a name. Only the names in a dict of tensors are known."""
        known = {"OrderedDict": OrderedDict, "_rebuild_tensor_v2": _arguments, **DTYPES}
        return known[name]

    def persistent_load(self, identifier: tuple) -> str:
        """Return the key of a storage."""
        _, dtype, key, _, length, _ = identifier
        self.storages[key] = dtype, length
        return key


def _arguments(*arguments: object) -> tuple:
    return arguments


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays in a file from PyTorch before 1.6, keyed by name, without PyTorch.

    The file must be trusted: nothing in it can run code, but it is not checked for errors.
    """
    with path.open("rb") as file:
        unpickler = _Unpickler(file)
        # The first three describe the format.
        *_, tensors, keys = (unpickler.load() for _ in range(5))
        storages = {}
        for key in keys:
            dtype, length = unpickler.storages[key]
            file.seek(8, os.SEEK_CUR)  # skip the length, which is repeated
            storages[key] = np.fromfile(file, dtype, length)
    arrays = {}
    for name, (key, _, sizes, strides, *_) in tensors.items():
        numbers = storages[key]
        steps = [stride * numbers.itemsize for stride in strides]
        arrays[name] = np.lib.stride_tricks.as_strided(numbers, sizes, steps)
    return arrays
