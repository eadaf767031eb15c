"""Fit the detector of unknown inputs, and the threshold of its score."""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from pawprint.serving.unknown import Detector, unit_length

TRAINING_IMAGES = 2000  # at most
COMPONENTS = 64
FOLDS = 5
DIGITS = 4  # of the threshold


def fit_detector(features: np.ndarray) -> Detector:
    """The mean and the first principal components of features, `(images, channels)`.

    There are COMPONENTS of them, or fewer than images and than channels. Two images and two
    channels are the minimum.
    """
    number = min(COMPONENTS, len(features) - 1, features.shape[1] - 1)
    # This solver draws no random numbers, and its time does not grow with the images squared.
    fitted = PCA(number, svd_solver="covariance_eigh").fit(unit_length(features.astype(np.float64)))
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
