"""Tabulate cross-validated scores by number of training images, with the gain at each step."""

import numpy as np
import pandas as pd

from pawprint.base.classes import headline_strata
from pawprint.base.columns import LEARNING_CURVE
from pawprint.scores.intervals import CONFIDENCE, extend_to_zero, paired_interval, paired_test


def tabulate_curve(
    actual: np.ndarray, groups: np.ndarray, curve: dict[int, np.ndarray]
) -> pd.DataFrame:
    """Return a LEARNING_CURVE table for the images that every fit predicts; it may be empty.

    `curve` maps the number of images in a fit to cross-validated probabilities `(images, classes)`,
    and `actual` contains class indices. Images in the same one of the `groups` count as one.
    """
    is_predicted = np.ones(len(actual), bool)
    for probabilities in curve.values():
        is_predicted &= ~np.isnan(probabilities).any(axis=1)
    if not is_predicted.any():
        return pd.DataFrame(columns=list(LEARNING_CURVE))
    actual = actual[is_predicted]
    groups = groups[is_predicted]
    right: np.ndarray | None = None
    score, strata = headline_strata(actual)
    weights = 1 / np.bincount(strata)[strata]
    rows = []
    for images, probabilities in curve.items():
        before = right
        right = probabilities[is_predicted].argmax(axis=1) == actual
        row = {"images": images, "accuracy": right.mean(), "score": score}
        if before is not None:
            gains = right.astype(float) - before
            interval = paired_interval(gains, strata, groups)
            is_significant = paired_test(gains * weights, groups) < 1 - CONFIDENCE
            low, high = extend_to_zero(interval, is_significant)
            row |= {"gain": np.average(gains, weights=weights), "low": low, "high": high}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(LEARNING_CURVE))
