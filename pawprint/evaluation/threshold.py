"""The probability from which the second of two classes is predicted, for a recall."""

import numpy as np


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
