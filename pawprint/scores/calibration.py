"""Calibrate the served model: fit its temperature and thresholds to validation images.

`fit_rules` fits these rules, `predict` applies them, and `describe_rules` describes their effect on
the validation images. `choose_min_confidence` chooses the confidence below which predictions are
unsure, so that few other ones are wrong.
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from pawprint.base.columns import DECIDED
from pawprint.base.errors import InputError
from pawprint.base.labels import MAX_NONE, ONE_CLASS, SEVERAL_LABELS, kind_of
from pawprint.base.rounding import significant
from pawprint.model.metadata import Metadata
from pawprint.model.outputs import Logits
from pawprint.model.unknown_score import choose_unknown_threshold
from pawprint.pipeline.params.model import Calibrate
from pawprint.scores.intervals import (
    CONFIDENCE,
    SIGNIFICANT,
    fraction_interval,
    independent_counts,
    independent_images,
)
from pawprint.scores.metrics import Predictions

# Standard deviation of the normal prior for log(temperature). Two thirds of the prior lie between
# 0.6 and 1.65.
PRIOR = 0.5
TEMPERATURES = (0.05, 20)  # the range to search
DIGITS = 4  # significant digits of a temperature
PRECISION = 1e-6  # of its logarithm
LEVEL = 0.1  # maximum probability that the error of decided images exceeds the limit
STEPS = 20  # number of steps in the curve of decided images and in the sequence of tests
NEARLY_ALL = f"at least {1 - MAX_NONE:.1%} of the training photos have a label"
CONFIDENCE_DIGITS = 4  # number of digits in a confidence, as in `pawprint predict`
ERRORS = np.arange(1, 1000) / 1000  # candidates for the smallest possible error


def fit_rules(
    params: Calibrate,
    metadata: Metadata,
    validation: Logits,
    train_scores: np.ndarray,
    groups: np.ndarray,
) -> Metadata:
    """Return the metadata with the temperature and the thresholds that the params require.

    `train_scores`, float64 `(images,)`, are unknown scores of training images from detectors that
    were not fitted on them, or NaN if they are missing. `groups` contains each validation image's
    group; images in the same group are not independent. Raises InputError if there are too few
    validation images for `params.max_error`.
    """
    of_images = validation.actual, validation.logits, groups
    temperature, thresholds = calibrate(params, metadata.labels, *of_images)
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


def fit_temperature(actual: np.ndarray, logits: np.ndarray, weight: float = 1) -> float:
    """Return the temperature in TEMPERATURES that minimises the log loss of classes.

    It has DIGITS significant digits.

    `actual` contains class indices, int `(images,)`, and `logits` are `(images, units)`.
    `weight` is how much an image counts, less than 1 if images are not independent.
    Unlike the original paper, this adds a prior around 1: with few images, all predicted correctly,
    the loss would be lowest at 0. With hundreds of images, the prior has little effect.
    """
    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    actual_logits = logits[np.arange(len(logits)), actual]
    low, high = np.log(TEMPERATURES)
    while high - low > PRECISION:  # bisection; importing SciPy would take longer
        middle = (low + high) / 2
        if _slope(middle, logits, actual_logits, weight) > 0:
            high = middle
        else:
            low = middle
    return significant(np.exp(low), DIGITS)


def _slope(logarithm: float, logits: np.ndarray, actual_logits: np.ndarray, weight: float) -> float:
    """Return the derivative of the log loss for all images, each with a weight, plus the prior.

    It is the derivative with respect to `logarithm`, the logarithm of a temperature.
    """
    temperature = np.exp(logarithm)
    expected = np.sum(ONE_CLASS.to_probabilities(logits, temperature) * logits, axis=-1)
    return logarithm / PRIOR**2 + weight * np.sum(actual_logits - expected) / temperature


def calibrate(
    params: Calibrate, labels: list[str], actual: np.ndarray, logits: np.ndarray, groups: np.ndarray
) -> tuple[float, dict[str, float]]:
    """Return the temperature, and the thresholds of the classes that the params list.

    `actual` and `logits` are as in `Logits`, and `groups` as in `fit_rules`. If `params.recall`
    has several classes, images that are predicted as an earlier class do not count for later ones.
    Labels that do not exclude each other take no images from each other.
    """
    temperature = significant_temperature(actual, logits, groups) if params.temperature else 1.0
    kind = kind_of(actual)
    probabilities = kind.to_probabilities(logits, temperature)
    thresholds = dict(params.threshold or {})
    is_left = np.ones(len(actual), bool)
    is_of = kind.indicators(actual, len(labels))
    is_known = kind.known(actual, len(labels))
    is_named = kind.indicators(kind.predict(probabilities), len(labels))
    for label, recall in (params.recall or {}).items():
        index = labels.index(label)
        probability = np.where(is_left, probabilities[:, index], 0)
        is_found = is_left & is_named[:, index]
        rows = is_known[:, index]
        of_images = is_of[rows, index], is_found[rows], probability[rows]
        thresholds[label] = choose_threshold(*of_images, recall)
        if kind.exclusive:
            is_left &= probability < thresholds[label]
    return temperature, thresholds


def significant_temperature(actual: np.ndarray, logits: np.ndarray, groups: np.ndarray) -> float:
    """Return the temperature from `fit_temperature`, or 1 if it is not SIGNIFICANT.

    `actual` and `logits` are as in `Logits`. The loss of an image is the sum over its labels, each
    of which it has or not, unless they exclude each other.

    The test is Wilks', The Large-Sample Distribution of the Likelihood Ratio, 1938
    (https://doi.org/10.1214/aoms/1177732360), with the design effect of the `groups`, `(images,)`,
    and of images whose labels are easy or hard together: the variance of the images' slopes,
    divided by the sum of their labels' variances.
    """
    weight = independent_images(groups) / len(groups)
    if not kind_of(actual).exclusive:
        is_known = actual >= 0
        slopes = logits * (actual - SEVERAL_LABELS.to_probabilities(logits))
        slopes -= slopes[is_known].mean()
        slopes *= is_known
        together = np.sum(slopes.sum(axis=1) ** 2)
        weight *= min(1.0, np.sum(slopes**2) / together) if together else 1.0
        actual, logits = actual[is_known].astype(int), logits[is_known][:, None]
    temperature = fit_temperature(actual, logits, weight)
    before = ONE_CLASS.losses(actual, ONE_CLASS.to_probabilities(logits)).sum()
    after = ONE_CLASS.losses(actual, ONE_CLASS.to_probabilities(logits, temperature)).sum()
    # The probability that a chi-squared variable with one degree of freedom is larger.
    p_value = math.erfc((weight * max(before - after, 0)) ** 0.5)
    return temperature if p_value < SIGNIFICANT else 1.0


def choose_threshold(
    is_class: np.ndarray, is_found: np.ndarray, probability: np.ndarray, recall: float
) -> float:
    """Return the threshold in (0, 0.5] with the best precision among those with enough recall.

    `is_class`, bool, marks the images that belong to the class, `is_found` those that are predicted
    as the class without a threshold, and `probability` is the class's predicted probability for
    every image; all are `(images,)`. Candidates are 0.5 and the midpoints between neighbouring
    probabilities, with six significant digits, at which all images in `is_found` are still found.
    In case of a tie, the highest candidate is chosen. If no candidate reaches `recall`, the choice
    is among those with the highest recall.
    """
    values = np.unique(np.concatenate([[0, 1], probability]))
    midpoints = (values[1:] + values[:-1]) / 2
    candidates = np.array([significant(value) for value in (*midpoints, 0.5)])
    candidates = candidates[candidates <= probability[is_found].min(initial=0.5)]
    # Count images outside and inside the class at or above each candidate.
    wrong = (~is_class).sum() - np.searchsorted(np.sort(probability[~is_class]), candidates)
    right = is_class.sum() - np.searchsorted(np.sort(probability[is_class]), candidates)
    precision = right / np.maximum(right + wrong, 1)
    reached = right / max(1, is_class.sum())
    score = np.where(reached >= min(recall, reached.max()), precision, -1)
    return float(candidates[score == score.max()].max())


def enough_images(max_error: float) -> int:
    """Return how many independent images, all correct, show that at most `max_error` are wrong."""
    return math.ceil(math.log(LEVEL) / math.log1p(-max_error))


def choose_min_confidence(
    confidence: np.ndarray, is_wrong: np.ndarray, groups: np.ndarray, max_error: float
) -> float:
    """Return the confidence in [0, 1) from which predictions are decided; with 0, all are decided.

    `is_wrong` is bool. Images in the same group are not independent. Starting with the most
    confident images, each of the STEPS with `enough_images` is tested: a binomial test at LEVEL
    must reject the hypothesis that more than `max_error` are wrong. Images before the first failure
    are decided, so the number of tests needs no correction. This is fixed sequence testing as in
    Angelopoulos et al., Learn then Test, 2021 (https://arxiv.org/abs/2110.01052).

    Raises InputError, with the smallest possible `max_error` for these images, if none is decided.
    """
    confidence = confidence.round(CONFIDENCE_DIGITS)
    number = len(confidence)
    order, ends = _steps(confidence)
    counts = [independent_counts(is_wrong[order[:end]], groups[order[:end]]) for end in ends]
    wrong, images = np.transpose(counts)
    passed = ends[_passing(wrong, images, max_error)]
    if not len(passed):
        possible = (error for error in ERRORS if len(_passing(wrong, images, error)))
        smallest = next(possible, ERRORS[-1])
        tested = np.flatnonzero(images >= enough_images(max_error))
        why = f"{max_error:g} takes {enough_images(max_error):,} images or more without an error"
        if len(tested):
            why = f"{wrong[tested[0]]:,} of the {ends[tested[0]]:,} most confident are wrong"
        groups_as = f", as {images[-1]:,} independent ones," if images[-1] < number else ""
        raise InputError(
            f"params.yaml: calibrate.max_error: expected {smallest:g} or more, the smallest error "
            f"that {number:,} validation images{groups_as} allow ({why}). Received: {max_error:g}"
        )
    last = passed[-1]
    return float(confidence[order[last - 1 : last + 1]].mean()) if last < number else 0.0


def _passing(wrong: np.ndarray, images: np.ndarray, error: float) -> np.ndarray:
    """Return the indices of the steps before the first one that fails the test, int `(steps,)`."""
    from scipy.special import bdtr  # imported here because it is slow and rarely needed

    tested = np.flatnonzero(images >= enough_images(error))
    passes = bdtr(wrong[tested], images[tested], error) <= LEVEL
    return tested[np.logical_and.accumulate(passes)]


def tabulate_decided(confidence: np.ndarray, is_wrong: np.ndarray) -> pd.DataFrame:
    """Return the DECIDED table: the error on the most confident images, in at most STEPS parts."""
    order, ends = _steps(confidence)
    return pd.DataFrame(
        {
            "decided": ends / len(order),
            "error": np.cumsum(is_wrong[order])[ends - 1] / ends,
            "confidence": confidence[order[ends - 1]],
        }
    )[list(DECIDED)]


def _steps(confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort the images by decreasing confidence, and cut them into at most STEPS equal parts.

    Returns the order, int `(images,)`, and the ends of the parts, int `(parts,)`. Images with equal
    confidence stay in the same part.
    """
    order = np.argsort(-confidence, kind="stable")
    ends = np.ceil(len(order) * np.arange(1, STEPS + 1) / STEPS).astype(int)
    falling = -confidence[order]
    return order, np.unique(np.searchsorted(falling, falling[ends - 1], side="right"))


def predict(metadata: Metadata, outputs: Logits, groups: np.ndarray) -> Predictions:
    """Return the served model's predictions from its outputs, given each image's group."""
    probabilities = metadata.kind.to_probabilities(outputs.logits, metadata.temperature)
    return decide(metadata, outputs.actual, probabilities, outputs.unknown_scores, groups)


def decide(
    metadata: Metadata,
    actual: np.ndarray,
    probabilities: np.ndarray,
    unknown_scores: np.ndarray,
    groups: np.ndarray,
) -> Predictions:
    """Return the predictions that follow from the model's rules; see Predictions for the arrays."""
    is_unknown = metadata.are_unknown(unknown_scores)
    is_decided = None if metadata.min_confidence is None else metadata.are_decided(probabilities)
    of_images = actual, probabilities, metadata.encoded(probabilities)
    return Predictions(*of_images, metadata.labels, groups, is_unknown, is_decided)


def describe_rules(
    params: Calibrate, metadata: Metadata, validation: Logits, groups: np.ndarray
) -> Iterator[str]:
    """Yield lines about the rules from `fit_rules`, with counts of validation images.

    A class with a threshold has one, the images found. With a target recall, it has two more: the
    recall that they promise for others of the same kind, and a warning or "".
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
            f"confidence of at least {metadata.min_confidence:g}; {wrong:,} of them are wrong"
        )
    before = predict(metadata.model_copy(update={"thresholds": {}}), validation, groups)
    if metadata.at_least_one:
        own = ", unless it is below its own threshold" if metadata.thresholds else ""
        yield f"{NEARLY_ALL}, so the most probable is named if none reaches 0.5{own}"
    elif not metadata.exclusive:
        few = f"more than {MAX_NONE:.1%} of the training photos have none"
        yield f"labels are named from 0.5 on, or none at all, because {few}"
    recalls = params.recall or {}
    for label, threshold in metadata.thresholds.items():
        index = metadata.labels.index(label)
        is_known = predictions.is_known[:, index]
        of_label = (predictions.is_of, predictions.is_named, before.is_named)
        is_class, is_found, was_found = (array[is_known, index] for array in of_label)
        yield (
            f"{label} from {threshold:.4g}: {is_found[is_class].sum()} of {is_class.sum()} found "
            f"(was {was_found[is_class].sum()}), {is_found[~is_class].sum()} false alarms "
            f"(was {was_found[~is_class].sum()}) of validation"
        )
        if label in recalls and is_class.any():
            counts = independent_counts(is_found[is_class], groups[is_known][is_class])
            low, _ = fraction_interval(*counts)
            found = f"at least {low:.0%} will be found ({CONFIDENCE:.0%} confidence)"
            yield f"of other photos of {label}, {found}"
            yield describe_recall(label, recalls[label], is_found[is_class].mean())


def describe_recall(label: str, expected: float, recall: float) -> str:
    """Explain why validation recall is below the expected recall, or return ""."""
    if recall >= expected:
        return ""
    return (
        f"calibrate.recall: {label}: {expected:g} cannot be reached, because earlier classes take "
        "the other images. List this class first if it must not be missed"
    )
