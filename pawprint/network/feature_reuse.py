"""Compute the features of many images, in shards: the rows that no earlier run has stored.

A shard is the unit that is computed in one call, reused, kept if a run is killed, and sent to a
remote. For each image, `ShardComputer` takes its rows from the `earlier_shards`, or decodes the
image and computes them (see rows.py). Then it writes the shard (see store.py).
"""

import contextlib
import hashlib
import json
import math
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from pawprint.base.columns import TRAIN
from pawprint.base.errors import InputError
from pawprint.base.files import md5, md5_of
from pawprint.base.labels import UNLABELLED
from pawprint.base.package import architecture
from pawprint.base.threads import map_items, track
from pawprint.given.archive import Archive, is_jpeg
from pawprint.network import store
from pawprint.network.augmentation import draw_view
from pawprint.network.store import KINDS, STORED_SPLITS, Kinds, Shard, fits, shard_path
from pawprint.network.views import IDENTITY, View, mirrored
from pawprint.pipeline.entry import CONVERTER, without_modules
from pawprint.pipeline.params.data import Augment

# Where all rows are stored, nothing decodes an image or starts OpenVINO.
if TYPE_CHECKING:
    from pawprint.network.rows import Read, Row

Key = tuple[bytes, bool, bytes]  # key of a row: pixels_sha256, is_jpeg, drawn


def origin_of(
    network: Path, resize: str, code: str, kernels: str = "portable"
) -> dict[str, object]:
    """Return everything that determines the bytes of a row besides the pixels and the view.

    `network` is the file of an extractor, and `code` is the fingerprint that is recorded in
    data/code/. `kernels` is `hardware.kernels`, and only training images have native rows.
    """
    origin: dict[str, object] = {
        "resize": resize,
        "network": [md5(network), md5(network.with_suffix(".bin"))],
        "code": md5_of(code.encode()),
        "architecture": architecture(),
    }
    return origin if kernels == "portable" else origin | {"kernels": kernels}


def earlier_shards(
    origin: dict[str, object], results: Iterable[tuple[Path, object, Mapping[str, Path]]]
) -> list[list[str]]:
    """Return shards that may contain rows with this origin.

    Each result has the folder for interrupted runs, with the shards of `try` and of killed runs,
    and the origin and the files, by path, of the recorded output of `features`. Its shards are
    included if they have this origin, which includes the kernels only for training images; the
    files may be missing.
    """
    kernels = {"kernels": origin.get("kernels")}
    found = []
    for interrupted, last, stored in results:
        for folder in sorted(place_of_rows(interrupted, origin).glob("*")):
            found += interrupted_shards(folder)
        if isinstance(last, dict) and (last | kernels).items() >= origin.items():
            of_train = last.get("kernels")
            for split in STORED_SPLITS:
                if (of_train if split == TRAIN else None) != origin.get("kernels"):
                    continue
                count = sum(path.startswith(f"{split}/") for path in stored)
                names = [shard_path(Path(split), n).as_posix() for n in range(count)]
                found.append([str(stored[name]) for name in names if name in stored])
    return found


def place_of_rows(folder: Path, origin: dict[str, object]) -> Path:
    """Return the folder, in one for interrupted runs, for rows with this origin."""
    name = hashlib.sha256(json.dumps(origin).encode()).hexdigest()
    return folder.absolute() / name


def interrupted_shards(folder: Path) -> list[list[str]]:
    """Return shards that killed runs may have finished, from folders named after their number."""
    counts = [int(inner.name) for inner in folder.glob("[0-9]*")]
    return [[str(shard_path(folder / f"{n}", i)) for i in range(n)] for n in counts]


def keys_of(index: np.ndarray) -> list[Key]:
    """Return the key of each row. Together with the network, it determines the row."""
    hashes = index["pixels_sha256"].tolist()
    return list(zip(hashes, index["is_jpeg"].tolist(), map(np.ndarray.tobytes, index["drawn"])))


