"""Define the file format of stored features and read them for training.

Features are stored in shards of rows, and a row contains the features of one view of one image. The
leading bits of the image's `pixels_sha256` determine the shard, so that adding an image changes
only one shard. The file `shard-N.npy` is a sequence of arrays in NumPy's format. The first array
contains the names and checksums of the columns, which follow: `index`, which identifies the rows
and is sorted by image and view, and an array `(rows, …)` for each of the KINDS;
network/keras_backbone.py defines them. Each split has a folder with at least one shard, because DVC
does not track empty folders. `dtype_of` determines the number types. The reasons for this design
are in docs/decisions/19.
"""

import functools
import hashlib
import io
import math
import os
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from pawprint.base.columns import SPLITS, TRAIN
from pawprint.base.errors import InputError, reason
from pawprint.base.files import writing
from pawprint.base.labels import ONE_CLASS, UNKNOWN, UNLABELLED, LabelKind
from pawprint.base.threads import map_in_threads

if TYPE_CHECKING:
    import pandas as pd

# In the order of an extractor's outputs; "means" only if `top` is not the means of the last maps.
KINDS = ("cut", "blocks", "top", "means")
Kinds = dict[str, tuple[int, ...]]  # the shape of a row for each kind
STORED_SPLITS = (*SPLITS, UNKNOWN, UNLABELLED)
IMAGES_PER_SHARD = 64  # maximum average, unless this exceeds MAX_SHARDS
MAX_SHARDS = 4096  # DVC takes about a millisecond per file in an output
DETECTOR_IMAGES = 1000  # maximum number of training images for the detector of unknown inputs
ITSELF = 2**32 - 1  # marks an original training image, a view that training skips
# A large JPEG is decoded to other pixels than a file of another format with its `pixels_sha256`.
IS_JPEG = ("is_jpeg", "?")
INDEX = np.dtype([("pixels_sha256", "S64"), IS_JPEG, ("view", "<u4"), ("drawn", "<f8", (2, 3))])
COLUMNS = np.dtype([("name", "S16"), ("checksum", "S32")])
# NumPy parses a header as Python code, which sometimes fails in threads before Python 3.11.8 and
# 3.12.2 (https://github.com/python/cpython/issues/106905).
HEADERS = threading.Lock()


def dtype_of(kind: str, split: str) -> np.dtype:
    """Return the number type in which features of a kind are stored for a split.

    The maps of training images, which take most of the space, are float16. For other splits,
    float16 maps would make predictions differ from the served model by more than 0.00001.
    """
    return np.dtype("<f2" if kind == "cut" and split == TRAIN else "<f4")


def fits(row: Iterable[np.ndarray], dtypes: Iterable[np.dtype]) -> bool:
    """Return whether these number types, one per kind, can represent a row."""
    pairs = zip(row, dtypes, strict=True)
    return all(np.abs(features).max() <= np.finfo(dtype).max for features, dtype in pairs)


