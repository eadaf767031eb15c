"""Calibrate the served model: fit its temperature and thresholds to validation images.

`fit_rules` fits them, and `describe_rules` describes their effect on the validation images.
"""

import math
from collections.abc import Iterator

import numpy as np

from pawprint.base.classes import SIGNIFICANT, log_losses
from pawprint.base.rounding import significant
from pawprint.model.metadata import Metadata
from pawprint.model.outputs import Outputs, to_probabilities
from pawprint.model.unknown_score import choose_unknown_threshold
from pawprint.pipeline.params.model import Calibrate
from pawprint.scores.decided import LEVEL, choose_min_confidence
from pawprint.scores.evaluation import predict
from pawprint.scores.metrics import describe_found, tabulate_scores

# Standard deviation of the normal prior for log(temperature). Two thirds of the prior lie between
# 0.6 and 1.65.
PRIOR = 0.5
TEMPERATURES = (0.05, 20)  # the range to search
DIGITS = 4  # significant digits of a temperature
PRECISION = 1e-6  # of its logarithm


def fit_rules(
    params: Calibrate,
    metadata: Metadata,
    validation: Outputs,
    train_scores: np.ndarray,
    groups: np.ndarray,
) -> Metadata:
    """Return the metadata with the temperature and the thresholds that the params require.

    `train_scores`, float64 `(images,)`, are unknown scores of training images from detectors that
    were not fitted on them, or NaN if they are missing. `groups` contains each validation image's
    group; images in the same group are not independent. Raises InputError if there are too few
    validation images for `params.max_error`.
    """
    labels = metadata.labels
    temperature, thresholds = calibrate(params, labels, validation.actual, validation.logits)
    rules: dict = {"temperature": temperature, "thresholds": thresholds}
    if params.unknown_quantile is not None:
        known = train_scores[~np.isnan(train_scores)]
        scores = np.concatenate([known, validation.unknown_scores])
        rules["unknown_threshold"] = choose_unknown_threshold(scores, params.unknown_quantile)
    fitted = metadata.model_copy(update=rules)
    if params.max_error is None:
        return fitted
    rows = predict(fitted, validation, groups)
    lowest = choose_min_confidence(rows.confidence, ~rows.is_right, groups, params.max_error)
    return fitted.model_copy(update={"min_confidence": lowest})


def fit_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature in TEMPERATURES that minimises the log loss of `to_probabilities`.

    It has DIGITS significant digits.

    `actual` contains class indices, int `(images,)`, and `logits` are as in `to_probabilities`.
    Unlike the original paper, this adds a prior around 1: with few images, all predicted correctly,
    the loss would be lowest at 0. With hundreds of images, the prior has little effect.
    """
    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    actual_logits = logits[np.arange(len(logits)), actual]
    low, high = np.log(TEMPERATURES)
    while high - low > PRECISION:  # bisection; importing SciPy would take longer
        middle = (low + high) / 2
        if _slope(middle, logits, actual_logits) > 0:
            high = middle
        else:
            low = middle
    return significant(np.exp(low), DIGITS)


def _slope(logarithm: float, logits: np.ndarray, actual_logits: np.ndarray) -> float:
    """Return the derivative of the log loss for all images plus the prior.

    It is the derivative with respect to `logarithm`, the logarithm of a temperature.
    """
    temperature = np.exp(logarithm)
    expected = np.sum(to_probabilities(logits, temperature) * logits, axis=-1)
    return logarithm / PRIOR**2 + np.sum(actual_logits - expected) / temperature


def calibrate(
    params: Calibrate, labels: list[str], actual: np.ndarray, logits: np.ndarray
) -> tuple[float, dict[str, float]]:
    """Return the temperature, and the thresholds of the classes that the params list.

    `actual` and `logits` are as in `fit_temperature`. If `params.recall` has several classes,
    images that are predicted as an earlier class do not count for later ones.
    """
    temperature = significant_temperature(actual, logits) if params.temperature else 1.0
    probabilities = to_probabilities(logits, temperature)
    thresholds = dict(params.threshold or {})
    is_left = np.ones(len(actual), bool)
    for label, recall in (params.recall or {}).items():
        index = labels.index(label)
        probability = np.where(is_left, probabilities[:, index], 0)
        thresholds[label] = choose_threshold(actual == index, probability, recall)
        is_left &= probability < thresholds[label]
    return temperature, thresholds


def significant_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature from `fit_temperature`, or 1 if it is not SIGNIFICANT.

    The test is Wilks', The Large-Sample Distribution of the Likelihood Ratio, 1938
    (https://doi.org/10.1214/aoms/1177732360).
    """
    temperature = fit_temperature(actual, logits)
    before = log_losses(actual, to_probabilities(logits, 1.0)).sum()
    after = log_losses(actual, to_probabilities(logits, temperature)).sum()
    # The probability that a chi-squared variable with one degree of freedom is larger.
    p_value = math.erfc(max(before - after, 0) ** 0.5)
    return temperature if p_value < SIGNIFICANT else 1.0


