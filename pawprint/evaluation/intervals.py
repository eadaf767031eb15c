"""Confidence intervals of scores, and tests of the difference of two models."""

from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest, bootstrap, rankdata

RESAMPLES = 2000
BATCH = 100  # resamples in memory at a time


def wilson(correct: int, total: int, confidence: float) -> tuple[float, float]:
    """Wilson's confidence interval of the proportion `correct / total`.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927
    (https://doi.org/10.1080/01621459.1927.10502953). Unlike the normal approximation it stays
    in [0, 1] and keeps its confidence near 0 and 1.
    """
    interval = binomtest(correct, total).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact test, that two models have the same accuracy, in [0, 1].

    `only_first` and `only_second` are the numbers of images that only one of them predicts
    correctly. McNemar, 1947 (https://doi.org/10.1007/BF02295996).
    """
    disagreeing = only_first + only_second
    return float(binomtest(only_first, disagreeing).pvalue) if disagreeing else 1.0


def resampled(
    statistic: Callable, actual: np.ndarray, probability: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Bootstrap percentile interval of `statistic(of_0, of_1, axis)`.

    `of_0` and `of_1` are the probabilities of class 1 for images of class 0 and of class 1. Each
    class is resampled separately, so that every resample has both. (0, 1) if a class has fewer than
    two images.
    """
    sample = probability[actual == 0], probability[actual == 1]
    if min(map(len, sample)) < 2:
        return 0.0, 1.0
    interval = bootstrap(
        sample,
        statistic,
        n_resamples=RESAMPLES,
        batch=BATCH,
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def roc_auc(of_0: np.ndarray, of_1: np.ndarray, axis: int = -1) -> np.ndarray:
    """The fraction of pairs, one of each class, in the right order; ties count half."""
    zeros, ones = of_0.shape[axis], of_1.shape[axis]
    ranks = rankdata(np.concatenate([of_0, of_1], axis=axis), axis=axis)
    above = np.take(ranks, range(zeros, zeros + ones), axis=axis).sum(axis=axis)
    return (above - ones * (ones + 1) / 2) / (zeros * ones)


def f1_score(
    of_0: np.ndarray, of_1: np.ndarray, axis: int = -1, *, threshold: float, label: int
) -> np.ndarray:
    """The harmonic mean of precision and recall of class `label`, 0 or 1."""
    found, wrongly = (
        (of_1 >= threshold, of_0 >= threshold) if label else (of_0 < threshold, of_1 < threshold)
    )
    right = found.sum(axis=axis)
    return 2 * right / (right + wrongly.sum(axis=axis) + found.shape[axis])
