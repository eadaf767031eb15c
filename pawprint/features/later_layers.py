"""Run the layers after the frozen ones on stored features, which gives the outputs of the model."""

from functools import partial
from pathlib import Path

import numpy as np
import openvino
import pandas as pd

from pawprint.engine.mapping import map_in_threads
from pawprint.features.store import Features, open_features
from pawprint.runtime import CompiledNetwork, input_shapes, output_shapes


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
    results = map_in_threads(partial(run_row, compute, stored), np.ndindex(images, views))
    logits, features = (np.array(values, np.float64) for values in zip(*results))
    return logits.reshape(images, views, -1), features.reshape(images, views, -1)


def run_row(
    compute: CompiledNetwork, stored: list[Features], place: tuple[int, int]
) -> list[np.ndarray]:
    """Return the outputs of the network for the view at a position in the features."""
    image, view = (np.array([number]) for number in place)
    return compute(*(rows[image, view][0].astype(np.float32) for rows in stored))
