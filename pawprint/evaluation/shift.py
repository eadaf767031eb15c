"""Whether the test set is like the validation set, and how much it is like other splits."""

import warnings

import pandas as pd
from scipy.stats import mannwhitneyu, ttest_ind

from pawprint.columns import SCORES
from pawprint.evaluation.intervals import difference_interval, fisher
from pawprint.evaluation.metrics import fraction_row

DIFFERENCES = {  # scores of SCORES, in words
    "accuracy_difference": "accuracy",
    "refused_difference": "images labelled unknown",
    "confidence_difference": "mean probability of the predicted class",
}
ALPHA = 0.05  # probability of a false alarm, at most: Bonferroni's, of the three together
# Validation decides which epoch is kept, and so is a little better than other images.
MIN_DIFFERENCE = 0.01
APART = "accuracy_without_near_duplicates"


def measure_apart(
    test: pd.DataFrame, near_duplicates: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    """The test accuracy without images that look like one of another split: a row of SCORES.

    Empty if there is none such, or no other. `test` has the columns `path` and `correct`,
    `near_duplicates` is a table NEAR_DUPLICATES.
    """
    split_of = near_duplicates.set_index("path")["split"]
    is_divided = near_duplicates.groupby("group")["split"].transform("nunique") > 1
    is_divided |= near_duplicates["nearest"].map(split_of) != near_duplicates["split"]
    is_apart = ~test["path"].isin(near_duplicates["path"][is_divided])
    rows = []
    if 0 < is_apart.sum() < len(test):
        rows = [("", *fraction_row(APART, test["correct"][is_apart].to_numpy(), confidence))]
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def compare_splits(validation: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Test minus validation: the rows DIFFERENCES of SCORES, without `split`.

    A row of a table is an image, with `group`, `correct`, `refused` as unknown, and `confidence`,
    the probability of the predicted class. The images of a group are not independent, so each group
    counts as one image, with its mean; `images` is the number of groups of test.
    Fractions have the interval of `difference_interval`, the mean probability has Welch's, 1947
    (https://doi.org/10.1093/biomet/34.1-2.28), not a number for one group or for equal values. An
    interval is extended to 0 where an exact test does not reject: Fisher's of fractions, or that of
    Mann and Whitney, 1947 (https://doi.org/10.1214/aoms/1177730491). Few or skewed values need it.
    """
    alpha, rows = ALPHA / len(DIFFERENCES), []
    columns = ["correct", "refused", "confidence"]
    means = [table.groupby("group")[columns].mean() for table in (test, validation)]
    sizes = [len(each) for each in means]
    for score, column in zip(DIFFERENCES, columns):
        ours, others = (each[column].to_numpy(float) for each in means)
        if column == "confidence":
            p_value = mannwhitneyu(ours, others).pvalue
            with warnings.catch_warnings(action="ignore"):  # of one group, of equal values
                low, high = ttest_ind(ours, others, equal_var=False).confidence_interval(1 - alpha)
        else:
            pairs = [(round(each.sum()), size) for each, size in zip((ours, others), sizes)]
            p_value = fisher(*pairs)
            low, high = difference_interval(*pairs, 1 - alpha)
        if p_value >= alpha:
            low, high = min(low, 0), max(high, 0)
        rows.append(("", score, ours.mean() - others.mean(), low, high, sizes[0]))
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def describe_shift(scores: pd.DataFrame) -> str:
    """A sentence on the rows of `compare_splits` in a table if one is an alarm, or else "".

    An alarm is an interval without 0 of a difference of at least MIN_DIFFERENCE.
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
        f"{differences}. Its images are of another kind, or of other proportions of the classes, "
        "or validation has near-duplicates of training images. Look at plots/errors.png and "
        "data/split/near_duplicates.csv."
    )