def choose_threshold(is_class: np.ndarray, probability: np.ndarray, recall: float) -> float:
    """Return the threshold in (0, 1) with the best precision among those with enough recall.

    `is_class`, bool, marks the images that belong to the class, and `probability` is the class's
    predicted probability for every image; both are `(images,)`. Candidates are 0.5 and the
    midpoints between neighbouring probabilities, with six significant digits. In case of a tie, the
    candidate closest to 0.5 is chosen. If no candidate reaches `recall`, the choice is among those
    with the highest recall.
    """
    values = np.unique(np.concatenate([[0, 1], probability]))
    midpoints = (values[1:] + values[:-1]) / 2
    candidates = np.array([significant(value) for value in (*midpoints, 0.5)])
    candidates = candidates[candidates < 1]
    # Count images outside and inside the class at or above each candidate.
    wrong = (~is_class).sum() - np.searchsorted(np.sort(probability[~is_class]), candidates)
    right = is_class.sum() - np.searchsorted(np.sort(probability[is_class]), candidates)
    precision = right / np.maximum(right + wrong, 1)
    reached = right / max(1, is_class.sum())
    score = np.where(reached >= min(recall, reached.max()), precision, -1)
    best = candidates[score == score.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def describe_rules(
    params: Calibrate, metadata: Metadata, validation: Outputs, groups: np.ndarray
) -> Iterator[str]:
    """Yield lines about the rules from `fit_rules`, with counts of validation images.

    A class with a threshold has two: the images found, and a warning or "".
    """
    predictions = predict(metadata, validation, groups)
    images = len(predictions.actual)
    if predictions.is_unknown is not None:
        yield (
            f"unknown above a score of {metadata.unknown_threshold:.4g}: "
            f"{predictions.is_unknown.sum():,} of {images:,} validation images"
        )
    if predictions.is_decided is not None:
        wrong = (predictions.is_decided & ~predictions.is_right).sum()
        yield (
            f"{predictions.is_decided.sum():,} of {images:,} validation images are decided, with a "
            f"confidence of at least {metadata.min_confidence:g}; {wrong:,} of them are wrong, so "
            f"a one-sided {1 - LEVEL:.0%} interval is within max_error, {params.max_error:.2%}"
        )
    scores = tabulate_scores(predictions)
    before = predictions.probabilities.argmax(axis=-1)
    recalls = params.recall or {}
    for label, threshold in metadata.thresholds.items():
        index = metadata.labels.index(label)
        counts = describe_found(predictions.actual, predictions.predicted, before, index)
        yield f"{label} from {threshold:.4g}: {counts} of validation"
        rows = scores[(scores["label"] == label) & (scores["score"] == "recall")]
        for row in rows[["value", "low", "high", "images"]].itertuples(index=False):
            yield describe_recall(label, recalls.get(label, 0), *row)


def describe_recall(
    label: str, expected: float, value: float, low: float, high: float, images: int
) -> str:
    """Explain why validation recall is, or may be, below the expected recall, or return ""."""
    if value < expected:
        return (
            f"calibrate.recall: {label}: {expected:g} cannot be reached, because earlier classes "
            "take the other images. List this class first if it must not be missed"
        )
    if low < expected:
        return (
            f"with {images} images, a validation recall of {value:.1%} means {low:.0%} to "
            f"{high:.0%}. More validation images narrow this range"
        )
    return ""
