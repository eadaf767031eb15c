"""The probability from which the second of two classes is predicted."""

import numpy as np

from pawprint.evaluation.intervals import mcnemar

SIGNIFICANT = 0.05


def choose_threshold(actual: np.ndarray, probability: np.ndarray, recall: float | None) -> float:
    """The threshold in (0, 1) with the best accuracy, or with the best precision for a recall.

    `actual` holds 0 and 1, `probability` is of class 1; both are `(images,)`. Candidates are 0.5
    and the midpoints of neighbouring probabilities; of equally good ones the nearest to 0.5 is
    chosen.

    Without `recall`, 0.5 is kept unless the accuracy at another threshold is significantly better
    (McNemar's test, p < SIGNIFICANT): the best of many candidates fits these images by chance
    (docs/decisions/12). With `recall`, only candidates with at least this recall of class 1 count.
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
    threshold = float(best[np.abs(best - 0.5).argmin()])
    if recall is None:
        at_half, at_best = ((probability >= each) == actual for each in (0.5, threshold))
        won, lost = (at_best & ~at_half).sum(), (at_half & ~at_best).sum()
        if mcnemar(won, lost) >= SIGNIFICANT:
            return 0.5
    return threshold