def count_shards(images: int) -> int:
    """Return the smallest power of two for which shards have at most IMAGES_PER_SHARD images.

    This is the average over all shards.
    """
    return min(1 << (max(images - 1, 0) // IMAGES_PER_SHARD).bit_length(), MAX_SHARDS)


def shard_of(pixels_sha256: Iterable[str], shards: int) -> np.ndarray:
    """Return the shard of each image, int64; `shards` is a power of two of at most 32 bits."""
    bits = [int(value[:8], 16) for value in pixels_sha256]
    return np.array(bits, np.int64) * shards >> 32


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of a shard in its folder."""
    return folder / f"shard-{number}.npy"


def write_shard(
    path: Path, columns: dict[str, np.ndarray], checksums: dict[str, bytes] | None = None
) -> None:
    """Write the columns of a shard, starting with `index`, and their checksums if these are known.

    Two processes may write the same shard at once, because each writes its own file and renames it.
    Raises InputError if the shard cannot be written.
    """
    partial = path.with_name(f".{uuid.uuid4().hex}.part")
    checksums = checksums or {name: _checksum(column) for name, column in columns.items()}
    rows = [(name.encode(), checksums[name]) for name in columns]
    try:
        with writing(path, partial):
            with partial.open("wb") as file:
                for array in (np.array(rows, COLUMNS), *columns.values()):
                    header = np.lib.format.header_data_from_array_1_0(array)
                    np.lib.format.write_array_header_1_0(file, header)
                    file.write(array.data)  # np.save has no clear error for a full disk
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class Shard:
    """A shard on disk. Only its headers are read until a column is needed.

    Raises InputError if the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[str, tuple[int, tuple[int, ...], np.dtype, bytes]] = {}
        try:
            with path.open("rb") as file:
                shape, dtype = _read_header(file)
                columns = np.frombuffer(file.read(dtype.itemsize * math.prod(shape)), dtype)
                if columns.shape != shape:
                    raise ValueError(f"{len(columns)} columns")
                for name, checksum in columns:
                    shape, dtype = _read_header(file)
                    if min(shape) < 0:  # NumPy would replace this size when it reads the column
                        raise ValueError(f"a column of shape {shape}")
                    self.places[name.decode()] = (file.tell(), shape, dtype, checksum)
                    file.seek(dtype.itemsize * int(np.prod(shape, dtype=np.int64)), os.SEEK_CUR)
        except Exception as error:  # NumPy may raise any exception for a damaged file
            raise self._error(reason(error)) from None

    @property
    def checksums(self) -> dict[str, bytes]:
        """The checksum of each column."""
        return {name: checksum for name, (*_, checksum) in self.places.items()}

    def read(self, name: str) -> np.ndarray:
        """Read a whole column. Raises InputError if its checksum is wrong."""
        try:
            start, shape, dtype, checksum = self.places[name]
            with self.path.open("rb") as file:
                file.seek(start)
                column = np.fromfile(file, dtype, int(np.prod(shape))).reshape(shape)
            if _checksum(column) == checksum:
                return column
        except Exception as error:
            raise self._error(reason(error)) from None
        raise self._error("others")

    def _error(self, problem: str) -> InputError:
        return InputError(
            f"{self.path}: expected the bytes that `features` wrote. Received: {problem}. See "
            "`pawprint docs pipeline` about damaged files."
        )


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and type of the array that follows in a file."""
    np.lib.format.read_magic(file)
    size = file.read(2)
    header = size + file.read(int.from_bytes(size, "little"))
    with HEADERS:
        return _parse_header(header)


@functools.lru_cache(1024)  # parsing takes 0.1 ms, and many shards have the same headers
def _parse_header(header: bytes) -> tuple[tuple[int, ...], np.dtype]:
    shape, _, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(header))
    return shape, dtype


def _checksum(column: np.ndarray) -> bytes:
    """Return a hash of the type, shape and bytes of a column, as 32 hexadecimal digits."""
    digest = hashlib.blake2b(f"{column.dtype.descr} {column.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest().encode()


class Features:
    """Stored features as one array, float16 or float32, `(images, views, …)`.

    It has a shape, and is indexed by images and views: `features[image, view]`. Rows are read from
    their files when needed, so that no file stays open, and only the result takes memory. Several
    kinds are concatenated to `(images, views, features)`.
    """

    def __init__(
        self, shards: list[Shard], kinds: Sequence[str], places: np.ndarray, views: int
    ) -> None:
        self.paths = [shard.path for shard in shards]
        self.starts = [[shard.places[kind][0] for shard in shards] for kind in kinds]
        self.shapes = [shards[0].places[kind][1][1:] for kind in kinds]
        self.dtype = shards[0].places[kinds[0]][2]
        self.places = places
        width = sum(math.prod(shape) for shape in self.shapes)
        inner = self.shapes[0] if len(kinds) == 1 else (width,)
        self.shape = (len(places), views, *inner)

    def __getitem__(self, index: tuple) -> np.ndarray:
        image, view = index
        shard, first = self.places[image].T
        row = first + view
        widths = [math.prod(shape) for shape in self.shapes]
        features = np.empty((len(row), sum(widths)), self.dtype)
        kinds = np.split(features, np.cumsum(widths)[:-1], axis=1)
        for number in np.unique(shard):
            with self.paths[number].open("rb", buffering=0) as file:
                for place in np.flatnonzero(shard == number):
                    for starts, kind in zip(self.starts, kinds):
                        file.seek(starts[number] + int(row[place]) * kind[place].nbytes)
                        file.readinto(kind[place])
        return features.reshape(len(row), *self.shape[2:])


class StoredExamples(NamedTuple):
    """Stored features of the images of the SPLIT table, in the same order.

    `folders` has the folder of each split. For training images, all views are stored, and for
    other images, the image and, if training may mirror and it is labelled, its mirror image.
    """

    folders: Mapping[str, Path]
    images: "pd.DataFrame"
    labels: list[str]
    label_kind: LabelKind = ONE_CLASS

    def shapes(self) -> Kinds:
        """Return the shape of a row for each stored kind."""
        return stored_shapes(self.folders[TRAIN])

    def open(self, split: str, *kinds: str) -> Features:
        """Open the features of a split, with these kinds concatenated."""
        images = self.images["pixels_sha256"][self.images["split"] == split]
        return open_features(self.folders[split], kinds, images, themselves=split != TRAIN)

    def classes(self, split: str) -> np.ndarray:
        """Return the labels of each image in a split, encoded."""
        labels = self.images["label"][self.images["split"] == split]
        return self.label_kind.encode(labels, self.labels)


def stored_shapes(folder: Path) -> Kinds:
    """Return the shape of a row for each kind, given the folder of a split."""
    places = Shard(shard_path(folder, 0)).places
    return {kind: shape[1:] for kind, (_, shape, *_) in places.items() if kind != "index"}


def stored_examples(
    folder: Path, images: "pd.DataFrame", labels: list[str], label_kind: LabelKind = ONE_CLASS
) -> StoredExamples:
    """Return the examples for the SPLIT table. `folder` contains their features keyed by split."""
    folders = {split: folder / split for split in SPLITS}
    return StoredExamples(folders, images, labels, label_kind)


def open_features(
    folder: Path, kinds: Sequence[str], pixels_sha256: "pd.Series", *, themselves: bool = False
) -> Features:
    """Open the features of these images in their order. All must have the same number of views.

    With `themselves`, each image has only one view, the original image, which is either its first
    view or stored as ITSELF. Raises InputError if the folder lacks the features of an image, or if
    a file is damaged.
    """
    count = len(list(folder.glob("shard-*.npy"))) or 1
    needed, shard = np.unique(shard_of(pixels_sha256, count), return_inverse=True)
    hashes = pixels_sha256.to_numpy("S64")
    first = np.zeros(len(hashes), np.int64)
    views = np.zeros(len(hashes), np.int64)
    order = np.argsort(shard, kind="stable")
    ends = np.searchsorted(shard[order], range(len(needed) + 1))
    shards = [Shard(shard_path(folder, number)) for number in needed]
    indices = map_in_threads(functools.partial(_index, kinds), shards)
    for number, index in enumerate(indices):
        images = order[ends[number] : ends[number + 1]]
        first[images], views[images] = _places(index, hashes[images], themselves=themselves)
    if len(np.unique(views)) != 1 or not views[0]:
        raise InputError(
            f"{folder}: expected features of every image in the split table, with the same number "
            f"of views. Received: from {views.min(initial=0)} to {views.max(initial=0)} views. "
            "Run `dvc repro`."
        )
    return Features(shards, kinds, np.column_stack([shard, first]), int(views[0]))


def _index(kinds: Sequence[str], shard: Shard) -> np.ndarray:
    """Return the column `index`. The features, which are read later, are checked as well."""
    for kind in kinds:
        _check(shard.path, kind, shard.path.stat().st_mtime_ns)
    return shard.read("index")


def _places(
    index: np.ndarray, hashes: np.ndarray, *, themselves: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each image in a shard, and its number of rows (0 if it has none)."""
    row_hashes = np.ascontiguousarray(index["pixels_sha256"])
    first = np.searchsorted(row_hashes, hashes)
    end = np.searchsorted(row_hashes, hashes, "right")
    has_itself = np.zeros(len(hashes), bool)
    is_there = end > first
    has_itself[is_there] = index["view"][end[is_there] - 1] == ITSELF
    if themselves:
        return np.where(has_itself, end - 1, first), is_there.astype(int)
    return first, end - first - has_itself


@functools.cache
def _check(path: Path, kind: str, mtime_ns: int) -> None:
    """Check a column once per process, because training and validation open the same file."""
    Shard(path).read(kind)
