"""Detect unknown images: the unknown score, in OpenVINO, and its threshold."""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino

from pawprint.base.files import read_arrays
from pawprint.base.rounding import to_step
from pawprint.base.runtime import compile_reproducible, product
from pawprint.base.threads import map_in_threads

DETECTOR_FILE = "detector.npz"
MIN_NORM = 1e-12  # smallest norm to divide by, as in Keras' UnitNormalization
operations = openvino.opset15
DETECTOR_IMAGES = 1000  # maximum number of training images
COMPONENTS = 64
DIGITS = 4  # number of digits in the threshold


class Detector(NamedTuple):
    """A detector of unknown images, based on the principal components of their features.

    `mean` is float32 `(channels,)`, and `components` is float32 `(components, channels)`. The
    components are unit vectors, orthogonal to each other.
    """

    mean: np.ndarray
    components: np.ndarray

    def score(self, features: np.ndarray) -> np.ndarray:
        """Return scores, float64 `(…)` >= 0, for features `(…, channels)`, as the model does."""
        *shape, channels = features.shape
        rows = features.reshape(-1, channels).astype(np.float32)
        compiled = _compile(*self.components.shape)
        return compiled([rows, *self])[0].reshape(shape).astype(np.float64)


@functools.cache  # compiling takes longer than scoring a fold
def _compile(components: int, channels: int) -> openvino.CompiledModel:
    """Compile `unknown_score` as a function of features, mean and components."""
    shapes = [-1, channels], [channels], [components, channels]
    parameters = [operations.parameter(shape, np.float32) for shape in shapes]
    score = unknown_score(*(parameter.output(0) for parameter in parameters))
    return compile_reproducible(openvino.Model([score], parameters))


def unknown_score(
    features: openvino.Output, mean: openvino.Output, components: openvino.Output
) -> openvino.Node:
    """Return the norm of the residual, `(images, 1)`, for features `(images, channels)`.

    Features are first divided by their norm. The residual is the part that the detector's mean and
    components do not explain.
    """
    unit = operations.normalize_l2(features, np.array([1]), MIN_NORM**2, "max")  # of squared values
    centred = operations.subtract(unit, mean)
    projected = product(centred.output(0), components)
    # OpenVINO 2026.4.1 for ARM cannot compile "centred minus the product" for any number of images.
    negated = operations.negative(operations.transpose(components, [1, 0]))
    residual = operations.add(centred, product(projected, negated))
    return operations.reduce_l2(residual, np.array([1]), keep_dims=True)


def unit_length(features: np.ndarray) -> np.ndarray:
    """Divide features `(…, channels)` by their norm. Zero vectors stay zero."""
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norm, MIN_NORM)


def read_detector(folder: Path) -> Detector:
    """Read a served model's detector; the model must have an unknown threshold.

    Raises InputError if the file is missing or contains other arrays.
    """
    return Detector(**read_arrays(folder / DETECTOR_FILE, Detector._fields))


def fit_detector(features: np.ndarray) -> Detector:
    """Fit a detector to features `(images, channels)`: their mean and first principal components.

    The number of components is COMPONENTS, or one less than the number of images or channels if
    that is smaller. At least two images and two channels are required. The caller limits the
    threads of BLAS, because sums differ in the last bits if their number changes.
    """
    images, channels = features.shape
    number = min(COMPONENTS, images - 1, channels - 1)
    unit = unit_length(features.astype(np.float64))
    mean = unit.mean(axis=0)
    # Use the smaller Gram matrix, because the time grows with the cube of its size.
    narrow = (unit - mean).T if channels < images else unit - mean
    vectors = np.linalg.eigh(narrow @ narrow.T)[1][:, : -number - 1 : -1]
    if channels >= images:
        vectors, _ = np.linalg.qr(narrow.T @ vectors)
    # The sign of an eigenvector is arbitrary. Make the largest value of each positive.
    vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), range(number)])
    return Detector(mean.astype(np.float32), *to_step(np.ascontiguousarray(vectors.T)))


def fit_with_scores(features: np.ndarray, pixels_sha256: np.ndarray) -> tuple[Detector, np.ndarray]:
    """Return the detector, and out-of-fold scores for the training images.

    `features` are `(images, channels)`, and `pixels_sha256` is text `(images,)`. The scores are
    float64 `(images,)`: the images in each fold are scored by a detector fitted on the other folds.
    They are NaN if there are fewer than three images.
    """
    from threadpoolctl import threadpool_limits

    from pawprint.base.folds import draw_folds  # requires pandas, which may not be installed

    fold = draw_folds(np.zeros(len(features)), pixels_sha256, pixels_sha256)
    scores = np.full(len(features), np.nan)
    numbers = np.unique(fold) if len(features) > 2 else ()
    learned = [features[fold != number] for number in numbers]
    with threadpool_limits(1):
        *detectors, detector = map_in_threads(fit_detector, [*learned, features])
    for number, of_others in zip(numbers, detectors):
        scores[fold == number] = of_others.score(features[fold == number])
    return detector, scores


def choose_unknown_threshold(scores: np.ndarray, quantile: float) -> float:
    """Return a score that a new image does not exceed with at least this probability.

    `scores`, `(images,)`, must come from images that the detector was not fitted on: validation
    images, and training images scored by `fit_with_scores`, because there may be too few validation
    images for the quantile. The quantile is taken over `images + 1` (Vovk, Gammerman and Shafer,
    Algorithmic Learning in a Random World, 2005). With fewer than `quantile / (1 - quantile)`
    images, it is the highest score. The result is rounded up, so that a runtime with different
    rounding does not reject the image with exactly this score.
    """
    rank = min(int(np.ceil(quantile * (len(scores) + 1))), len(scores))
    return float(np.ceil(np.sort(scores)[rank - 1] * 10**DIGITS) / 10**DIGITS)
