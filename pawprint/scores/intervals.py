"""Confidence intervals of scores, and tests of the difference of two models."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest, fisher_exact, norm

RESAMPLES, DRAWS, BATCH = 2000, 10_000, 100


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


def independent_counts(is_true: np.ndarray, groups: np.ndarray) -> tuple[int, int]:
    """`(correct, total)` of as many independent images as tell what these do, at least one.

    `is_true` is bool `(images,)`. The images of one of `groups`, `(images,)`, are taken to be all
    true or all false: the total is divided by the design effect for that, the mean size of an
    image's group (Kish, Survey Sampling, 1965, 5.4), and the counts are used as those of
    independent images (Rao and Scott, A Simple Method for the Analysis of Clustered Binary Data,
    Biometrics 48:577-585, 1992).
    """
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    total = max(1, round(len(groups) / sizes[group_of].mean()))
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


def difference_interval(
    first: tuple[int, int], second: tuple[int, int], confidence: float
) -> tuple[float, float]:
    """The interval of the difference of two proportions of other images, each `(correct, total)`.

    Method 10 of Newcombe, Interval Estimation for the Difference Between Independent Proportions,
    Statistics in Medicine 17:873-890, 1998: the Wilson intervals of both, combined.
    """
    p1, p2 = (correct / total for correct, total in (first, second))
    (low1, high1), (low2, high2) = (
        fraction_interval(*counts, confidence) for counts in (first, second)
    )
    below, above = np.hypot(p1 - low1, high2 - p2), np.hypot(high1 - p1, p2 - low2)
    return float(p1 - p2 - below), float(p1 - p2 + above)


def mean_recall_interval(
    correct: np.ndarray, images: np.ndarray, confidence: float
) -> tuple[float, float]:
    """The interval of the mean of the proportions `correct / images`, int `(classes,)`.

    Price and Bonett, An improved confidence interval for a linear function of binomial proportions,
    Computational Statistics & Data Analysis 45:449-456, 2004: to the images of all classes together
    as many are added as for one proportion, half of them correct.
    """
    z = norm.ppf((1 + confidence) / 2)
    classes = len(images)
    extra = z**2 / classes
    recall = (correct + extra / 2) / (images + extra)
    variances = recall * (1 - recall) / (images + extra)
    mean, reach = recall.mean(), z * np.sqrt(variances.sum()) / classes
    return float(max(mean - reach, 0)), float(min(mean + reach, 1))


def sign_flips(differences: np.ndarray) -> float:
    """The p-value of a randomization test that two models have the same mean score, in [0, 1].

    `differences` are those of independent images, or sums of groups of them. Each is as likely of
    the other sign. With one size of those that are not 0, this is McNemar's exact test. Where one
    class gains what another loses, the distribution of the mean recall is wider than the true one,
    so the test rejects less often. Edgington, Randomization Tests, 1980; by DRAWS draws, counted as
    in Phipson and Smyth, 2010 (https://doi.org/10.2202/1544-6115.1585).
    """
    sizes = abs(differences)
    differences, sizes = differences[sizes > 1e-12], sizes[sizes > 1e-12]
    if not len(sizes):
        return 1.0
    if np.ptp(sizes) <= 1e-12 * sizes.max():
        return mcnemar(int((differences < 0).sum()), int((differences > 0).sum()))
    rng, statistic = np.random.default_rng(0), abs(differences.sum()) * (1 - 1e-9)
    reached = 0
    for _ in range(DRAWS // BATCH):
        is_kept = rng.integers(2, size=(BATCH, len(differences)), dtype=np.int8)
        reached += (abs((2 * is_kept - 1) @ differences) >= statistic).sum()
    return float((1 + reached) / (1 + DRAWS))


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact test, that two models have the same accuracy, in [0, 1].

    `only_first` and `only_second` are the numbers of images that only one of them predicts
    correctly. McNemar, 1947 (https://doi.org/10.1007/BF02295996).
    """
    disagreeing = only_first + only_second
    return float(binomtest(only_first, disagreeing).pvalue) if disagreeing else 1.0


def fisher(
    first: tuple[int, int], second: tuple[int, int], alternative: str = "two-sided"
) -> float:
    """The p-value of Fisher's exact test, that two proportions of other images are the same.

    Each is `(correct, total)`. With `alternative` "greater", that the first is not the larger one.
    """
    table = [(count, size - count) for count, size in (first, second)]
    return float(fisher_exact(table, alternative).pvalue)


def stratified_fisher(first: np.ndarray, second: np.ndarray) -> float:
    """The p-value of a randomization test that two sets of images have the same mean recall.

    Each is int `(classes, 2)`: images that are predicted correctly, and all. Which of the images of
    a class are of which set is drawn; the statistic is the mean difference of the recalls of the
    classes that both have. It is `fisher` for one class. DRAWS as in `sign_flips`.
    """
    is_in_both = (first[:, 1] > 0) & (second[:, 1] > 0)
    correct, images = first[is_in_both].T
    other_correct, other_images = second[is_in_both].T
    right, rng = correct + other_correct, np.random.default_rng(0)
    wrong = images + other_images - right
    draws = rng.hypergeometric(right, wrong, images, (DRAWS, len(images)))
    differences = draws / images - (right - draws) / other_images
    statistic = abs((correct / images - other_correct / other_images).sum())
    reached = (abs(differences.sum(axis=1)) >= statistic - 1e-9).sum()
    return float((1 + reached) / (1 + DRAWS))


def randomization(values: np.ndarray, others: np.ndarray) -> float:
    """The p-value of a randomization test that the means of both are the same, by RESAMPLES draws.

    Both are `(images,)`. Counted as in `sign_flips`.
    """
    pooled, rng = np.concatenate([values, others]), np.random.default_rng(0)
    sums = np.array([rng.permutation(pooled)[: len(values)].sum() for _ in range(RESAMPLES)])
    middle = pooled.mean()
    statistic = abs(values.mean() - middle)
    reached = (abs(sums / len(values) - middle) >= statistic - 1e-9).sum()
    return float((1 + reached) / (1 + RESAMPLES))


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
    """Bootstrap-t interval of the mean of values, `(images,)`.

    Not a number if all are equal, or if there are two, whose draws have no deviation of their own.
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5. Most log losses of
    an accurate model are near 0 and a few are large: percentile intervals of such values are too
    narrow above the mean (docs/evaluation.md has the coverage of both).
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
