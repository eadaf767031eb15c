"""Calibrate a model: fit its temperature, its thresholds, and a detector of unknown images."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino

from pawprint.classes import SIGNIFICANT, log_losses
from pawprint.files import read_arrays
from pawprint.model.metadata import to_probabilities
from pawprint.params.model import Calibrate

# Standard deviation of the normal prior for log(temperature). Two thirds of the prior lie between
# temperatures of 0.6 and 1.65.
PRIOR = 0.5
TEMPERATURES = (0.05, 20)  # the range to search


def fit_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature in TEMPERATURES that minimises the log loss of `to_probabilities`.

    `actual` contains class indices, int `(images,)`, and `logits` are those of `to_probabilities`.
    Unlike the original paper, this adds a prior around 1: with few images, all predicted correctly,
    the loss would be lowest at 0. With hundreds of images, the prior has little effect.
    """
    # Importing it is slow, and `pawprint predict` does not need it.
    from scipy.optimize import minimize_scalar

    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    actual_logits = logits[np.arange(len(logits)), actual]
    minimum = minimize_scalar(
        _loss, bounds=np.log(TEMPERATURES), args=(logits, actual_logits), method="bounded"
    )
    return float(np.exp(minimum.x))


def _loss(logarithm: float, logits: np.ndarray, actual_logits: np.ndarray) -> float:
    """Return the log loss of all images plus the prior, given the logarithm of a temperature."""
    temperature = np.exp(logarithm)
    normalizer = np.logaddexp.reduce(logits / temperature, axis=-1)
    return (logarithm / PRIOR) ** 2 / 2 - np.sum(actual_logits / temperature - normalizer)


def calibrate(
    params: Calibrate, labels: list[str], actual: np.ndarray, logits: np.ndarray
) -> tuple[float, dict[str, float]]:
    """Return the temperature, and the thresholds of the classes that the params list.

    `actual` and `logits` are those of `fit_temperature`. If `params.recall` has several classes,
    images that are predicted as an earlier class do not count for later ones.
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
    """Return a param by class. `problem_of_threshold` has rejected numbers without a class."""
    return dict(param) if isinstance(param, dict) else {}


def significant_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature from `fit_temperature`, or 1 if it is not SIGNIFICANT."""
    temperature = fit_temperature(actual, logits)
    significant = likelihood_ratio_test(actual, logits, temperature) < SIGNIFICANT
    return temperature if significant else 1.0


def likelihood_ratio_test(actual: np.ndarray, logits: np.ndarray, temperature: float) -> float:
    """Return the p-value, in [0, 1], for the hypothesis that the temperature is 1.

    The temperature must be fitted on the same images. See Wilks, The Large-Sample Distribution of
    the Likelihood Ratio, 1938 (https://doi.org/10.1214/aoms/1177732360).
    """
    from scipy.special import chdtrc

    before, after = (
        log_losses(actual, to_probabilities(logits, value)).sum() for value in (1.0, temperature)
    )
    return float(chdtrc(1, max(2 * (before - after), 0)))


def choose_threshold(is_class: np.ndarray, probability: np.ndarray, recall: float) -> float:
    """Return the threshold in (0, 1) with the best precision among those with enough recall.

    `is_class`, bool, marks the images that belong to the class, and `probability` is their
    predicted probability of the class; both are `(images,)`. Candidates are 0.5 and the midpoints
    between neighbouring probabilities. In case of a tie, the candidate closest to 0.5 is chosen. If
    no candidate reaches `recall`, the choice is among those with the highest recall.
    """
    values = np.unique(np.concatenate([[0, 1], probability]))
    candidates = np.append((values[1:] + values[:-1]) / 2, 0.5)
    # Number of images outside and inside the class, at or above each candidate.
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
    """Explain why validation recall is, or may be, below the expected recall, or return ""."""
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
SMALLEST = 1e-12  # the smallest norm to divide by, as in Keras' UnitNormalization
operations = openvino.opset15
DETECTOR_IMAGES = 1000  # maximum number of training images
COMPONENTS = 64
DIGITS = 4  # to which the threshold is rounded


