"""The probability from which the second of two classes is predicted."""

import numpy as np

SIGNIFICANT = 0.05
DRAWS = 1999  # of labels


def choose_threshold(actual: np.ndarray, probability: np.ndarray, recall: float | None) -> float:
    """The threshold in (0, 1) with the best accuracy, or with the best precision for a recall.

    `actual` holds 0 and 1, `probability` is of class 1; both are `(images,)`. Candidates are 0.5
    and the midpoints of neighbouring probabilities; of equally good ones the nearest to 0.5 is
    chosen.

    Without `recall`, 0.5 is kept unless the best accuracy is significantly higher (see `gain_test`,
    p < SIGNIFICANT). With `recall`, only candidates with at least this recall of class 1 count.
    """
    values = np.unique(np.concatenate([[0, 1], probability]))
    candidates = np.append((values[1:] + values[:-1]) / 2, 0.5)
    # Images of either class at or above each candidate.
    wrong, right = (
        len(of_class) - np.searchsorted(np.sort(of_class), candidates)
        for of_class in (probability[actual == 0], probability[actual == 1])
    )
    if recall is None:
        score = right - wrong  # the number of correct images, less a constant
    else:
        precision = right / np.maximum(right + wrong, 1)
        score = np.where(right / (actual == 1).sum() >= recall, precision, -1)
    best = candidates[score == score.max()]
    if recall is None and gain_test(actual, probability) >= SIGNIFICANT:
        return 0.5
    return float(best[np.abs(best - 0.5).argmin()])


def gain_test(actual: np.ndarray, probability: np.ndarray) -> float:
    """The p-value, in (0, 1], of what the best threshold gains over 0.5 in correct images.

    The best of many thresholds gains by chance. So labels are drawn DRAWS times from the
    probabilities, for which 0.5 is the best threshold, and each draw has a best threshold of its
    own: the p-value is the fraction of draws with at least the gain of `actual`, which is counted
    as one of them (Davison and Hinkley 1997, https://doi.org/10.1017/CBO9780511802843).
    """
    order = np.argsort(probability)
    probability = probability[order]
    at_half = np.searchsorted(probability, 0.5)
    # A threshold lies before an image, or after all, but not between equal probabilities.
    is_cut = np.append(np.diff(probability, prepend=-1) > 0, True)

    def gain(labels: np.ndarray) -> int:
        correct = np.concatenate([[0], np.cumsum(1 - 2 * labels)])  # less a constant
        return correct[is_cut].max() - correct[at_half]

    observed, rng = gain(actual[order]), np.random.default_rng(0)
    draws = ((rng.random(len(probability)) < probability).astype(int) for _ in range(DRAWS))
    return (1 + sum(gain(labels) >= observed for labels in draws)) / (1 + DRAWS)
