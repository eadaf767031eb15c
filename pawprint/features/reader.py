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
        self.start = [shard.places[kind][0] for shard in shards]
        self.shard, self.first = shard, first
        self.shape = (len(shard), views, *shards[0].places[kind][1][1:])

    def __getitem__(self, index: tuple) -> np.ndarray:
        image, view = index
        shard, row = self.shard[image].tolist(), (self.first[image] + view).tolist()
        features = np.empty((len(row), *self.shape[2:]), np.float16)
        of_each = features.reshape(len(row), -1).view(np.uint8)
        for number, position, target in zip(shard, row, of_each):
            with self.paths[number].open("rb", buffering=0) as file:
                file.seek(self.start[number] + position * target.nbytes)
                file.readinto(target)
        return features


def open_examples(
    folder: Path, kind: str, split: pd.DataFrame, name: str
) -> tuple[Features, np.ndarray, list[str]]:
    """The features of the split `name`, a class index of each image (int64), and the labels.

    `split` is the table SPLIT; the images are in its order, and the labels those of all splits.
    """
    labels = sorted(split["label"].unique())
    images = split[split["split"] == name]
    actual = pd.Index(labels).get_indexer(images["label"])
    return open_features(folder, kind, images["pixels_sha256"]), actual, labels


def open_features(folder: Path, kind: str, pixels_sha256: pd.Series) -> Features:
    """The features of these images, in their order; all have the same number of views.

    Raises InputError if the folder holds no features of one of them, or a file is damaged.
    """
    count = len(list(folder.glob("shard-*.npy"))) or 1
    shard = shard_of(pixels_sha256, count)
    wanted = pixels_sha256.to_numpy("S64")
    first, views = np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.int64)
    order = np.argsort(shard, kind="stable")
    ends = np.searchsorted(shard[order], range(count + 1))
    shards = [Shard(shard_path(folder, number)) for number in range(count)]
    stored_images = map_in_threads(lambda shard: _images(shard, kind), shards)
    for number, stored in enumerate(stored_images):
        chosen = order[ends[number] : ends[number + 1]]
        first[chosen] = np.searchsorted(stored, wanted[chosen])
        views[chosen] = np.searchsorted(stored, wanted[chosen], "right") - first[chosen]
    if len(np.unique(views)) != 1 or not views[0]:
        raise InputError(
            f"{folder}: expected features of every image in the split table, with the same number "
            f"of views. Received: from {views.min(initial=0)} to {views.max(initial=0)} views. "
            "Run `dvc repro`."
        )
    return Features(shards, kind, shard, first, int(views[0]))


def _images(shard: Shard, kind: str) -> np.ndarray:
    """The pixels_sha256 of each row. The features, which are read later, are checked too."""
    _check(shard.path, kind, shard.path.stat().st_mtime_ns)
    return shard.read("index")["pixels_sha256"]


@functools.cache
def _check(path: Path, kind: str, changed: int) -> None:
    """Once in a process, which opens the same files for training and for validation."""
    Shard(path).read(kind)
