"""Confidence intervals of scores, and tests of the difference of two models."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

RESAMPLES = 2000


def fraction_interval(
    correct: int, total: int, confidence: float, method: str = "wilson"
) -> tuple[float, float]:
    """The confidence interval of the proportion `correct / total`: Wilson's, or the exact one.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927
    (https://doi.org/10.1080/01621459.1927.10502953). Unlike the normal approximation it stays
    in [0, 1] and keeps its confidence near 0 and 1.

    With `method` "exact", that of Clopper and Pearson, The Use of Confidence or Fiducial Limits,
    1934 (https://doi.org/10.1093/biomet/26.4.404). It has at least its confidence for every
    proportion, also of one image; Wilson's has it on average, and less near 0 and 1 with few.
    """
    interval = binomtest(correct, total).proportion_ci(confidence, method)
    return float(interval.low), float(interval.high)


def difference_interval(
    first: tuple[int, int], second: tuple[int, int], confidence: float
) -> tuple[float, float]:
    """The interval of the difference of two proportions of other images, each `(correct, total)`.

    Method 10 of Newcombe, Interval Estimation for the Difference Between Independent Proportions,
    Statistics in Medicine 17:873-890, 1998: the Wilson intervals of both, combined.
    """
    one, other = (correct / total for correct, total in (first, second))
    (low, high), (other_low, other_high) = (
        fraction_interval(*each, confidence) for each in (first, second)
    )
    below, above = np.hypot(one - low, other_high - other), np.hypot(high - one, other - other_low)
    return float(one - other - below), float(one - other + above)


def paired_difference_interval(
    only_first: int, only_second: int, images: int, confidence: float
) -> tuple[float, float]:
    """The interval of the difference of two proportions of the same images, in [-1, 1].

    That of Agresti and Min, 2005 (https://doi.org/10.1002/sim.1781), which adds half an image to
    each of the four cells.
    """
    total = images + 2
    middle = (only_first - only_second) / total
    deviation = np.sqrt(((only_first + only_second + 1) / total - middle**2) / total)
    reach = float(norm.ppf((1 + confidence) / 2) * deviation)
    return max(middle - reach, -1), min(middle + reach, 1)


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact test, that two models have the same accuracy, in [0, 1].

    `only_first` and `only_second` are the numbers of images that only one of them predicts
    correctly. McNemar, 1947 (https://doi.org/10.1007/BF02295996).
    """
    disagreeing = only_first + only_second
    return float(binomtest(only_first, disagreeing).pvalue) if disagreeing else 1.0


def roc_area_interval(
    area: float, positives: int, negatives: int, confidence: float
) -> tuple[float, float]:
    """The interval of the area under a ROC curve, from the number of images of the two kinds.

    Newcombe's method 5, Confidence Intervals for an Effect Size Measure Based on the Mann-Whitney
    Statistic, 2006 (https://doi.org/10.1002/sim.2324). Like Wilson's interval it takes the variance
    at the ends, and so is no point where no pair of images is in the wrong order.
    """
    squared = norm.ppf((1 + confidence) / 2) ** 2

    def low_end(area: float) -> float:
        def excess(end: float) -> float:
            pairs = (1 - end) / (2 - end) + end / (1 + end)
            factor = (1 + ((positives + negatives) / 2 - 1) * pairs) / (positives * negatives)
            return (area - end) ** 2 - squared * end * (1 - end) * factor

        return brentq(excess, 0, area * (1 - 1e-9)) if area > 0 else 0.0  # 1 is a root as well

    return low_end(area), 1 - low_end(1 - area)


def mean_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Bootstrap-t interval of the mean of values from 0 on, `(images,)`.

    Not a number if all are equal, or if there are two, whose draws have no deviation of their own.
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5. Most log losses of
    an accurate model are near 0 and a few are large: percentile intervals of such values are too
    narrow above the mean (docs/evaluation.md has the coverage of both).
    """
    rng, images = np.random.default_rng(0), len(values)
    if images < 3 or np.ptp(values) == 0:
        return np.nan, np.nan
    draws = (values[rng.integers(images, size=images)] for _ in range(RESAMPLES))
    means, deviations = np.array([(draw.mean(), draw.std()) for draw in draws]).T
    varied = deviations > 0
    studentized = (means[varied] - values.mean()) / deviations[varied]
    ends = np.quantile(studentized, [(1 + confidence) / 2, (1 - confidence) / 2])
    low, high = values.mean() - ends * values.std()
    return max(float(low), 0.0), float(high)


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
