"""The detector of unknown inputs: how far the features of an image are from those of training.

The residual of a principal component analysis, as in Wang et al., ViM: Out-Of-Distribution with
Virtual-logit Matching, 2022 (https://arxiv.org/abs/2203.10807), of features with length 1.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from pawprint.core.errors import InputError, reason

FILE = "detector.npz"
COMPONENTS = 64
DIGITS = 4  # of the threshold
SMALLEST = 1e-12  # norm to divide by, as in Keras' UnitNormalization


class Detector(NamedTuple):
    """`mean` is float32 `(channels,)`, `components` float32 `(components, channels)`.

    The components are orthogonal and have length 1.
    """

    mean: np.ndarray
    components: np.ndarray

    def score(self, features: np.ndarray) -> np.ndarray:
        """float `(…)`, from 0 on, of features `(…, channels)`.

        The features are divided by their norm. The score is the norm of what mean and components
        do not explain.
        """
        unit = unit_length(features)
        centred = unit - self.mean
        explained = centred @ self.components.T @ self.components
        return np.linalg.norm(centred - explained, axis=-1)


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
    fitted = PCA(number, svd_solver="covariance_eigh").fit(unit_length(features))
    return Detector(fitted.mean_.astype(np.float32), fitted.components_.astype(np.float32))


def choose_unknown_threshold(scores: np.ndarray, quantile: float) -> float:
    """The lowest of the scores, `(images,)`, that at least this fraction of them do not exceed.

    It is rounded up, so that rounding in another runtime does not refuse the image it belongs to.
    With fewer than `1 / (1 - quantile)` images it is the highest score: none of them is refused,
    and of new images of the same kind about one in `images + 1`.
    """
    threshold = np.quantile(scores, quantile, method="inverted_cdf")
    return float(np.ceil(threshold * 10**DIGITS) / 10**DIGITS)


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
