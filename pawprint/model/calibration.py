"""Calibrate a model, from logits to labels: temperature, thresholds, detector of unknown images."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino

from pawprint.classes import SIGNIFICANT, log_losses
from pawprint.files import read_arrays
from pawprint.model.metadata import to_probabilities
from pawprint.params.model import Calibrate

# Standard deviation of the normal prior of log(temperature): two thirds of the prior's mass lies
# between 0.6 and 1.65.
PRIOR = 0.5
TEMPERATURES = (0.05, 20)  # range of the search


def fit_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature in TEMPERATURES with the lowest log loss of `to_probabilities`.

    `actual` holds indices of classes, int `(images,)`; `logits` is as for `to_probabilities`. The
    prior around 1 is an addition to the paper: with few images and no error among them, the loss is
    lowest at 0. With hundreds of images, the prior has little effect.
    """
    from scipy.optimize import minimize_scalar  # takes long, and `pawprint predict` needs none

    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    actual_logits = logits[np.arange(len(logits)), actual]
    minimum = minimize_scalar(
        _loss, bounds=np.log(TEMPERATURES), args=(logits, actual_logits), method="bounded"
    )
    return float(np.exp(minimum.x))


def _loss(logarithm: float, logits: np.ndarray, actual_logits: np.ndarray) -> float:
    """Return the log loss of all images and the prior, at the logarithm of a temperature."""
    temperature = np.exp(logarithm)
    normalizer = np.logaddexp.reduce(logits / temperature, axis=-1)
    return (logarithm / PRIOR) ** 2 / 2 - np.sum(actual_logits / temperature - normalizer)


def calibrate(
    params: Calibrate, labels: list[str], actual: np.ndarray, logits: np.ndarray
) -> tuple[float, dict[str, float]]:
    """Return the temperature, and the thresholds of the classes that the params name.

    `actual` and `logits` are as in `fit_temperature`. With several classes in `params.recall`,
    images predicted as an earlier class do not count for later ones.
    """
    temperature = significant_temperature(actual, logits) if params.temperature else 1.0
    probabilities = to_probabilities(logits, temperature)
    thresholds = _by_class(params.threshold)
    is_left = np.ones(len(actual), bool)
    for label, recall in _by_class(params.recall).items():
        index = labels.index(label)
        probability = np.where(is_left, probabilities[:, index], 0)
        thresholds[label] = choose_threshold(actual == index, probability, recall)
        is_left &= probability < thresholds[label]
    return temperature, thresholds


def _by_class(param: dict[str, float] | float | None) -> dict[str, float]:
    """Return a param by class. `problem_of_threshold` refuses a number without a class."""
    return dict(param) if isinstance(param, dict) else {}


