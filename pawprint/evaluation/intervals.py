"""Confidence intervals of scores, and tests of the difference of two models."""

from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest, bootstrap

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


def clopper_pearson(correct: int, total: int, confidence: float) -> tuple[float, float]:
    """The exact binomial interval of the proportion `correct / total`, also for one image.

    Clopper and Pearson, The Use of Confidence or Fiducial Limits, 1934
    (https://doi.org/10.1093/biomet/26.4.404). It has at least its confidence for every proportion;
    Wilson's has it on average, and less near 0 and 1 with few images.
    """
    interval = binomtest(correct, total).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact test, that two models have the same accuracy, in [0, 1].

    `only_first` and `only_second` are the numbers of images that only one of them predicts
    correctly. McNemar, 1947 (https://doi.org/10.1007/BF02295996).
    """
    disagreeing = only_first + only_second
    return float(binomtest(only_first, disagreeing).pvalue) if disagreeing else 1.0


def resampled(
    statistic: Callable[[np.ndarray], np.ndarray], actual: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap percentile intervals of scores: their low and high ends, each `(…)`.

    `actual` holds class indices, `(images,)`. `statistic` takes how often each resample has each
    image, float64 `(resamples, images)`, and returns scores in [0, 1], `(…, resamples)`. Each class
    is resampled separately, so that every resample has all of them; the only image of a class is in
    every resample once. The ends are 0 and 1 if no class has two images.
    """
    images = np.bincount(actual)
    sample = [np.flatnonzero(actual == each) for each in np.flatnonzero(images > 1)]
    alone = (images[actual] == 1).astype(float)
    if not sample:
        scores = statistic(np.ones((1, len(actual))))[..., 0]
        return np.zeros_like(scores), np.ones_like(scores)

    def of_positions(*positions: np.ndarray, axis: int) -> np.ndarray:
        drawn = np.concatenate(positions, axis=axis)
        return statistic(
            alone + np.stack([np.bincount(each, minlength=len(actual)) for each in drawn])
        )

    interval = bootstrap(
        sample,
        of_positions,
        n_resamples=RESAMPLES,
        batch=BATCH,
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return interval.low, interval.high
