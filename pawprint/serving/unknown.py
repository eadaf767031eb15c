"""The detector of unknown inputs: how far the features of an image are from those of training.

The residual of a principal component analysis, as in Wang et al., ViM: Out-Of-Distribution with
Virtual-logit Matching, 2022 (https://arxiv.org/abs/2203.10807), of features with length 1.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino
import pandas as pd
from sklearn.decomposition import PCA

from pawprint.errors import InputError, reason

FILE = "detector.npz"
TRAINING_IMAGES = 2000  # at most
COMPONENTS = 64
FOLDS = 5
DIGITS = 4  # of the threshold
SMALLEST = 1e-12  # norm to divide by, as in Keras' UnitNormalization
operations = openvino.opset15


class Detector(NamedTuple):
    """`mean` is float32 `(channels,)`, `components` float32 `(components, channels)`.

    The components are orthogonal and have length 1.
    """

    mean: np.ndarray
    components: np.ndarray

    def score(self, features: np.ndarray) -> np.ndarray:
        """float32 `(…)`, from 0 on, of features `(…, channels)`, by the served graph."""
        *shape, channels = features.shape
        given = operations.parameter([-1, channels], np.float32)
        network = openvino.Model([unknown_score(given.output(0), self)], [given])
        compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        rows = features.reshape(-1, channels).astype(np.float32)
        return compiled(rows)[0].reshape(shape)


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


def fit_detector(features: np.ndarray) -> Detector:
    """The mean and the first principal components of features, `(images, channels)`.

    There are COMPONENTS of them, or fewer than images and than channels. Two images and two
    channels are the minimum.
    """
    number = min(COMPONENTS, len(features) - 1, features.shape[1] - 1)
    # This solver draws no random numbers, and its time does not grow with the images squared.
    fitted = PCA(number, svd_solver="covariance_eigh").fit(unit_length(features))
    return Detector(fitted.mean_.astype(np.float32), fitted.components_.astype(np.float32))


def training_images(split: pd.DataFrame) -> pd.Series:
    """The paths of training images in the table SPLIT, at most TRAINING_IMAGES.

    They are those with the lowest hashes of pixels.
    """
    train = split[split["split"] == "train"].sort_values("pixels_sha256")
    return train["path"][:TRAINING_IMAGES]


def fit_unknown(
    training: np.ndarray, validation: np.ndarray, quantile: float
) -> tuple[Detector, float]:
    """The detector, and the score above which an image is unknown.

    `training` and `validation` are features, `(images, squares, channels)`; the score of an image
    is the mean over its squares. The detector is fitted on training. The scores behind the
    threshold are of images that it is not fitted on: those of validation, and those of each of
    FOLDS of training by a detector of the others, as validation alone has few images for the
    quantile.
    """
    fold = np.arange(len(training)) % FOLDS
    scores = []
    for each in np.unique(fold) if len(training) > 2 else ():
        others = fit_detector(np.concatenate(training[fold != each]))
        scores.append(others.score(training[fold == each]))
    detector = fit_detector(np.concatenate(training))
    scores = np.concatenate([*scores, detector.score(validation)]).mean(axis=1)
    return detector, choose_unknown_threshold(scores, quantile)


def choose_unknown_threshold(scores: np.ndarray, quantile: float) -> float:
    """The score that a new image does not exceed with at least this probability.

    `scores`, `(images,)`, are of images of the same kind; the quantile is that of `images + 1`
    (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005). With fewer than
    `quantile / (1 - quantile)` images it is the highest score. It is rounded up, so that rounding
    in another runtime does not refuse the image it belongs to.
    """
    rank = min(int(np.ceil(quantile * (len(scores) + 1))), len(scores))
    return float(np.ceil(np.sort(scores)[rank - 1] * 10**DIGITS) / 10**DIGITS)


def write_detector(folder: Path, detector: Detector) -> None:
    """Write detector.npz: the arrays by their names, the same bytes for the same arrays."""
    np.savez(folder / FILE, **detector._asdict())


def read_detector(folder: Path) -> Detector:
    """The detector of a served model with an unknown threshold.

    Raises InputError if the file is missing or holds other arrays.
    """
    path = folder / FILE
    try:
        with np.load(path) as arrays:
            return Detector(**arrays)
    except Exception as error:  # NumPy raises anything for a damaged file
        raise InputError(
            f"{path}: expected the arrays {' and '.join(Detector._fields)}. Received: "
            f"{reason(error)}. Run `dvc repro`."
        ) from None
