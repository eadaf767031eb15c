"""Compute randomization tests, and confidence intervals for means and fractions."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import NormalDist  # importing scipy.special would take a third of a second

import numpy as np
import pandas as pd

# Maximum number of draws, and draws per batch. Drawing stops early when REACHED draws are at least
# as extreme as the observed value (Besag and Clifford, Sequential Monte Carlo p-values, 1991).
DRAWS = 10_000
BATCH = 200
REACHED = 100
CONFIDENCE = 0.95  # confidence level for all reported intervals
SIGNIFICANT = 0.05  # p-value below which a difference is significant
Draw = Callable[[np.random.Generator], np.ndarray]


def paired_test(differences: np.ndarray, groups: np.ndarray) -> float:
    """Return the p-value, in [0, 1], for the hypothesis that two models have the same mean.

    `differences` contains one value per image, `(images,)`. Under the hypothesis, all signs in a
    group flip together with probability 1/2. If one class gains what another loses, the assumed
    distribution of the balanced accuracy is too wide, which makes the test conservative.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    sums = np.bincount(group_of, differences)[:, None]
    sums = sums[abs(sums[:, 0]) > 1e-12]
    return _p_value(sums.sum(), partial(_draw_signs, sums))


def _draw_signs(sums: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a sign for each of `sums`, `(groups, 1)`, and return BATCH totals, `(BATCH, 1)`."""
    return (2 * rng.integers(2, size=(BATCH, len(sums)), dtype=np.int8) - 1) @ sums


def independent_images(groups: np.ndarray) -> int:
    """Return the effective number of independent images, at least 1; `groups` is `(images,)`.

    Images in a group are assumed to be alike, for example all correct or all wrong. The number of
    images is divided by the design effect: the mean, over all images, of the image's group size
    (Kish, Survey Sampling, 1965, 5.4).
    """
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return max(1, round(len(groups) / sizes[group_of].mean()))


def _p_value(statistic: float, draw: Draw) -> float:
    """Return the fraction of draws that are at least as far from 0 as the statistic.

    Draws are counted as in Phipson and Smyth, 2010 (https://doi.org/10.2202/1544-6115.1585).
    """
    rng = np.random.default_rng(0)
    observed = statistic**2
    least = observed - 1e-9 * abs(observed)
    drawn = 0
    reached = 0
    while drawn < DRAWS and reached < REACHED:
        reached += int((draw(rng) ** 2 >= least).sum())
        drawn += BATCH
    return float((1 + reached) / (1 + drawn))


RESAMPLES = 2000
RESAMPLED = 100  # number of bootstrap samples drawn at once


def fraction_interval(correct: int, total: int) -> tuple[float, float]:
    """Return Wilson's confidence interval for the proportion `correct / total`.

    See Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927
    (https://doi.org/10.1080/01621459.1927.10502953). Unlike the normal approximation, this interval
    stays within [0, 1] and keeps its confidence level near 0 and 1.
    """
    fraction = correct / total
    square = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) ** 2 / total
    middle = fraction + square / 2
    reach = (square * (fraction * (1 - fraction) + square / 4)) ** 0.5
    low = (middle - reach) / (1 + square)
    high = (middle + reach) / (1 + square)
    return float(low if correct else 0), float(high if correct < total else 1)


def independent_counts(is_true: np.ndarray, groups: np.ndarray) -> tuple[int, int]:
    """Return `(correct, total)` for the effective number of independent images.

    `is_true` is bool `(images,)`. The two numbers can be used as if all images were independent
    (Rao and Scott, A Simple Method for the Analysis of Clustered Binary Data, Biometrics
    48:577-585, 1992).
    """
    total = independent_images(groups)
    return round(total * is_true.mean()), total


def largest_excess(
    is_true: np.ndarray, strata: np.ndarray, groups: np.ndarray
) -> tuple[str, float]:
    """Return the stratum whose fraction exceeds the others most, and the p-value of its excess.

    `is_true` is bool `(images,)`, and images count according to `independent_counts`. Excesses are
    compared in standard errors, so that a stratum of a few images does not hide the others. Under
    the hypothesis that all strata have the same fraction, chance alone divides the true images
    between them. Each draw counts with its own largest excess, because the stratum was chosen.
    """
    names = np.unique(strata)
    parts = [strata == name for name in names]
    counts, totals = np.transpose([independent_counts(is_true[i], groups[i]) for i in parts])
    excesses = _excesses(totals, counts)
    draw = partial(_draw_largest, totals, counts.sum())
    return names[excesses.argmax()], _p_value(excesses.max(), draw)


def _excesses(totals: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the excesses over the mean of all strata, each times the same constant."""
    fractions = counts / totals
    return (fractions - fractions.mean(axis=-1, keepdims=True)) * totals**0.5


def _draw_largest(totals: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Divide a number of images between the strata, and return largest excesses, `(BATCH,)`."""
    counts = rng.multivariate_hypergeometric(totals, number, size=BATCH)
    return _excesses(totals, counts).max(axis=1)


def mean_by_group(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return one value per group, `(groups,)`, with the same mean as `values`, `(images,)`.

    If all groups have the same size, the values are group means. Otherwise, they measure how far
    each group's sum is from the expected sum, as in the variance of a ratio (Cochran, Sampling
    Techniques, 1977, 9A).
    """
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    mean = values.mean()
    return mean + np.bincount(group_of, weights=values - mean) / sizes.mean()


def linear_interval(
    values: np.ndarray,
    strata: np.ndarray,
    groups: np.ndarray,
    confidence: float = CONFIDENCE,
    weights: Sequence[float] | None = None,
    ends: tuple[float, float] = (0, 1),
) -> tuple[float, float]:
    """Return the interval for a weighted sum of the strata's mean values.

    Values lie between `ends`; for example, 1 stands for a correct image. `values`, `strata` and
    `groups` are `(images,)`. For a balanced accuracy, the strata are the classes, and the weights
    are equal, which is the default. For the difference between two sets, the strata are the sets,
    in the order of their names, and the weights are -1 and 1.

    This method is described by Price and Bonett, An improved confidence interval for a linear
    function of binomial proportions, Computational Statistics & Data Analysis 45:449-456, 2004. As
    many images as for a single proportion are added to all strata together, half of them at each
    end. Images count according to `independent_images`.
    """
    names = np.unique(strata)
    each = np.full(len(names), 1 / len(names)) if weights is None else np.asarray(weights)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = 0.0
    variance = 0.0
    added = z**2 / len(names) / (ends[1] - ends[0])
    for name, weight in zip(names, each):
        is_in = strata == name
        images = independent_images(groups[is_in])
        values_in = values[is_in].astype(float)
        total = images + added
        mean = (images * values_in.mean() + added * np.mean(ends)) / total
        square = (images * (values_in**2).mean() + added * np.mean(np.square(ends))) / total
        middle += weight * mean
        variance += weight**2 * (square - mean**2) / total
    reach = z * variance**0.5
    sums = np.outer(each, np.asarray(ends))
    lowest = sums.min(axis=1).sum()
    highest = sums.max(axis=1).sum()
    return float(max(middle - reach, lowest)), float(min(middle + reach, highest))


def paired_interval(
    differences: np.ndarray,
    strata: np.ndarray,
    groups: np.ndarray,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Return a `linear_interval` for differences on the same images, each -1, 0 or 1, `(images,)`.

    The mean depends on two fractions: images with 1, and images with -1. The variance between
    groups is estimated from the data, because the differences in a group are seldom all alike.
    """
    names = np.unique(strata)
    means = [mean_by_group(differences[strata == name], groups[strata == name]) for name in names]
    values = np.concatenate(means)
    strata = np.repeat(names, list(map(len, means)))
    return linear_interval(values, strata, np.arange(len(values)), confidence, ends=(-1, 1))


def area_interval(
    values: np.ndarray, is_positive: np.ndarray, groups: np.ndarray
) -> tuple[float, float, float]:
    """Return the area under the ROC curve for values, `(images,)`, and its confidence interval.

    The area is the mean, over the images of one kind, of the fraction of the other kind that is in
    the right order. This holds for either kind, and the area's variance is the sum of the variances
    of both means (DeLong and others, 1988, https://doi.org/10.2307/2531595). The area is therefore
    a linear function of fractions.
    """
    # Number of images of the other class.
    others = np.where(is_positive, *np.bincount(is_positive, minlength=2))
    ranked = pd.Series(values)
    below = (ranked.rank() - ranked.groupby(is_positive).rank()) / others
    in_order = np.where(is_positive, below, 1 - below)
    area = in_order[is_positive].mean()
    low, high = linear_interval(in_order, is_positive, groups, weights=(1, 1))
    return float(area), float(max(low - area, 0)), float(min(high - area, 1))


def extend_to_zero(interval: tuple[float, float], is_significant: bool) -> tuple[float, float]:
    """Return the interval for a difference, extended to 0 if the difference is not significant."""
    low, high = interval
    return (low, high) if is_significant else (min(low, 0.0), max(high, 0.0))


def mean_interval(values: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the bootstrap-t interval for the mean of values, `(images,)`.

    The ends are NaN if all values are equal, or if there are too few: two or three at CONFIDENCE. A
    sample with only one of the values has no deviation, and such samples would then be beyond the
    ends. See Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5. For an
    accurate model, most log losses are near 0 and a few are large, and percentile intervals are too
    narrow above the mean (docs/decisions/29 lists the coverage of both).
    """
    rng = np.random.default_rng(0)
    images = len(values)
    is_few = images < 3 or images ** (1 - images) > (1 - confidence) / 2
    if is_few or np.ptp(values) == 0:
        return np.nan, np.nan
    draws = (rng.integers(images, size=(RESAMPLED, images)) for _ in range(RESAMPLES // RESAMPLED))
    parts = (values[drawn] for drawn in draws)
    means, deviations = np.hstack([(part.mean(axis=1), part.std(axis=1)) for part in parts])
    varied = deviations > 1e-12 * values.std()  # equal values can have a deviation by rounding
    studentized = (means[varied] - values.mean()) / deviations[varied]
    ends = np.quantile(studentized, [(1 + confidence) / 2, (1 - confidence) / 2])
    low, high = values.mean() - ends * values.std()
    return float(low), float(high)


def holm(p_values: Sequence[float], alpha: float) -> list[float]:
    """Return the significance level for each p-value, in the given order.

    The smallest of n p-values has the level `alpha / n`, the next `alpha / (n - 1)`, and so on.
    After the first p-value that is not below its level, all others get the same level.
    """
    order = np.argsort(p_values, kind="stable")
    steps = alpha / np.arange(len(order), 0, -1)
    failed = steps[np.array(p_values)[order] >= steps]
    levels = np.empty(len(order))
    levels[order] = np.minimum(steps, failed.min(initial=alpha))
    return levels.tolist()