class Detector(NamedTuple):
    """A detector of unknown images, based on the principal components of their features.

    `mean` is float32 `(channels,)`, and `components` is float32 `(components, channels)`. The
    components are orthogonal unit vectors.
    """

    mean: np.ndarray
    components: np.ndarray

    def score(self, features: np.ndarray) -> np.ndarray:
        """Return scores, float64 `(…)` >= 0, for features `(…, channels)`, as the model does."""
        *shape, channels = features.shape
        parameter = operations.parameter([-1, channels], np.float32)
        network = openvino.Model([unknown_score(parameter.output(0), self)], [parameter])
        compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        rows = features.reshape(-1, channels).astype(np.float32)
        return compiled(rows)[0].reshape(shape).astype(np.float64)


def unknown_score(features: openvino.Output, detector: Detector) -> openvino.Node:
    """Return the norm of the residual, `(images, 1)`, for features `(images, channels)`.

    Features are first divided by their norm. The residual is the part that the mean and the
    components do not explain.
    """
    mean, components = (operations.constant(array, np.float32) for array in detector)
    unit = operations.normalize_l2(features, np.array([1]), SMALLEST**2, "max")  # of squared values
    centred = operations.subtract(unit, mean)
    projected = operations.matmul(centred, components, False, True)
    explained = operations.matmul(projected, components, False, False)
    residual = operations.subtract(centred, explained)
    return operations.reduce_l2(residual, np.array([1]), keep_dims=True)


def unit_length(features: np.ndarray) -> np.ndarray:
    """Divide features `(…, channels)` by their norm. Zero vectors stay zero."""
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norm, SMALLEST)


def read_detector(folder: Path) -> Detector:
    """Read the detector of a served model that has an unknown threshold.

    Raises InputError if the file is missing or contains other arrays.
    """
    return Detector(**read_arrays(folder / DETECTOR_FILE, Detector._fields))


def fit_detector(features: np.ndarray) -> Detector:
    """Fit a detector to features `(images, channels)`: their mean and first principal components.

    The number of components is COMPONENTS, or one less than the number of images or channels if
    that is smaller. At least two images and two channels are required.
    """
    # Importing it is slow, and `pawprint predict` does not need it.
    from scipy.linalg import eigh, qr
    from threadpoolctl import threadpool_limits

    images, channels = features.shape
    number = min(COMPONENTS, images - 1, channels - 1)
    unit = unit_length(features.astype(np.float64))
    mean = unit.mean(axis=0)
    # Use the smaller of the two Gram matrices, because the time grows with the cube of its size.
    narrow = (unit - mean).T if channels < images else unit - mean
    last = (len(narrow) - number, len(narrow) - 1)
    with threadpool_limits(1):  # the number of threads changes the last bits of a sum
        vectors = eigh(narrow @ narrow.T, subset_by_index=last)[1][:, ::-1]
        if channels >= images:
            vectors, _ = qr(narrow.T @ vectors, mode="economic")
    return Detector(mean.astype(np.float32), vectors.T.astype(np.float32))


def fit_unknown(features: np.ndarray, pixels_sha256: np.ndarray) -> tuple[Detector, np.ndarray]:
    """Return the detector, and out-of-fold scores for the training images.

    `features` are `(images, channels)`, and `pixels_sha256` is text `(images,)`. The scores are
    float64 `(images,)`: the images in each fold are scored by a detector fitted on the other folds.
    They are NaN if there are fewer than three images.
    """
    from pawprint.draws import draw_folds  # needs pandas, which a small installation may lack

    fold = draw_folds(np.zeros(len(features)), pixels_sha256, pixels_sha256)
    scores = np.full(len(features), np.nan)
    for number in np.unique(fold) if len(features) > 2 else ():
        detector = fit_detector(features[fold != number])
        scores[fold == number] = detector.score(features[fold == number])
    return fit_detector(features), scores


def choose_unknown_threshold(scores: np.ndarray, quantile: float) -> float:
    """Return a score that a new image does not exceed with at least this probability.

    `scores`, `(images,)`, must come from images that the detector was not fitted on: validation
    images, and training images scored by `fit_unknown`, because there may be too few validation
    images for the quantile. The quantile is taken over `images + 1` (Vovk, Gammerman and Shafer,
    Algorithmic Learning in a Random World, 2005). With fewer than `quantile / (1 - quantile)`
    images, it is the highest score. The result is rounded up, so that rounding in another runtime
    does not reject the image with exactly this score.
    """
    rank = min(int(np.ceil(quantile * (len(scores) + 1))), len(scores))
    return float(np.ceil(np.sort(scores)[rank - 1] * 10**DIGITS) / 10**DIGITS)
