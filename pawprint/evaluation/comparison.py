"""Compare the predictions of two runs image by image."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from pawprint.evaluation.intervals import mcnemar


class Comparison(NamedTuple):
    """Numbers of images, and of correct predictions of each run and of only one of them.

    `difference` is the accuracy of new minus that of old, `low` and `high` its interval at
    `confidence`, all in [-1, 1]; `p_value` is McNemar's.
    """

    images: int
    old_correct: int
    new_correct: int
    only_old: int
    only_new: int
    difference: float
    low: float
    high: float
    confidence: float
    p_value: float

    @property
    def verdict(self) -> str:
        """Where the interval is: "better" above 0, "worse" below, or else "not significant"."""
        if self.low <= 0 <= self.high:
            return "not significant"
        return "better" if self.low > 0 else "worse"


def compare(old: np.ndarray, new: Sequence[np.ndarray], confidence: float) -> list[Comparison]:
    """Compare each of the new runs with the old one.

    A run is bool `(images,)`: whether it predicted the images, the same ones for all, correctly.
    The test is McNemar's exact one. The interval of the difference is that of Agresti and Min,
    2005 (https://doi.org/10.1002/sim.1781), which adds half an image to each of the four cells. It
    is extended to 0 where the test does not reject. A difference is significant if the interval
    excludes 0.

    With several new runs, the probability of any wrong verdict is at most `1 - confidence`: Holm's
    levels, 1979 (https://www.jstor.org/stable/4615733), are those of the tests and the intervals.
    """
    old = np.asarray(old)
    only_one = [
        (int((old & ~each).sum()), int((each & ~old).sum())) for each in map(np.asarray, new)
    ]
    p_values = [mcnemar(*pair) for pair in only_one]
    levels = holm(p_values, 1 - confidence)
    return [_compare(old, *each) for each in zip(only_one, p_values, levels)]


def holm(p_values: Sequence[float], alpha: float) -> list[float]:
    """The level that each p-value has to be below, in the order given.

    The smallest of n has `alpha / n`, the next `alpha / (n - 1)`, and so on; all after the first
    that is not below its level have the level of that one.
    """
    levels, level, rejects = [alpha] * len(p_values), alpha, True
    for step, index in enumerate(np.argsort(p_values, kind="stable")):
        if rejects:
            level = alpha / (len(p_values) - step)
            rejects = p_values[index] < level
        levels[index] = level
    return levels


def _compare(
    old: np.ndarray, only_one: tuple[int, int], p_value: float, level: float
) -> Comparison:
    only_old, only_new = only_one
    images = len(old) + 2
    middle = (only_new - only_old) / images
    spread = np.sqrt((sum(only_one) + 1) / images - middle**2) / np.sqrt(images)
    reach = float(norm.ppf(1 - level / 2) * spread)
    low, high = max(middle - reach, -1), min(middle + reach, 1)
    if p_value >= level:
        low, high = min(low, 0), max(high, 0)
    correct = int(old.sum())
    return Comparison(
        images=len(old),
        old_correct=correct,
        new_correct=correct + only_new - only_old,
        only_old=only_old,
        only_new=only_new,
        difference=(only_new - only_old) / len(old),
        low=low,
        high=high,
        confidence=1 - level,
        p_value=p_value,
    )
