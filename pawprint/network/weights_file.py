"""Check the weights file that params.yaml specifies, compute hashes of weights, and read them.

Files in the format of PyTorch before 1.6 are read without running code in them.
"""

import hashlib
import io
import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pawprint.errors import InputError, reason, without_secrets
from pawprint.files import digest
from pawprint.images.pointers import pointer_at
from pawprint.named_file import read_bytes
from pawprint.params.model import Weights

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
        from pawprint.download import download  # slow, and few sources are URLs

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


MAGIC = 0x1950A86A20F9469CFC6C  # at the start of a file from PyTorch
PROTOCOL = 1001
DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Tensor(NamedTuple):
    """An array in a storage. Its offset and strides count numbers, not bytes."""

    storage: str
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle._Unpickler):
    """An unpickler for tensors. `storages` maps the key of each storage to its type and length.

    It is the pure Python unpickler, without the operation that creates a bytearray. That operation,
    like the unpickler in C, allocates as much memory as a number in the file demands.
    """

    dispatch = {  # noqa: RUF012 - pickle's own attribute
        opcode: load
        for opcode, load in pickle._Unpickler.dispatch.items()
        if opcode != pickle.BYTEARRAY8[0]
    }

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, tuple[str, int]] = {}

    def find_class(self, module: str, name: str) -> object:
        """Return a class that a pickle may use. Only those for a dict or a tensor are allowed."""
        known = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            **{f"torch.{storage}": dtype for storage, dtype in DTYPES.items()},
        }
        if f"{module}.{name}" not in known:
            raise ValueError(f"{module}.{name}, which is not part of an array")
        return known[f"{module}.{name}"]

    def persistent_load(self, identifier: tuple) -> str:
        """Return the key of a storage."""
        kind, dtype, key, _, length, view = identifier
        if kind != "storage" or dtype not in DTYPES.values() or view is not None:
            raise ValueError("a storage of another kind")
        self.storages[key] = dtype, length
        return key

    def _tensor(
        self, storage: str, offset: int, sizes: tuple, strides: tuple, *_: object
    ) -> _Tensor:
        return _Tensor(storage, offset, sizes, strides)


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Return a dict of float32 or int64 arrays from a file written by PyTorch before 1.6.

    The file contains pickles, which can normally run any code. This reader only accepts arrays: the
    only names that it resolves are an ordered dict, the function that creates an array, and two
    number types, and it runs no PyTorch code. Raises InputError if the file refers to anything
    else, is truncated, or declares sizes that do not match its data.
    """
    data = read_bytes(path)
    try:
        return _tensors_in(io.BytesIO(data))
    except Exception as error:  # unpickling a damaged file may raise any exception
        raise InputError(
            f"{path}: expected arrays as PyTorch before 1.6 wrote them. Received: {reason(error)}"
        ) from None


def _tensors_in(stream: io.BytesIO) -> dict[str, np.ndarray]:
    unpickler = _Unpickler(stream)
    if unpickler.load() != MAGIC or unpickler.load() != PROTOCOL:
        raise ValueError("another format")
    if not unpickler.load()["little_endian"]:
        raise ValueError("numbers in another byte order")
    tensors = unpickler.load()
    keys = unpickler.load()
    storages = {}
    for key in keys:
        dtype, length = unpickler.storages[key]
        (written,) = struct.unpack("<q", stream.read(8))
        if written != length:
            raise ValueError(f"a storage with {written} numbers, although {length} are declared")
        numbers = stream.read(length * np.dtype(dtype).itemsize)
        storages[key] = np.frombuffer(numbers, dtype)
        if len(storages[key]) != length:
            raise ValueError("a truncated file")
    if stream.read(1):
        raise ValueError("extra bytes after the arrays")
    return {name: _array(tensor, storages) for name, tensor in tensors.items()}


def _array(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    """Return a view of the numbers in a storage, after checking that all of them lie inside it."""
    numbers = storages[tensor.storage]
    sizes = tensor.sizes
    strides = tensor.strides
    if not _are_counts(tensor.offset, *sizes, *strides) or len(sizes) != len(strides):
        raise ValueError("sizes or strides that are not whole numbers")
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(sizes, strides))
    if 0 in sizes or last >= len(numbers) or math.prod(sizes) > len(numbers):
        raise ValueError(f"an array of shape {sizes} in a storage with {len(numbers)} numbers")
    steps = [stride * numbers.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], sizes, steps, writeable=False)


def _are_counts(*values: object) -> bool:
    return all(type(value) is int and value >= 0 for value in values)
