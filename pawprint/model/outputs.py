"""Compute the network's outputs from stored features, store them, and convert logits.

`predict` writes one output file per split, and `evaluate` reads these files.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import openvino
import pandas as pd

from pawprint.base.errors import InputError
from pawprint.base.files import read_arrays, write_arrays
from pawprint.base.runtime import CompiledNetwork, compile_for_cpu, input_shapes, output_shapes
from pawprint.base.threads import map_in_threads
from pawprint.network.store import Features, open_features

BLOCK = 32  # number of rows of vectors that the network computes at once


class Logits(NamedTuple):
    """Labels and outputs for images. A file also contains the `pixels_sha256` of each image.

    `actual`, int64 `(images,)`, contains label indices, or -1 for unknown images. If images can
    show several labels, it is `(images, labels)`, as from `LabelKind.encode`. `logits` are
    float64 `(images, units)`, and `unknown_scores` are float64 `(images,)`. If the served network
    takes an image and its mirror image, outputs are means over both.
    """

    actual: np.ndarray
    logits: np.ndarray
    unknown_scores: np.ndarray

    @classmethod
    def read(cls, path: Path, pixels_sha256: pd.Series | None = None) -> Self:
        """Return the outputs for these images, in their order, or by default all in the file.

        Raises InputError if the file is missing or damaged, or lacks an image.
        """
        arrays = read_arrays(path, ("pixels_sha256", *cls._fields))
        keys = pd.Index(arrays.pop("pixels_sha256").astype(str))
        wanted = keys if pixels_sha256 is None else pixels_sha256
        places = keys.get_indexer(wanted)
        if (places < 0).any():
            raise InputError(f"{path}: the outputs for some images are missing. Run `dvc repro`.")
        return cls(**{name: array[places] for name, array in arrays.items()})

    def write(self, path: Path, pixels_sha256: pd.Series) -> None:
        """Write all arrays to one file, given the key of each image."""
        write_arrays(path, pixels_sha256=pixels_sha256.to_numpy("S64"), **self._asdict())


def compile_for_stored(network: openvino.Model) -> CompiledNetwork:
    """Compile a network on stored features for several rows at once, or for one row with maps.

    Each row has the same result as alone (docs/decisions/25).
    """
    return compile_for_cpu(network, 1 if "cut" in input_shapes(network) else BLOCK)


def run_on_stored(
    network: openvino.Model,
    compute: CompiledNetwork,
    folder: Path,
    pixels_sha256: pd.Series,
    *,
    themselves: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits `(images, views, units)` and features `(images, views, channels)`.

    They are float64, for the views that `open_features` opens; `compute` is the compiled network.
    Raises InputError for the same reasons as `open_features`.
    """
    if pixels_sha256.empty:
        logits, features = (np.empty((0, 1, *shape)) for shape in output_shapes(network).values())
        return logits, features
    stored = [
        open_features(folder, [kind], pixels_sha256, themselves=themselves)
        for kind in input_shapes(network)
    ]
    images, views = stored[0].shape[:2]
    places = np.indices((images, views)).reshape(2, -1)
    # In the order of the shards, a block opens few files.
    order = np.argsort(stored[0].places[places[0], 0], kind="stable")
    places = places[:, order]
    # A block has a fixed number of rows, so that a result does not depend on the number of images.
    places = np.pad(places, ((0, 0), (0, -images * views % compute.rows)), mode="edge")
    blocks = np.split(places, places.shape[1] // compute.rows, axis=1)
    results = map_in_threads(partial(run_block, compute, stored), blocks)
    in_place = np.argsort(order)
    logits, features = (
        np.concatenate(values).astype(np.float64)[in_place] for values in zip(*results)
    )
    return logits.reshape(images, views, -1), features.reshape(images, views, -1)


def run_block(
    compute: CompiledNetwork, stored: list[Features], places: np.ndarray
) -> list[np.ndarray]:
    """Return the outputs of the network for positions in the features, int `(2, rows)`."""
    image, view = places
    return compute.run_block(*(rows[image, view].astype(np.float32) for rows in stored))
