"""The detector of unknown inputs: how far the features of an image are from those of training.

The residual of a principal component analysis, as in Wang et al., ViM: Out-Of-Distribution with
Virtual-logit Matching, 2022 (https://arxiv.org/abs/2203.10807), of features with length 1.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino

from pawprint.errors import InputError, printable
from pawprint.files import read_arrays

DETECTOR_FILE = "detector.npz"
SMALLEST = 1e-12  # norm to divide by, as in Keras' UnitNormalization
operations = openvino.opset15


class Detector(NamedTuple):
    """`mean` is float32 `(channels,)`, `components` float32 `(components, channels)`.

    The components are orthogonal and have length 1.
    """

    mean: np.ndarray
    components: np.ndarray

    def score(self, features: np.ndarray) -> np.ndarray:
        """float64 `(…)`, from 0 on, of features `(…, channels)`, by the served graph."""
        *shape, channels = features.shape
        given = operations.parameter([-1, channels], np.float32)
        network = openvino.Model([unknown_score(given.output(0), self)], [given])
        compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        rows = features.reshape(-1, channels).astype(np.float32)
        return compiled(rows)[0].reshape(shape).astype(np.float64)


def unknown_score(features: openvino.Output, detector: Detector) -> openvino.Node:
    """`(images, 1)` of features `(images, channels)`: the norm of what is not explained.

    The features are divided by their norm; mean and components explain a part of that.
    """
    mean, components = (operations.constant(each, np.float32) for each in detector)
    unit = operations.normalize_l2(features, np.array([1]), SMALLEST**2, "max")  # of squares
    centred = operations.subtract(unit, mean)
    projected = operations.matmul(centred, components, False, True)
    explained = operations.matmul(projected, components, False, False)
    residual = operations.subtract(centred, explained)
    return operations.reduce_l2(residual, np.array([1]), keep_dims=True)


def unit_length(features: np.ndarray) -> np.ndarray:
    """The features `(…, channels)` divided by their norm; zeros stay zeros."""
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norm, SMALLEST)


def read_detector(folder: Path) -> Detector:
    """The detector of a served model with an unknown threshold.

    Raises InputError if the file is missing or holds other arrays.
    """
    arrays = read_arrays(path := folder / DETECTOR_FILE)
    if set(arrays) != set(Detector._fields):
        raise InputError(
            f"{path}: expected the arrays {' and '.join(Detector._fields)}. Received: "
            f"{printable(', '.join(arrays))}. Run `dvc repro`."
        )
    return Detector(**arrays)