def read_whole(
    index: np.ndarray, sources: Iterable[str], kinds: Kinds, dtypes: Sequence[np.dtype]
) -> tuple[dict[str, np.ndarray], dict[str, bytes]] | None:
    """Return the columns and checksums of an intact shard with exactly these rows, if any."""
    types = list(zip(kinds, kinds.values(), dtypes))
    for source in sources:
        with contextlib.suppress(InputError):  # skip a missing or damaged shard
            shard = Shard(Path(source))
            places = [*shard.places.items()][1:]
            is_equal = types == [(kind, shape[1:], dtype) for kind, (_, shape, dtype, _) in places]
            if is_equal and shard.read("index").tobytes() == index.tobytes():
                return {name: shard.read(name) for name in shard.places}, shard.checksums
    return None


def take_over(
    row_keys: set[Key], sources: Iterable[str], kinds: Kinds, dtypes: Sequence[np.dtype]
) -> "dict[Key, Row]":
    """Return the rows with these keys in intact shards, converted to these types."""
    row_of: dict[Key, Row] = {}
    for source in sources:
        if missing := row_keys - row_of.keys():
            with contextlib.suppress(InputError):  # skip a missing or damaged shard
                row_of |= _stored_rows(Path(source), missing, kinds, dtypes)
    return row_of


def _stored_rows(
    path: Path, row_keys: set[Key], kinds: Kinds, dtypes: Sequence[np.dtype]
) -> "dict[Key, Row]":
    """Return the rows with these keys in a shard; none if their shapes or precision differ."""
    shard = Shard(path)
    index = shard.read("index")
    keys = keys_of(index) if index.dtype == store.INDEX else []  # not of an earlier version
    if row_keys.isdisjoint(keys):
        return {}
    columns = [shard.read(kind) for kind in kinds]
    shapes = [column.shape[1:] for column in columns]
    pairs = list(zip(columns, dtypes))
    has_digits = all(column.dtype.itemsize >= dtype.itemsize for column, dtype in pairs)
    if shapes != list(kinds.values()) or not has_digits:
        return {}
    is_stored_so = all(column.dtype == dtype for column, dtype in pairs)
    row_of: dict[Key, Row] = {}
    for key, *row in zip(keys, *columns, strict=True):
        is_wanted = key in row_keys and key not in row_of
        if is_wanted and (is_stored_so or fits(row, dtypes)):
            row_of[key] = [array.astype(dtype, copy=False) for array, dtype in zip(row, dtypes)]
    return row_of


ViewsOf = Callable[[str, str], dict[int, View]]  # the stored views for a pixels_sha256 and a split


def views_of(
    params: Augment, size: int, themselves: Collection[str], pixels_sha256: str, split: str
) -> dict[int, View]:
    """Return the views of an image, keyed by number. `split` is one of STORED_SPLITS.

    A training image has `augment.views` views. If its `pixels_sha256` is in `themselves`, the
    original image is added as ITSELF. For a validation, test or unknown image, the views are those
    that the served network averages: the image and, if training mirrors images left to right, its
    mirror image. For an unlabelled image, there is only the image itself. `size` is
    the side of the square in pixels.
    """
    if split == TRAIN:
        numbers = range(params.views)
        views = {number: draw_view(params, pixels_sha256, number, size) for number in numbers}
        return views | {store.ITSELF: IDENTITY} if pixels_sha256 in themselves else views
    has_mirror_image = params.mirrors(params.views) and split != UNLABELLED
    return dict(enumerate([IDENTITY, mirrored(size)] if has_mirror_image else [IDENTITY]))


def shapes_of(network: Path) -> tuple[int, Kinds]:
    """Return the side of the squares that an extractor takes, and the shape of each output.

    `network` is the file. Outside of the network, only these have names (see `write_network`).
    """
    ports = [port for port in ElementTree.parse(network).iter("port") if "names" in port.attrib]
    shapes = {
        port.attrib["names"]: tuple(int(dim.text or 0) for dim in port.findall("dim"))
        for port in ports
    }
    return shapes["pixels"][1], {kind: shapes[kind][1:] for kind in KINDS if kind in shapes}


