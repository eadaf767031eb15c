"""The files of stored features: shards of rows, each with an index.

A row holds the features of one view of an image. The leading bits of the image's `pixels_sha256`
choose the shard, so an added image changes one shard. Shard N of the kinds "cut" and "top" is
`cut-N.npy` and `top-N.npy`, float16 `(rows, …)`; `index-N.npy` names the rows, sorted by image and
view. docs/decisions/19 has the reasons.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

IMAGES_PER_SHARD = 4096  # at most, on average
# `transformation` maps pixels of the view to pixels of the image, as in images/augmentation.py.
INDEX = np.dtype(
    [
        ("pixels_sha256", "S64"),
        ("view", "<u4"),
        ("transformation", "<f8", (2, 3)),
        ("checksum", "S32"),
    ]
)

Kinds = dict[str, tuple[int, ...]]  # the shape of a row of each kind
Row = list[np.ndarray]  # float16, one array for each kind
Key = tuple[bytes, bytes]  # of a row: pixels_sha256, transformation


def count_shards(images: int) -> int:
    """The smallest power of two with at most IMAGES_PER_SHARD images in each shard, on average."""
    return 1 << (max(images - 1, 0) // IMAGES_PER_SHARD).bit_length()


def shard_of(pixels_sha256: Iterable[str], shards: int) -> np.ndarray:
    """int64: the shard of each image; `shards` is a power of two of at most 32 bits."""
    leading = [int(value[:8], 16) for value in pixels_sha256]
    return np.array(leading, np.int64) * shards >> 32


def key_of(entry: np.void) -> Key:
    """What decides a row besides the network, from the row's entry in an index."""
    return entry["pixels_sha256"].item(), entry["transformation"].tobytes()


def checksum(key: Key, row: Row) -> bytes:
    """32 hexadecimal digits."""
    digest = hashlib.blake2b(b"".join(key), digest_size=16)
    for features in row:
        digest.update(np.ascontiguousarray(features))
    return digest.hexdigest().encode()


def write_shard(folder: Path, shard: int, index: np.ndarray, rows: list[Row], kinds: Kinds) -> None:
    """Write the files of a shard; `rows` are in the order of the index."""
    _write(folder / f"index-{shard}.npy", INDEX, (), index)
    for number, (kind, shape) in enumerate(kinds.items()):
        features = [row[number] for row in rows]
        _write(folder / f"{kind}-{shard}.npy", np.dtype("<f2"), shape, features)


def _write(path: Path, dtype: np.dtype, shape: tuple[int, ...], rows: Sequence[np.ndarray]) -> None:
    """Write a .npy file row by row. With np.save and memory maps a full disk is no clear error."""
    with path.open("wb") as file:
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (len(rows), *shape),
        }
        np.lib.format.write_array_header_1_0(file, header)
        for row in rows:
            file.write(row.tobytes())
