"""How well predicted probabilities agree with observed frequencies."""

import numpy as np

BINS = 15  # of equal width, as in Guo et al. 2017, https://arxiv.org/abs/1706.04599


def reliability(
    actual: np.ndarray, probability: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each bin with images: mean probability, images of class 1, and images.

    `actual` holds 0 and 1; `probability`, in [0, 1], is of class 1; both are `(images,)`. The
    results are float64, int64 and int64 `(bins,)`, for increasing probability.
    """
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    images = np.bincount(bins)
    is_used = images > 0
    mean = np.bincount(bins, weights=probability)[is_used] / images[is_used]
    positive = np.bincount(bins[actual == 1], minlength=len(images))
    return mean, positive[is_used], images[is_used]


def expected_calibration_error(actual: np.ndarray, probability: np.ndarray) -> float:
    """The difference of mean probability and fraction of class 1 in a bin, averaged over images.

    Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning,
    2015 (https://doi.org/10.1609/aaai.v29i1.9602). In [0, 1]. Random variation makes it larger
    than 0 even for calibrated probabilities, more so for few images.
    """
    mean, positive, images = reliability(actual, probability)
    return float(np.abs(mean * images - positive).sum() / len(actual))
