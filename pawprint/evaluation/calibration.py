"""Temperature and threshold: from logits to calibrated probabilities and a predicted class."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, softmax
from scipy.stats import chi2, ttest_rel

# Standard deviation of the normal prior of log(temperature): two thirds of the prior's mass lies
# between 0.6 and 1.65.
PRIOR = 0.5
TEMPERATURES = (0.05, 20)  # range of the search
SIGNIFICANT = 0.05  # p-value below which a temperature is applied, or views are not


def probabilities_of(logits: np.ndarray, temperature: float | np.ndarray = 1.0) -> np.ndarray:
    """Probabilities `(images, classes)` for the logits of a network divided by a temperature.

    `logits` is `(images, 1)`, of the second of two classes, or `(images, classes)`; a temperature
    for each image is `(images, 1)`. With views, `logits` is `(images, views, …)`, a temperature for
    each image `(images, 1, 1)`, and the probabilities are means over the views.
    """
    scaled = logits / temperature
    if scaled.shape[-1] == 1:
        second = expit(scaled)
        probabilities = np.concatenate([1 - second, second], axis=-1)
    else:
        probabilities = softmax(scaled, axis=-1)
    return probabilities.mean(axis=1) if logits.ndim == 3 else probabilities


def fit_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """The temperature in TEMPERATURES for which the log loss of `probabilities_of` is lowest.

    `actual` holds indices of classes, int `(images,)`; `logits` is as for `probabilities_of`. The
    prior around 1 is an addition to the paper: without an error among a few images the lowest loss
    is at 0. With hundreds of images it has little effect.
    """
    views = logits.reshape(len(logits), -1, logits.shape[-1])
    if logits.shape[-1] == 1:
        views = np.concatenate([np.zeros_like(views), views], axis=-1)
    of_actual = np.take_along_axis(views, actual[:, None, None], axis=-1)[..., 0]

    def loss(logarithm: float) -> float:
        temperature = np.exp(logarithm)
        normalizer = np.logaddexp.reduce(views / temperature, axis=-1)
        of_views = of_actual / temperature - normalizer
        of_images = np.logaddexp.reduce(of_views, axis=1) - np.log(views.shape[1])
        return (logarithm / PRIOR) ** 2 / 2 - np.sum(of_images)

    fitted = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(fitted.x))


def calibrate(actual: np.ndarray, logits: np.ndarray) -> float:
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
        log_losses(actual, probabilities_of(logits, each)).sum() for each in (1.0, temperature)
    )
    return float(chi2.sf(2 * (before - after), df=1))


def views_are_worse(actual: np.ndarray, logits: np.ndarray) -> bool:
    """Whether the mean over views has a significantly higher log loss than the first view alone.

    By a paired t-test of one side. `logits` is `(images, views, …)`.
    """
    one, mean = (log_losses(actual, probabilities_of(each)) for each in (logits[:, :1], logits))
    return bool(ttest_rel(mean, one, alternative="greater").pvalue < SIGNIFICANT)


def log_losses(actual: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The log loss of each image, from 0 on, `(images,)`; probabilities are at least 2.2e-16."""
    of_actual = probabilities[np.arange(len(actual)), actual]
    return -np.log(np.maximum(of_actual, np.finfo(float).eps))


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
        len(of_class) - np.searchsorted(np.sort(of_class), candidates)
        for of_class in (probability[actual == 0], probability[actual == 1])
    )
    precision = right / np.maximum(right + wrong, 1)
    score = np.where(right / (actual == 1).sum() >= recall, precision, -1)
    best = candidates[score == score.max()]
    return float(best[np.abs(best - 0.5).argmin()])
