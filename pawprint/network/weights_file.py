"""Check the weights file that params.yaml specifies, hash weights, and read PyTorch's tensors."""

import hashlib
import os
import pickle
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pawprint.base.errors import InputError, without_secrets
from pawprint.base.files import digest, pointer_at
from pawprint.pipeline.params.model import Weights

FILE = "imagenet, none or a path to a file"  # the expected values of the source


def require_file(path: Path, sha256: str | None, source: str, expected: str) -> None:
    """Raise InputError if the file `source` is missing or its hash does not match."""
    if found := pointer_at(path):
        raise InputError(f"weights.source: {source}: expected {expected}. Received: {found}.")
    if not path.is_file():
        raise InputError(
            f"weights.source: expected {expected}. Received: {without_secrets(source)!r}, which is "
            "not a file."
        )
    verify(sha256, digest(path), source)


def onnx_file(weights: Weights) -> Path:
    """Return the path of the ONNX file for these weights, downloading it if they have a URL.

    Raises InputError if it is missing or its hash does not match.
    """
    source = weights.source
    sha256 = weights.sha256
    path = Path(source)
    if "://" in source:
        from pawprint.base.download import download  # slow, and few sources are URLs

        path = download(source, sha256, "weights.source")
    expected = "the path or URL of a file, because model.backbone is onnx"
    require_file(path, sha256, source, expected)
    return path


def arrays_sha256(arrays: Iterable[np.ndarray]) -> str:
    """Return the hash of weights: float32 values, little-endian, one array after another.

    Order and axes are the same as in Keras, so the hash does not depend on the layout of a file or
    on the version of Keras.
    """
    found = hashlib.sha256()
    for array in arrays:
        found.update(array.astype("<f4").tobytes())
    return found.hexdigest()


def verify(expected: str | None, actual: str, name: str) -> None:
    """Raise InputError if the hash of the weights called `name` is not the expected one."""
    if expected != actual:
        raise InputError(
            f"weights.sha256: expected the hash of {name}. Received: {expected or 'null'}, but the "
            f"actual hash is {actual}. Set this hash if these are the right weights."
        )


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
