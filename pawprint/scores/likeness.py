"""Test whether unlabelled photos are like the test photos, from the predictions for both."""

from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.classes import SIGNIFICANT
from pawprint.scores import intervals
from pawprint.scores.metrics import Predictions, fraction_cells

LIKE = "like the test photos"
PROPORTIONS = "different class proportions"
OTHER = "other images"
# The smallest differences that count. Even new photos of the same kind are flagged as unknown
# slightly more often than the test photos, and the model is slightly less confident on photos from
# other sources. Photos on which the model is more confident, such as training photos, do not count
# as different.
MIN_DIFFERENCES = {"called unknown": 0.03, "predicted classes": 0.1, "mean confidence": -0.02}


class Likeness(NamedTuple):
    """Unlabelled photos compared with the test photos.

    `verdict` is LIKE, PROPORTIONS or OTHER, and `different` lists the MIN_DIFFERENCES keys that led
    to the verdict. Each row in `scores` contains `score` and `label`; `value`, `low` and `high` for
    the photos; and `test`, `test_low` and `test_high`.
    """

    verdict: str
    different: list[str]
    scores: pd.DataFrame


def compare_photos(photos: Predictions, test: Predictions) -> Likeness:
    """Compare a model's predictions for unlabelled photos with those for test images.

    A difference counts if it is at least the one in MIN_DIFFERENCES and its p-value is below Holm's
    level.
    """
    sides = [_measure(side) for side in (photos, test)]
    rows = []
    for (score, label), values in sides[0].items():
        beside = sides[1][score, label]
        if not label or values.any() or beside.any():  # the class is predicted at least once
            cells = (_mean_with_interval(side) for side in (values, beside))
            rows.append((score, label, *chain(*cells)))
    found = _differences(photos, test)
    levels = intervals.holm([p_value for _, p_value in found.values()], SIGNIFICANT)
    different = [
        name
        for level, (name, (difference, p_value)) in zip(levels, found.items())
        if p_value < level and difference / MIN_DIFFERENCES[name] >= 1
    ]
    verdict = PROPORTIONS if different else LIKE
    if {*different} - {"predicted classes"}:
        verdict = OTHER
    names = ("score", "label", "value", "low", "high", "test", "test_low", "test_high")
    return Likeness(verdict, different, pd.DataFrame(rows, columns=names))


def _measure(predictions: Predictions) -> dict[tuple[str, str], np.ndarray]:
    """Return the values to average by score and class, `(images,)`, as bool or as confidences."""
    predicted = predictions.predicted
    measured = {}
    if predictions.is_unknown is not None:
        measured["called unknown", ""] = predictions.is_unknown
    if predictions.is_decided is not None:
        measured["called unsure", ""] = ~predictions.is_decided
    for index, label in enumerate(predictions.labels):
        measured["predicted", label] = predicted == index
    return measured | {("mean confidence", ""): predictions.confidence}


def _differences(photos: Predictions, test: Predictions) -> dict[str, tuple[float, float]]:
    """Return the difference and the p-value for each MIN_DIFFERENCES key.

    The tests are one-sided, in the direction given in MIN_DIFFERENCES, except for the predicted
    classes, which have no direction: for these, the difference is the fraction of photos that would
    have to change class. Confidences are compared within each predicted class, so that different
    class proportions do not count as different images. Each photo is treated as independent.
    """
    predicted = np.concatenate([photos.predicted, test.predicted])
    each = np.arange(len(predicted))
    is_photo = each < len(photos.predicted)
    is_class = predicted[:, None] == np.arange(len(photos.labels))
    gaps = is_class[is_photo].mean(axis=0) - is_class[~is_photo].mean(axis=0)
    p_value = intervals.two_sets_test(is_class, is_photo, each)
    found = {"predicted classes": (abs(gaps).sum() / 2, p_value)}
    confidence = np.concatenate([photos.confidence, test.confidence])
    by_class = pd.Series(confidence[~is_photo]).groupby(test.predicted).mean()
    difference = np.nanmean(confidence[is_photo] - by_class.reindex(photos.predicted).to_numpy())
    lower = intervals.two_sets_test(confidence, ~is_photo, each, predicted, one_sided=True)
    found["mean confidence"] = float(difference), lower
    if photos.is_unknown is not None and test.is_unknown is not None:
        is_unknown = np.concatenate([photos.is_unknown, test.is_unknown])
        higher = intervals.two_sets_test(is_unknown, is_photo, each, one_sided=True)
        found["called unknown"] = photos.is_unknown.mean() - test.is_unknown.mean(), higher
    return found


def _mean_with_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of bools, or of values from 0 to 1, `(images,)`, and its interval."""
    each = np.arange(len(values))
    if values.dtype == bool:
        return fraction_cells(values, each)[:3]
    return values.mean(), *intervals.linear_interval(values, np.zeros(len(values)), each)
