"""The files of stored features: shards of rows.

A row holds the features of one view of one image. The leading bits of the image's `pixels_sha256`
choose the shard, so an added image changes one shard. `shard-N.npy` holds arrays of NumPy's format
one after another: the names and checksums of its columns, then the columns: `index`, which names
the rows, sorted by image and view, and a float16 array `(rows, …)` of each kind, "cut" and "top".
docs/decisions/19 has the reasons.
"""

import hashlib
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pawprint.core.errors import InputError, reason

IMAGES_PER_SHARD = 256  # at most, on average, up to MAX_SHARDS
MAX_SHARDS = 4096  # DVC takes a millisecond for each file of an output
# `transformation` maps pixels of the view to pixels of the image, as in images/augmentation.py.
INDEX = np.dtype([("pixels_sha256", "S64"), ("view", "<u4"), ("transformation", "<f8", (2, 3))])
COLUMNS = np.dtype([("name", "S16"), ("checksum", "S32")])


def count_shards(images: int) -> int:
    """The smallest power of two with at most IMAGES_PER_SHARD images in each shard, on average."""
    return min(1 << (max(images - 1, 0) // IMAGES_PER_SHARD).bit_length(), MAX_SHARDS)


def shard_of(pixels_sha256: Iterable[str], shards: int) -> np.ndarray:
    """int64: the shard of each image; `shards` is a power of two of at most 32 bits."""
    leading = [int(value[:8], 16) for value in pixels_sha256]
    return np.array(leading, np.int64) * shards >> 32


def shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number}.npy"


def write_shard(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Write the columns of a shard, `index` first.

    Two processes may write it at once: each one renames a file of its own.
    """
    partial = path.with_name(f".{uuid.uuid4().hex}.part")
    rows = [(name.encode(), _checksum(column)) for name, column in columns.items()]
    try:
        with partial.open("wb") as file:
            for array in (np.array(rows, COLUMNS), *columns.values()):
                header = np.lib.format.header_data_from_array_1_0(array)
                np.lib.format.write_array_header_1_0(file, header)
                file.write(array.tobytes())  # with np.save a full disk is no clear error
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class Shard:
    """A shard on disk, of which only the headers are read until a column is.

    Raises InputError if the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[str, tuple[int, tuple[int, ...], np.dtype, bytes]] = {}
        try:
            with path.open("rb") as file:
                for name, checksum in np.lib.format.read_array(file):
                    np.lib.format.read_magic(file)
                    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                    if min(shape) < 0:  # which NumPy would replace when it reads the column
                        raise ValueError(f"a column of shape {shape}")
                    self.places[name.decode()] = file.tell(), shape, dtype, checksum
                    file.seek(dtype.itemsize * int(np.prod(shape, dtype=np.int64)), os.SEEK_CUR)
        except Exception as error:  # NumPy raises anything for a damaged file
            raise self._damaged(reason(error)) from None

    def read(self, name: str) -> np.ndarray:
        """A whole column. Raises InputError if its checksum is wrong."""
        try:
            start, shape, dtype, checksum = self.places[name]
            with self.path.open("rb") as file:
                file.seek(start)
                column = np.fromfile(file, dtype, int(np.prod(shape))).reshape(shape)
            if _checksum(column) == checksum:
                return column
        except Exception as error:
            raise self._damaged(reason(error)) from None
        raise self._damaged("others")

    def _damaged(self, received: str) -> InputError:
        return InputError(
            f"{self.path}: expected the bytes that `features` wrote. Received: {received}. See "
            "docs/troubleshooting.md about damaged files."
        )


def _checksum(column: np.ndarray) -> bytes:
    """32 hexadecimal digits, of the type, the shape and the bytes."""
    digest = hashlib.blake2b(f"{column.dtype.descr} {column.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(column))
    return digest.hexdigest().encode()
