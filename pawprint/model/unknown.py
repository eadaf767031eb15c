"""The detector of unknown inputs: how far the features of an image are from those of training.

It is the residual of a principal component analysis, as in Wang et al., ViM: Out-Of-Distribution
with Virtual-logit Matching, 2022 (https://arxiv.org/abs/2203.10807), of features with length 1.
`predict` fits it, the served network and exports (`exports.py`) hold it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino

from pawprint.files import read_arrays

DETECTOR_FILE = "detector.npz"
SMALLEST = 1e-12  # norm to divide by, as in Keras' UnitNormalization
operations = openvino.opset15
DETECTOR_IMAGES = 1000  # of training, at most
COMPONENTS = 64
FOLDS = 5
DIGITS = 4  # of the threshold


class Detector(NamedTuple):
    """`mean` is float32 `(channels,)`, `components` float32 `(components, channels)`.

    The components are orthogonal and have length 1.
    """

    mean: np.ndarray
    components: np.ndarray

    def score(self, features: np.ndarray) -> np.ndarray:
        """float64 `(…)`, from 0 on, of features `(…, channels)`, by the served graph."""
        *shape, channels = features.shape
        parameter = operations.parameter([-1, channels], np.float32)
        network = openvino.Model([unknown_score(parameter.output(0), self)], [parameter])
        compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        rows = features.reshape(-1, channels).astype(np.float32)
        return compiled(rows)[0].reshape(shape).astype(np.float64)


def unknown_score(features: openvino.Output, detector: Detector) -> openvino.Node:
    """`(images, 1)` of features `(images, channels)`: the norm of what is not explained.

    The features are divided by their norm; mean and components explain a part of that.
    """
    mean, components = (operations.constant(array, np.float32) for array in detector)
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
    return Detector(**read_arrays(folder / DETECTOR_FILE, Detector._fields))


def fit_detector(features: np.ndarray) -> Detector:
    """The mean and the first principal components of features, `(images, channels)`.

    There are COMPONENTS of them, or fewer than images and than channels. Two images and two
    channels are the minimum.
    """
    from scipy.linalg import eigh, qr  # takes long, and `pawprint predict` needs none
    from threadpoolctl import threadpool_limits

    images, channels = features.shape
    number = min(COMPONENTS, images - 1, channels - 1)
    unit = unit_length(features.astype(np.float64))
    mean = unit.mean(axis=0)
    # Of both products of the matrix with itself the smaller one: the time grows with its cube.
    narrow = (unit - mean).T if channels < images else unit - mean
    last = len(narrow) - number, len(narrow) - 1
    with threadpool_limits(1):  # the number of threads changes the last bits of a sum
        vectors = eigh(narrow @ narrow.T, subset_by_index=last)[1][:, ::-1]
        if channels >= images:
            vectors, _ = qr(narrow.T @ vectors, mode="economic")
    return Detector(mean.astype(np.float32), vectors.T.astype(np.float32))


def fit_unknown(features: np.ndarray) -> tuple[Detector, np.ndarray]:
    """The detector, and the unknown scores of training images by detectors not fitted on them.

    `features` are those of training images, `(images, channels)`, the scores float64 `(images,)`:
    of each of FOLDS by a detector of the others, NaN of fewer than three images.
    """
    fold = np.arange(len(features)) % FOLDS
    scores = np.full(len(features), np.nan)
    for number in np.unique(fold) if len(features) > 2 else ():
        detector = fit_detector(features[fold != number])
        scores[fold == number] = detector.score(features[fold == number])
    return fit_detector(features), scores


def choose_unknown_threshold(scores: np.ndarray, quantile: float) -> float:
    """The score that a new image does not exceed with at least this probability.

    `scores`, `(images,)`, are of images that the detector is not fitted on: those of validation,
    and of training by `fit_unknown`, as validation alone has few images for the quantile. It is
    that of `images + 1` (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005).
    With fewer than `quantile / (1 - quantile)` images it is the highest score. It is rounded up, so
    that rounding in another runtime does not refuse the image it belongs to.
    """
    rank = min(int(np.ceil(quantile * (len(scores) + 1))), len(scores))
    return float(np.ceil(np.sort(scores)[rank - 1] * 10**DIGITS) / 10**DIGITS)