class NetworkRows:
    """A `row_function` that reads and compiles a network when the first row is missing.

    Several threads may call it at once. A process that unpickles it reads the file again.
    """

    def __init__(self, network: Path, method: str, is_native: bool) -> None:
        self._arguments = (network, method, is_native)
        self._starting = threading.Lock()
        self._compute: Callable | None = None

    def __call__(self, read: "Read", views: Iterable[View]) -> "list[Row]":
        """Compute the rows of an image, float32, like the result of `row_function`."""
        with self._starting:
            if self._compute is None:
                with without_modules(CONVERTER):
                    from pawprint.base.runtime import read_network
                    from pawprint.network.rows import row_function
                network, method, is_native = self._arguments
                self._compute = row_function(read_network(network), method, is_native=is_native)
        return self._compute(read, views)

    def __reduce__(self) -> tuple:
        return NetworkRows, self._arguments


class Task(NamedTuple):
    """A shard to compute. It contains everything that differs from shard to shard."""

    path: str
    split: str
    images: list[tuple[str, str]]  # pixels_sha256, and the path in the archive
    sources: list[str]  # shards that may contain the same rows


@dataclass(frozen=True)
class ShardComputer:
    """A function of tasks, which runs on this computer or on another one with the same files."""

    archive: Archive
    rows_of: Callable  # see network/rows.py
    kinds: store.Kinds
    views_of: ViewsOf

    def __call__(self, task: Task) -> tuple[int, list[str]]:
        """Write a shard. Return the number of images, and the `pixels_sha256` of computed ones."""
        index = self.index_of(task)
        dtypes = [store.dtype_of(kind, task.split) for kind in self.kinds]
        sources = [*filter(os.path.exists, (task.path, *task.sources))]
        if whole := read_whole(index, sources, self.kinds, dtypes):
            store.write_shard(Path(task.path), *whole)
            return len(task.images), []
        row_keys = keys_of(index)
        row_of = take_over(set(row_keys), sources, self.kinds, dtypes)
        missing: dict[bytes, list[Key]] = {}
        for key in dict.fromkeys(row_keys):
            if key not in row_of:
                missing.setdefault(key[0], []).append(key)
        for sha256, path in task.images:
            if keys := missing.get(sha256.encode()):
                views = [np.frombuffer(drawn).reshape(IDENTITY.shape) for *_, drawn in keys]
                row_of |= zip(keys, self.compute(path, views, dtypes))
        columns = {"index": index}
        for number, (kind, shape) in enumerate(self.kinds.items()):
            rows = [row_of[key][number] for key in row_keys]
            columns[kind] = np.array(rows, dtypes[number]).reshape(len(rows), *shape)
        store.write_shard(Path(task.path), columns)
        return len(task.images), [sha256.decode() for sha256 in missing]

    def compute(self, path: str, views: Iterable[View], dtypes: Sequence[np.dtype]) -> "list[Row]":
        """Compute the rows of an image. Raises InputError if `dtypes` cannot represent them."""
        from pawprint.given.reading import open_image

        rows = self.rows_of(partial(open_image, self.archive, path), views)
        if not all(fits(row, dtypes) for row in rows):
            raise self._too_large(path)
        pairs = (zip(row, dtypes, strict=True) for row in rows)
        return [[features.astype(dtype) for features, dtype in row] for row in pairs]

    def _too_large(self, path: str) -> InputError:
        if "cut" in self.kinds:
            return InputError(
                "model.fine_tune_at: expected a layer with input below "
                f"{np.finfo(np.float16).max:,.0f}, the largest number that can be stored. "
                f"Received: larger numbers for {path}. Choose another layer, or check "
                "weights.source."
            )
        return InputError(
            "weights.source: expected weights that result in finite features. "
            f"Received: NaN or infinity for {path}. Check model.onnx, or weights.source."
        )

    def index_of(self, task: Task) -> np.ndarray:
        """Return the sorted rows for the images of a task, with the type INDEX."""
        rows = []
        for sha256, path in sorted(task.images):
            is_of_jpeg = is_jpeg(self.archive, path)
            views = self.views_of(sha256, task.split).items()
            rows += [(sha256.encode(), is_of_jpeg, view, drawn) for view, drawn in views]
        return np.array(rows, store.INDEX)

    def size_of(self, images: pd.DataFrame) -> int:
        """Estimate how many bytes the features of these images (table PATHS) take."""
        size = 0
        for split, number in images["split"].value_counts().items():
            numbers = (
                math.prod(shape) * store.dtype_of(kind, split).itemsize
                for kind, shape in self.kinds.items()
            )
            size += sum(numbers) * number * len(self.views_of("0", split))
        return size