def significant_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature of `fit_temperature`, or 1 if it is not SIGNIFICANT."""
    temperature = fit_temperature(actual, logits)
    significant = likelihood_ratio_test(actual, logits, temperature) < SIGNIFICANT
    return temperature if significant else 1.0


def likelihood_ratio_test(actual: np.ndarray, logits: np.ndarray, temperature: float) -> float:
    """Return the p-value, in [0, 1], for the hypothesis that the temperature is 1.

    The temperature is fitted on the same images. Wilks, The Large-Sample Distribution of the
    Likelihood Ratio, 1938 (https://doi.org/10.1214/aoms/1177732360).
    """
    from scipy.special import chdtrc

    before, after = (
        log_losses(actual, to_probabilities(logits, value)).sum() for value in (1.0, temperature)
    )
    return float(chdtrc(1, max(2 * (before - after), 0)))


def choose_threshold(is_class: np.ndarray, probability: np.ndarray, recall: float) -> float:
    """Return the threshold in (0, 1) with the best precision at this recall or more.

    `is_class`, bool, says which images belong to the class, and `probability` is the probability of
    the class; both are `(images,)`. Candidates are 0.5 and the midpoints of neighbouring
    probabilities. Ties go to the candidate nearest to 0.5. If none has this recall, the best one
    with the highest recall is chosen.
    """
    values = np.unique(np.concatenate([[0, 1], probability]))
    candidates = np.append((values[1:] + values[:-1]) / 2, 0.5)
    # Images of either class at or above each candidate.
    wrong, right = (
        len(group) - np.searchsorted(np.sort(group), candidates)
        for group in (probability[~is_class], probability[is_class])
    )
    precision = right / np.maximum(right + wrong, 1)
    reached = right / max(1, is_class.sum())
    score = np.where(reached >= min(recall, reached.max()), precision, -1)
    best = candidates[score == score.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def describe_recall(
    label: str, expected: float, value: float, low: float, high: float, images: int
) -> str:
    """Explain a validation recall that is, or may be, below the expected recall, or return ""."""
    if value < expected:
        return (
            f"calibrate.recall: {label}: {expected:g} is not reached, because earlier classes get "
            "the other images. Name it before them if it must not be missed"
        )
    if low < expected:
        return (
            f"with {images} images, a validation recall of {value:.1%} means {low:.0%} to "
            f"{high:.0%}. More validation images make it more certain"
        )
    return ""


DETECTOR_FILE = "detector.npz"
SMALLEST = 1e-12  # norm to divide by, as in Keras' UnitNormalization
operations = openvino.opset15
DETECTOR_IMAGES = 1000  # training images, at most
COMPONENTS = 64
DIGITS = 4  # of the threshold


class Detector(NamedTuple):
    """A detector of unknown images, based on the principal components of features.

    `mean` is float32 `(channels,)`, `components` float32 `(components, channels)`. The components
    are orthogonal and have length 1.
    """

    mean: np.ndarray
    components: np.ndarray

    def score(self, features: np.ndarray) -> np.ndarray:
        """Return scores, float64 `(…)` >= 0, of features `(…, channels)`, by the served graph."""
        *shape, channels = features.shape
        parameter = operations.parameter([-1, channels], np.float32)
        network = openvino.Model([unknown_score(parameter.output(0), self)], [parameter])
        compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        rows = features.reshape(-1, channels).astype(np.float32)
        return compiled(rows)[0].reshape(shape).astype(np.float64)


def unknown_score(features: openvino.Output, detector: Detector) -> openvino.Node:
    """Return the norm of the residual, `(images, 1)`, of features `(images, channels)`.

    The features are divided by their norm; the residual is the part that mean and components do not
    explain.
    """
    mean, components = (operations.constant(array, np.float32) for array in detector)
    unit = operations.normalize_l2(features, np.array([1]), SMALLEST**2, "max")  # of squares
    centred = operations.subtract(unit, mean)
    projected = operations.matmul(centred, components, False, True)
    explained = operations.matmul(projected, components, False, False)
    residual = operations.subtract(centred, explained)
    return operations.reduce_l2(residual, np.array([1]), keep_dims=True)


def unit_length(features: np.ndarray) -> np.ndarray:
    """Divide features `(…, channels)` by their norm; zeros stay zeros."""
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norm, SMALLEST)


def read_detector(folder: Path) -> Detector:
    """Read the detector of a served model with an unknown threshold.

    Raises InputError if the file is missing or holds other arrays.
    """
    return Detector(**read_arrays(folder / DETECTOR_FILE, Detector._fields))


def fit_detector(features: np.ndarray) -> Detector:
    """Return a detector: mean and first principal components of features `(images, channels)`.

    Their number is COMPONENTS, or one less than the number of images or channels. At least two
    images and two channels are required.
    """
    from scipy.linalg import eigh, qr  # takes long, and `pawprint predict` needs none
    from threadpoolctl import threadpool_limits

    images, channels = features.shape
    number = min(COMPONENTS, images - 1, channels - 1)
    unit = unit_length(features.astype(np.float64))
    mean = unit.mean(axis=0)
    # Use the smaller product of the matrix with itself, because the time grows with its cube.
    narrow = (unit - mean).T if channels < images else unit - mean
    last = (len(narrow) - number, len(narrow) - 1)
    with threadpool_limits(1):  # the number of threads changes the last bits of a sum
        vectors = eigh(narrow @ narrow.T, subset_by_index=last)[1][:, ::-1]
        if channels >= images:
            vectors, _ = qr(narrow.T @ vectors, mode="economic")
    return Detector(mean.astype(np.float32), vectors.T.astype(np.float32))


def fit_unknown(features: np.ndarray, pixels_sha256: np.ndarray) -> tuple[Detector, np.ndarray]:
    """Return the detector, and scores of training images from detectors not fitted on them.

    `features` are `(images, channels)`, `pixels_sha256` is text `(images,)`, and the scores are
    float64 `(images,)`: each fold is scored by a detector of the others. Fewer than three images
    have NaN.
    """
    from pawprint.draws import draw_folds  # needs pandas, which a small installation does not have

    fold = draw_folds(np.zeros(len(features)), pixels_sha256, pixels_sha256)
    scores = np.full(len(features), np.nan)
    for number in np.unique(fold) if len(features) > 2 else ():
        detector = fit_detector(features[fold != number])
        scores[fold == number] = detector.score(features[fold == number])
    return fit_detector(features), scores


def choose_unknown_threshold(scores: np.ndarray, quantile: float) -> float:
    """Return the score that a new image does not exceed with at least this probability.

    `scores`, `(images,)`, belong to images that the detector is not fitted on: validation images,
    and training images scored by `fit_unknown`, because validation alone has few images for the
    quantile. The quantile is taken of `images + 1` (Vovk, Gammerman and Shafer, Algorithmic
    Learning in a Random World, 2005). With fewer than `quantile / (1 - quantile)` images, it is the
    highest score. It is rounded up, so that rounding in another runtime does not reject the image
    with this score.
    """
    rank = min(int(np.ceil(quantile * (len(scores) + 1))), len(scores))
    return float(np.ceil(np.sort(scores)[rank - 1] * 10**DIGITS) / 10**DIGITS)
