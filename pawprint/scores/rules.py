"""Fit the temperature and the thresholds of the served model to validation images."""

from collections.abc import Iterator

import numpy as np

from pawprint.model.calibration import calibrate, describe_recall
from pawprint.model.detector import choose_unknown_threshold
from pawprint.model.metadata import Metadata, Outputs, to_probabilities
from pawprint.params.model import Calibrate
from pawprint.scores.decided import LEVEL, choose_min_confidence
from pawprint.scores.metrics import (
    OF_A_CLASS,
    Predictions,
    describe_found,
    describe_fractions,
    tabulate_scores,
)


def fit_rules(
    params: Calibrate,
    metadata: Metadata,
    validation: Outputs,
    train_scores: np.ndarray,
    groups: np.ndarray,
) -> Metadata:
    """Return the metadata with the temperature and the thresholds that the params ask for.

    `train_scores`, float64 `(images,)`, are unknown scores of training images from detectors that
    were not fitted on them, or NaN if they are missing. `groups` contains the group of each
    validation image; images in the same group are not independent. Raises InputError if there are
    too few validation images for `params.max_error`.
    """
    labels = metadata.labels
    temperature, thresholds = calibrate(params, labels, validation.actual, validation.logits)
    unknown_threshold = None
    if params.unknown_quantile is not None:
        known = train_scores[~np.isnan(train_scores)]
        scores = np.concatenate([known, validation.unknown_scores])
        unknown_threshold = choose_unknown_threshold(scores, params.unknown_quantile)
    fitted = metadata.model_copy(
        update={
            "temperature": temperature,
            "thresholds": thresholds,
            "unknown_threshold": unknown_threshold,
        }
    )
    if params.max_error is None:
        return fitted
    rows = predict(fitted, validation, groups)
    confidence = rows.probabilities[np.arange(len(rows.predicted)), rows.predicted]
    is_wrong = rows.predicted != rows.actual
    lowest = choose_min_confidence(confidence, is_wrong, groups, params.max_error)
    return fitted.model_copy(update={"min_confidence": lowest})


def predict(metadata: Metadata, outputs: Outputs, groups: np.ndarray) -> Predictions:
    """Return the served model's predictions from its outputs, given the group of each image."""
    probabilities = to_probabilities(outputs.logits, metadata.temperature)
    predicted = metadata.classes(probabilities)
    return Predictions(outputs.actual, probabilities, predicted, metadata.labels, groups=groups)


def describe_rules(
    params: Calibrate, metadata: Metadata, validation: Outputs, groups: np.ndarray
) -> Iterator[str]:
    """Yield lines about the rules from `fit_rules`, with numbers of validation images."""
    predictions = predict(metadata, validation, groups)
    yield from describe_unknown(metadata, validation.unknown_scores)
    yield from describe_decided(params, metadata, predictions)
    yield from describe_thresholds(params, metadata, predictions)


def describe_unknown(metadata: Metadata, scores: np.ndarray) -> Iterator[str]:
    """Yield a line about the threshold for unknown images, given the `scores` in validation."""
    if metadata.unknown_threshold is not None:
        unknown = (scores > metadata.unknown_threshold).sum()
        yield (
            f"unknown above a score of {metadata.unknown_threshold:.4g}: {unknown:,} of "
            f"{len(scores):,} validation images"
        )


def describe_decided(
    params: Calibrate, metadata: Metadata, predictions: Predictions
) -> Iterator[str]:
    """Yield a line about how many validation images are decided, if `max_error` is set."""
    if params.max_error is None:
        return
    is_decided = metadata.are_decided(predictions.probabilities)
    is_wrong = predictions.predicted != predictions.actual
    yield (
        f"{is_decided.sum():,} of {len(is_wrong):,} validation images are decided, with a "
        f"confidence of at least {metadata.min_confidence:g}; {is_wrong[is_decided].sum():,} of "
        f"them are wrong, at most {params.max_error:.2%} by a one-sided {1 - LEVEL:.0%} interval"
    )


def describe_thresholds(
    params: Calibrate, metadata: Metadata, predictions: Predictions
) -> Iterator[str]:
    """Yield lines about each class with a threshold: validation images found, and warnings."""
    scores = tabulate_scores(predictions)
    before = predictions.probabilities.argmax(axis=-1)
    recalls = params.recall if isinstance(params.recall, dict) else {}
    for label, threshold in metadata.thresholds.items():
        index = metadata.labels.index(label)
        counts = describe_found(predictions.actual, predictions.predicted, before, index)
        yield f"{label} from {threshold:.4g}: {counts} of validation"
        title = f"validation {label}:"
        yield describe_fractions(title, OF_A_CLASS, scores, label)
        wished = recalls.get(label, 0)
        rows = scores[(scores["label"] == label) & (scores["score"] == "recall")]
        for row in rows[["value", "low", "high", "images"]].itertuples(index=False):
            if warning := describe_recall(label, wished, *row):
                yield warning
