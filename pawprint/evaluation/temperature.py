"""Temperature scaling."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

# Of the logarithm of the temperature: two times out of three it is within a factor of 1.6.
PRIOR = 0.5
TEMPERATURES = (0.05, 20)  # between which it is searched for
FOLDS = 5


def fit_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """The number that logits are divided by for the lowest loss, which changes no ranking.

    `actual` holds 0 and 1. Guo et al., On Calibration of Modern Neural Networks, 2017
    (https://arxiv.org/abs/1706.04599). With a normal prior of its logarithm around 0: a few images
    without a mistake would ask for a temperature of 0, and hundreds hardly notice it.
    """

    def loss(logarithm: float) -> float:
        scaled = logits / np.exp(logarithm)
        return np.sum(np.logaddexp(0, scaled) - actual * scaled) + (logarithm / PRIOR) ** 2 / 2

    fitted = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(fitted.x))


def cross_fit(actual: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The probability of each image by the temperature that the other folds' images give."""
    fold = np.arange(len(actual)) % FOLDS
    temperature = [
        fit_temperature(actual[fold != each], logits[fold != each]) for each in range(FOLDS)
    ]
    return expit(logits / np.array(temperature)[fold])
