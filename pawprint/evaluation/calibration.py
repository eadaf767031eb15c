"""How well predicted probabilities agree with observed frequencies.

`actual` holds class indices, `(images,)`; `probabilities` are float `(images, classes)`. Of two
classes, the probability that is looked at is that of the second; of more, that of the most
probable class, the top label.
"""

import numpy as np

BINS = 15  # of equal width, as in Guo et al. 2017, https://arxiv.org/abs/1706.04599


def reliability(
    actual: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each bin with images: mean probability, images of that class, and images.

    The results are float64, int64 and int64 `(bins,)`, for increasing probability.
    """
    if probabilities.shape[1] == 2:
        probability, is_of_class = probabilities[:, 1], actual == 1
    else:
        probability, is_of_class = probabilities.max(axis=1), actual == probabilities.argmax(axis=1)
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    images = np.bincount(bins)
    is_used = images > 0
    mean = np.bincount(bins, weights=probability)[is_used] / images[is_used]
    of_class = np.bincount(bins[is_of_class], minlength=len(images))
    return mean, of_class[is_used], images[is_used]


def expected_calibration_error(actual: np.ndarray, probabilities: np.ndarray) -> float:
    """The difference of mean probability and fraction of the class in a bin, averaged over images.

    Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning,
    2015 (https://doi.org/10.1609/aaai.v29i1.9602). In [0, 1]. Random variation makes it larger
    than 0 even for calibrated probabilities, more so for few images.
    """
    mean, of_class, images = reliability(actual, probabilities)
    return float(np.abs(mean * images - of_class).sum() / len(actual))
