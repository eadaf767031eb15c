"""What `calibrate` fits and chooses: from logits to labels."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import chdtrc

from pawprint.classes import SIGNIFICANT, Difference, log_losses, to_probabilities
from pawprint.params.results import Calibrate, TestTimeAugmentation

# Standard deviation of the normal prior of log(temperature): two thirds of the prior's mass lies
# between 0.6 and 1.65.
PRIOR = 0.5
TEMPERATURES = (0.05, 20)  # range of the search


def fit_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """The temperature in TEMPERATURES for which the log loss of `to_probabilities` is lowest.

    `actual` holds indices of classes, int `(images,)`; `logits` is as for `to_probabilities`. The
    prior around 1 is an addition to the paper: without an error among a few images the lowest loss
    is at 0. With hundreds of images it has little effect.
    """
    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    actual_logits = logits[np.arange(len(logits)), actual]

    def loss(logarithm: float) -> float:
        temperature = np.exp(logarithm)
        normalizer = np.logaddexp.reduce(logits / temperature, axis=-1)
        return (logarithm / PRIOR) ** 2 / 2 - np.sum(actual_logits / temperature - normalizer)

    minimum = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(minimum.x))


def calibrate(
    params: Calibrate, actual: np.ndarray, logits: np.ndarray
) -> tuple[float, float | None]:
    """The temperature, and the threshold of two classes, as the params say.

    `actual` and `logits` are as for `fit_temperature`.
    """
    temperature = significant_temperature(actual, logits) if params.temperature else 1.0
    if logits.shape[-1] > 1:
        return temperature, None
    _, second = to_probabilities(logits, temperature).T
    return temperature, params.threshold or choose_threshold(actual, second, params.recall)


def significant_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """The temperature that `fit_temperature` gives, or 1 if it is not SIGNIFICANT."""
    temperature = fit_temperature(actual, logits)
    significant = likelihood_ratio_test(actual, logits, temperature) < SIGNIFICANT
    return temperature if significant else 1.0


def likelihood_ratio_test(actual: np.ndarray, logits: np.ndarray, temperature: float) -> float:
    """The p-value, in [0, 1], that dividing by the temperature that is fitted changes nothing.

    The images are those that it is fitted on. Wilks, The Large-Sample Distribution of the
    Likelihood Ratio, 1938 (https://doi.org/10.1214/aoms/1177732360).
    """
    before, after = (
        log_losses(actual, to_probabilities(logits, value)).sum() for value in (1.0, temperature)
    )
    return float(chdtrc(1, max(2 * (before - after), 0)))


def choose_augmentation(
    actual: np.ndarray, logits: dict[TestTimeAugmentation, np.ndarray]
) -> tuple[TestTimeAugmentation, str]:
    """The test-time augmentation by the log loss of validation, and why.

    The logits of two are as for `fit_temperature`. The second is taken unless it is significantly
    worse than the first.
    """
    first, second = logits
    of_first, losses = (log_losses(actual, to_probabilities(values)) for values in logits.values())
    difference = Difference.of(losses, of_first)
    choice, verb = (first, "is") if difference.is_higher else (second, "is not")
    return choice, (
        f"{second} is taken unless its validation loss is significantly higher than that of "
        f"{first}, and it {verb} ({difference})"
    )


def choose_threshold(actual: np.ndarray, probability: np.ndarray, recall: float | None) -> float:
    """The threshold in (0, 1) with the best precision among those with at least this recall.

    `actual` holds 0 and 1, `probability` is of class 1; both are `(images,)`. Candidates are 0.5
    and the midpoints of neighbouring probabilities; of equally good ones the nearest to 0.5 is
    chosen. Without a recall, the threshold is 0.5.
    """
    if recall is None:
        return 0.5
    values = np.unique(np.concatenate([[0, 1], probability]))
    candidates = np.append((values[1:] + values[:-1]) / 2, 0.5)
    # Images of either class at or above each candidate.
    wrong, right = (
        len(group) - np.searchsorted(np.sort(group), candidates)
        for group in (probability[actual == 0], probability[actual == 1])
    )
    precision = right / np.maximum(right + wrong, 1)
    score = np.where(right / (actual == 1).sum() >= recall, precision, -1)
    best = candidates[score == score.max()]
    return float(best[np.abs(best - 0.5).argmin()])
