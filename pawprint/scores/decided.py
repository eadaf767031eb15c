"""Choose the confidence below which predictions are unsure, so that few other ones are wrong."""

import math

import numpy as np
import pandas as pd

from pawprint.base.columns import DECIDED
from pawprint.base.errors import InputError
from pawprint.scores.intervals import independent_counts

LEVEL = 0.1  # maximum probability that the error exceeds the limit
STEPS = 20  # number of steps in the curve and in the sequence of tests
DIGITS = 4  # number of digits in a confidence, as in `predict`
ERRORS = np.arange(1, 1000) / 1000  # candidates for the smallest possible error


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
    confidence = confidence.round(DIGITS)
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
