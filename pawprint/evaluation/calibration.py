"""How well probabilities agree with what is found."""

import numpy as np

BINS = 15  # of equal width; as many as Guo et al. 2017 use, https://arxiv.org/abs/1706.04599


def reliability(actual: np.ndarray, probability: np.ndarray) -> list[tuple[float, int, int]]:
    """For each bin that has images: mean probability, how many are of class 1, and how many.

    `actual` holds 0 and 1, `probability` is of 1.
    """
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    return [
        (float(probability[bins == each].mean()), int(actual[bins == each].sum()), int(size))
        for each, size in enumerate(np.bincount(bins, minlength=BINS))
        if size
    ]


def expected_calibration_error(actual: np.ndarray, probability: np.ndarray) -> float:
    """By how much probability and share of class 1 differ within a bin, on average over images.

    Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning,
    2015 (https://doi.org/10.1609/aaai.v29i1.9602). Chance alone makes it larger than 0: more so
    for few images.
    """
    return sum(
        abs(mean * images - positive) for mean, positive, images in reliability(actual, probability)
    ) / len(actual)
