"""The probability from which the second class is predicted."""

import numpy as np

from pawprint.evaluation.intervals import mcnemar

SIGNIFICANT = 0.05


def choose_threshold(actual: np.ndarray, probability: np.ndarray, recall: float | None) -> float:
    """The threshold in (0, 1) with the best accuracy; of equals, that nearest 0.5.

    Or, given a recall of class 1, that with the best precision among those that have it. `actual`
    holds 0 and 1, `probability` is of 1. Candidates lie half-way between neighbouring
    probabilities, and one of them is 0.5. For accuracy it is 0.5 unless another is better beyond
    luck: the best of so many is the best for these very images (docs/decisions/12).
    """
    values = np.unique(np.concatenate([[0, 1], probability]))
    candidates = np.append((values[1:] + values[:-1]) / 2, 0.5)
    predicted = probability >= candidates[:, None]
    if recall is None:
        score = (predicted == actual).mean(axis=1)
    else:
        right = (predicted & (actual == 1)).sum(axis=1)
        precision = right / np.maximum(predicted.sum(axis=1), 1)
        score = np.where(right >= recall * (actual == 1).sum(), precision, -1)
    best = candidates[score == score.max()]
    threshold = float(best[np.abs(best - 0.5).argmin()])
    if recall is None:
        at_half, at_best = ((probability >= each) == actual for each in (0.5, threshold))
        won, lost = (at_best & ~at_half).sum(), (at_half & ~at_best).sum()
        if mcnemar(won, lost) >= SIGNIFICANT:
            return 0.5
    return threshold
