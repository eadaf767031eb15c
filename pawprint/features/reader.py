"""Read stored features as one array."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.core.errors import InputError
from pawprint.engine.threads import map_in_threads
from pawprint.features.store import Shard, shard_of, shard_path


class Features:
    """Stored features as one array, float16 `(images, views, …)`.

    It has a shape and takes two indices, of images and of views: `features[image, view]`. Rows are
    read from the files that hold them, so no file stays open and the memory is that of the result.
    """

    def __init__(
        self, shards: list[Shard], kind: str, shard: np.ndarray, first: np.ndarray, views: int
    ) -> None:
        self.paths = [shard.path for shard in shards]
        self.start = np.array([shard.places[kind][0] for shard in shards])
        self.shard, self.first = shard, first
        self.shape = (len(shard), views, *shards[0].places[kind][1][1:])

    def __getitem__(self, index: tuple) -> np.ndarray:
        image, view = index
        shard, row = self.shard[image], self.first[image] + view
        features = np.empty((len(row), *self.shape[2:]), np.float16)
        size = 2 * int(np.prod(self.shape[2:]))
        data = memoryview(features.reshape(-1).view(np.uint8))
        for chosen in _groups(shard):
            number = shard[chosen[0]]
            with self.paths[number].open("rb", buffering=0) as file:
                for place in chosen[np.argsort(row[chosen])].tolist():
                    file.seek(int(self.start[number]) + size * int(row[place]))
                    file.readinto(data[size * place : size * (place + 1)])
        return features


def open_features(folder: Path, kind: str, pixels_sha256: pd.Series) -> Features:
    """The features of these images, in their order; all have the same number of views.

    Raises InputError if the folder holds no features of one of them, or a file is damaged.
    """
    shards = [
        Shard(shard_path(folder, n)) for n in range(len(list(folder.glob("shard-*.npy"))) or 1)
    ]
    shard = shard_of(pixels_sha256, len(shards))
    wanted = pixels_sha256.to_numpy("S64")
    first, views = np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.int64)
    groups = _groups(shard)
    read = functools.partial(_index, kind=kind)
    for chosen, stored in zip(
        groups, map_in_threads(read, [shards[shard[each[0]]] for each in groups])
    ):
        first[chosen] = np.searchsorted(stored, wanted[chosen])
        views[chosen] = np.searchsorted(stored, wanted[chosen], "right") - first[chosen]
    if len(np.unique(views)) != 1 or not views[0]:
        raise InputError(
            f"{folder}: expected features of every image in the split table, with the same number "
            f"of views. Received: from {views.min(initial=0)} to {views.max(initial=0)} views. "
            "Run `dvc repro`."
        )
    return Features(shards, kind, shard, first, int(views[0]))


def _groups(shard: np.ndarray) -> list[np.ndarray]:
    """The places of each number that occurs."""
    order = np.argsort(shard, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(shard[order])) + 1) if len(order) else []


def _index(shard: Shard, kind: str) -> np.ndarray:
    """The images of a shard's rows; what training reads later, `kind`, is checked too."""
    _check(shard.path, kind, shard.path.stat().st_mtime_ns)
    return shard.read("index")["pixels_sha256"]


@functools.cache
def _check(path: Path, kind: str, changed: int) -> None:
    """Once in a process, also for training and validation images of the same file."""
    Shard(path).read(kind)
