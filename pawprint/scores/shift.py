"""Test whether validation and test images are alike."""

import numpy as np
import pandas as pd

from pawprint.scores import intervals
from pawprint.scores.metrics import score_rows

DIFFERENCES = {  # descriptions of rows in SCORES
    "accuracy_difference": "accuracy",
    "refused_difference": "images labelled unknown",
    "confidence_difference": "mean probability of the predicted class",
}
# Maximum probability of a false alarm in any of the three tests (Bonferroni correction).
ALPHA = 0.05
# Validation determines which epoch is kept, so its score is slightly optimistic.
MIN_DIFFERENCE = 0.01


def compare_splits(validation: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Return test minus validation: the DIFFERENCES rows in SCORES, without `split`.

    Each row in a table is an image, with `group`, `correct`, `refused` (as unknown), and
    `confidence`, the predicted class's probability. Images in a group are not independent. If a
    difference is not significant, its interval is extended to 0.
    """
    alpha = ALPHA / len(DIFFERENCES)
    rows = []
    both = pd.concat([test, validation])
    is_test = np.arange(len(both)) < len(test)
    groups = both["group"].to_numpy()
    for score, column in zip(DIFFERENCES, ("correct", "refused", "confidence")):
        tested = both[column].to_numpy(float), is_test, groups
        interval = intervals.linear_interval(*tested, 1 - alpha, weights=(-1, 1))
        low, high = intervals.extend_to_zero(interval, intervals.two_sets_test(*tested) < alpha)
        difference = test[column].mean() - validation[column].mean()
        rows.append(("", score, difference, low, high, len(test)))
    return score_rows(rows)


def describe_shift(scores: pd.DataFrame) -> str:
    """Return a sentence about the rows from `compare_splits` if one is an alarm, otherwise "".

    An alarm is a difference of at least MIN_DIFFERENCE with an interval that excludes 0.
    """
    rows = scores[scores["score"].isin(DIFFERENCES)]
    is_alarm = (rows["low"] > 0) | (rows["high"] < 0)
    if not (is_alarm & (rows["value"].abs() >= MIN_DIFFERENCE)).any():
        return ""
    differences = ", ".join(
        f"{DIFFERENCES[row.score]} {100 * row.value:+.1f} points ({100 * row.low:+.1f} to "
        f"{100 * row.high:+.1f})"
        for row in rows[is_alarm].itertuples()
    )
    return (
        f"The test set differs from the validation set by more than sampling explains: "
        f"{differences}. The test images are of another kind, or their class proportions differ, "
        "or the validation set contains near-duplicates of training images. Look at "
        "plots/errors.jpg and data/split/near_duplicates.csv."
    )