def tasks(images: pd.DataFrame, split: str, folder: Path, earlier: list[list[str]]) -> list[Task]:
    """Divide the images of a split (table PATHS) into one or more shards in a folder.

    `earlier` contains complete lists of shards, of any length, which are searched for rows.
    """
    images = images[images["split"] == split]
    shards = store.count_shards(len(images))
    rows: list[list[tuple]] = [[] for _ in range(shards)]
    columns = (images[name] for name in ("pixels_sha256", "path"))
    for shard, image in zip(store.shard_of(images["pixels_sha256"], shards), zip(*columns)):
        rows[shard].append(image)
    paths = [str(store.shard_path(folder, number)) for number in range(shards)]
    return [
        Task(path, split, rows[number], _sources(earlier, number, shards))
        for number, path in enumerate(paths)
    ]


def _sources(earlier: list[list[str]], number: int, shards: int) -> list[str]:
    """Return the earlier shards that may contain rows of shard `number` out of `shards`."""
    sources = []
    # A list with as many shards probably has this very shard.
    for shards_of in sorted(earlier, key=lambda shards_of: len(shards_of) != shards):
        first, end = (place * len(shards_of) // shards for place in (number, number + 1))
        sources += shards_of[first : max(end, first + 1)]
    return sources


def write_shards(computer: ShardComputer, todo: list[Task]) -> set[str]:
    """Write shards, and nothing else, into their folders.

    Returns the `pixels_sha256` of the images that had to be computed. Raises InputError if a worker
    in a cluster wrote to another folder.
    """
    expected = {Path(task.path) for task in todo}
    folders = sorted({path.parent for path in expected})
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    images = sum(len(task.images) for task in todo)
    computed: set[str] = set()
    with track(None, "features", images) as bar:
        for size, new in map_items(computer, todo, chunk=1, waits=True):
            bar.update(size)
            computed.update(new)
    written = {path for folder in folders for path in folder.iterdir()}
    for path in written - expected:  # left behind by a killed process
        path.unlink()
    if missing := expected - written:
        raise InputError(
            f"{min(missing)}: the shard is missing, so a worker wrote elsewhere. Make this folder "
            "available to all workers (`pawprint docs costs`)."
        )
    return computed


def require_space(target: Path, size: int) -> None:
    """Print how many bytes will be written. Raises InputError if the disk is too full.

    DVC may keep another copy in its cache.
    """
    needed = size / 1e6
    free = shutil.disk_usage(target.parent).free / 1e6
    print(f"features: {needed:,.0f} MB will be written, and as much in DVC's cache", flush=True)
    if free < 2 * needed:
        raise InputError(
            f"{target}: expected {2 * needed:,.0f} MB of free space, for the features and the "
            f"copy in DVC's cache. Received: {free:,.0f} MB. Free some space, or lower "
            "augment.views."
        )
