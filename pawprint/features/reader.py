"""Read stored features as one array."""

from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.core.errors import InputError
from pawprint.features.store import shard_of


class Features:
    """Memory-mapped features as one array, float16 `(images, views, …)`.

    It has a shape and takes two indices, of images and of views: `features[image, view]`.
    """

    def __init__(
        self, shards: list[np.ndarray], shard: np.ndarray, first: np.ndarray, views: int
    ) -> None:
        self.shards, self.shard, self.first = shards, shard, first
        self.shape = (len(shard), views, *shards[0].shape[1:])

    def __getitem__(self, index: tuple) -> np.ndarray:
        image, view = index
        shard, row = self.shard[image], self.first[image] + view
        features = np.empty((len(row), *self.shape[2:]), np.float16)
        for number in np.unique(shard):
            chosen = shard == number
            features[chosen] = self.shards[number][row[chosen]]
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

    Raises InputError if the folder holds no features of one of them.
    """
    count = len(list(folder.glob("index-*.npy")))
    shard = shard_of(pixels_sha256, count)
    wanted = pixels_sha256.to_numpy("S64")
    first, views = np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.int64)
    shards = []
    for number in range(count):
        shards.append(np.load(folder / f"{kind}-{number}.npy", mmap_mode="r"))
        stored = np.load(folder / f"index-{number}.npy")["pixels_sha256"]
        chosen = shard == number
        first[chosen] = np.searchsorted(stored, wanted[chosen])
        views[chosen] = np.searchsorted(stored, wanted[chosen], "right") - first[chosen]
    if len(np.unique(views)) != 1 or not views[0]:
        raise InputError(
            f"{folder}: expected features of every image in the split table, with the same number "
            f"of views. Received: from {views.min(initial=0)} to {views.max(initial=0)} views. "
            "Run `dvc repro`."
        )
    return Features(shards, shard, first, int(views[0]))
