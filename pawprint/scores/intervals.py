"""Confidence intervals of scores: of fractions, of their linear functions, and of other means."""

from collections.abc import Sequence
from statistics import NormalDist  # scipy.special takes a third of a second to import

import numpy as np
import pandas as pd

from pawprint.randomization import independent_images

RESAMPLES, BATCH = 2000, 100


def fraction_interval(correct: int, total: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of the proportion `correct / total`.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927
    (https://doi.org/10.1080/01621459.1927.10502953). Unlike the normal approximation it stays
    in [0, 1] and keeps its confidence near 0 and 1.
    """
    fraction, square = correct / total, NormalDist().inv_cdf((1 + confidence) / 2) ** 2 / total
    middle = fraction + square / 2
    reach = (square * (fraction * (1 - fraction) + square / 4)) ** 0.5
    low, high = (middle - reach) / (1 + square), (middle + reach) / (1 + square)
    return float(low if correct else 0), float(high if correct < total else 1)


def independent_counts(is_true: np.ndarray, groups: np.ndarray) -> tuple[int, int]:
    """`(correct, total)` of as many independent images as tell what these do.

    `is_true` is bool `(images,)`. They are used as those of independent images (Rao and Scott, A
    Simple Method for the Analysis of Clustered Binary Data, Biometrics 48:577-585, 1992).
    """
    total = independent_images(groups)
    return round(total * is_true.mean()), total


def mean_by_group(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """A value of each group, `(groups,)`, whose mean is that of `values`, `(images,)`.

    With groups of one size, they are the means of the groups; else how far the sum of each is from
    that of as many mean values, as the variance of a ratio has it (Cochran, Sampling Techniques,
    1977, 9A).
    """
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    mean = values.mean()
    return mean + np.bincount(group_of, weights=values - mean) / sizes.mean()


def linear_interval(
    values: np.ndarray,
    strata: np.ndarray,
    groups: np.ndarray,
    confidence: float,
    weights: Sequence[float] | None = None,
    ends: tuple[float, float] = (0, 1),
) -> tuple[float, float]:
    """The interval of the sum, with `weights`, of the means of the values in each stratum.

    Values are between `ends`, such as 1 for a correct image; they, `strata` and `groups` are
    `(images,)`. A mean recall has classes as strata, and equal weights, the default; the difference
    of two sets has these as strata, in the order of their names, and the weights -1 and 1.

    Price and Bonett, An improved confidence interval for a linear function of binomial proportions,
    Computational Statistics & Data Analysis 45:449-456, 2004: to the images of all strata together
    as many are added as for one proportion, half of them at either end. They count as so many as
    are `independent_images`.
    """
    names = np.unique(strata)
    weights = np.full(len(names), 1 / len(names)) if weights is None else np.asarray(weights)
    z, middle, variance = NormalDist().inv_cdf((1 + confidence) / 2), 0.0, 0.0
    added = z**2 / len(names) / (ends[1] - ends[0])
    for name, weight in zip(names, weights):
        is_in = strata == name
        images, values_in = independent_images(groups[is_in]), values[is_in].astype(float)
        total = images + added
        mean = (images * values_in.mean() + added * np.mean(ends)) / total
        square = (images * (values_in**2).mean() + added * np.mean(np.square(ends))) / total
        middle += weight * mean
        variance += weight**2 * (square - mean**2) / total
    reach, sums = z * variance**0.5, np.outer(weights, ends)
    lowest, highest = sums.min(axis=1).sum(), sums.max(axis=1).sum()
    return float(max(middle - reach, lowest)), float(min(middle + reach, highest))


def paired_interval(
    differences: np.ndarray, strata: np.ndarray, groups: np.ndarray, confidence: float
) -> tuple[float, float]:
    """As `linear_interval`, of differences on the same images, each -1, 0 or 1, `(images,)`.

    Their mean is a function of two fractions, of the images with 1 and of those with -1.
    Groups have the variance that is observed: their differences are seldom all of one kind.
    """
    names = np.unique(strata)
    means = [mean_by_group(differences[strata == name], groups[strata == name]) for name in names]
    strata, means = np.repeat(names, list(map(len, means))), np.concatenate(means)
    return linear_interval(means, strata, np.arange(len(means)), confidence, ends=(-1, 1))


def area_interval(
    values: np.ndarray, is_positive: np.ndarray, groups: np.ndarray, confidence: float
) -> tuple[float, float, float]:
    """The area under the ROC curve of values, `(images,)`, and the ends of its interval.

    It is the mean, over either kind of images, of the fraction of the other kind that is in the
    right order, and its variance is the sum of those of both means (DeLong and others, 1988,
    https://doi.org/10.2307/2531595). So the area is a linear function of fractions.
    """
    others = np.where(is_positive, *np.bincount(is_positive, minlength=2))  # of the other kind
    ranked = pd.Series(values)
    below = (ranked.rank() - ranked.groupby(is_positive).rank()) / others
    in_order = np.where(is_positive, below, 1 - below)
    area = in_order[is_positive].mean()
    low, high = linear_interval(in_order, is_positive, groups, confidence, weights=(1, 1))
    return float(area), float(max(low - area, 0)), float(min(high - area, 1))


def extend_to_zero(interval: tuple[float, float], is_significant: bool) -> tuple[float, float]:
    """The interval of a difference, as far as 0 if the test of the difference does not reject."""
    low, high = interval
    return (low, high) if is_significant else (min(low, 0.0), max(high, 0.0))


def mean_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Bootstrap-t interval of the mean of values, `(images,)`.

    Not a number if all are equal, or if there are two, whose draws have no deviation of their own.
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5. Most log losses of
    an accurate model are near 0 and a few are large: percentile intervals of such values are too
    narrow above the mean (docs/decisions/29 has the coverage of both).
    """
    rng, images = np.random.default_rng(0), len(values)
    if images < 3 or np.ptp(values) == 0:
        return np.nan, np.nan
    parts = (values[rng.integers(images, size=(BATCH, images))] for _ in range(RESAMPLES // BATCH))
    means, deviations = np.hstack([(part.mean(axis=1), part.std(axis=1)) for part in parts])
    varied = deviations > 0
    studentized = (means[varied] - values.mean()) / deviations[varied]
    ends = np.quantile(studentized, [(1 + confidence) / 2, (1 - confidence) / 2])
    low, high = values.mean() - ends * values.std()
    return float(low), float(high)


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
