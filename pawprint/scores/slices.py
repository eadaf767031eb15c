"""Score parts of the test images: slices, and the images unlike those in other splits.

A slice contains the images that share a value in a column of metadata.csv.
"""

import numpy as np
import pandas as pd

from pawprint.errors import printable
from pawprint.scores import intervals
from pawprint.scores.metrics import APART, SLICE, fraction_cells, score_rows

MIN_IMAGES = 10  # minimum number of images per slice
MAX_SLICES = 50  # maximum number of slices per column
DIFFERENCE = "slice_difference"


def measure_apart(test: pd.DataFrame, near_duplicates: pd.DataFrame) -> pd.DataFrame:
    """Return a SCORES row: test accuracy without images that resemble images in other splits.

    The result is empty if no test images, or all of them, resemble images in other splits. `test`
    has the columns `path`, `group` and `correct`, and `near_duplicates` is a NEAR_DUPLICATES table.
    """
    split_of = near_duplicates.set_index("path")["split"]
    is_divided = near_duplicates.groupby("group")["split"].transform("nunique") > 1
    is_divided |= near_duplicates["nearest"].map(split_of) != near_duplicates["split"]
    is_apart = ~test["path"].isin(near_duplicates["path"][is_divided])
    if not 0 < is_apart.sum() < len(test):
        return score_rows([])
    is_right, groups = (test.loc[is_apart, name].to_numpy() for name in ("correct", "group"))
    return score_rows([("", APART, *fraction_cells(is_right, groups))])


def measure_slices(test: pd.DataFrame, metadata: pd.DataFrame) -> pd.DataFrame:
    """Return SCORES rows without `split`: each slice's accuracy, and its difference from the rest.

    The difference is the accuracy on the slice minus the accuracy on test images with another value
    in the column. `test` has the columns `path`, `correct` and `group`, and `metadata` is a
    METADATA table. Both a slice and its complement have at least MIN_IMAGES images. If a column has
    two values, only the rarer one is a slice, because both would result in the same test. If the
    difference is not significant, its interval is extended to 0. Holm's correction covers all
    slices together.
    """
    slices: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    for column, of_column in test.merge(metadata, on="path").groupby("column"):
        is_right, groups = (of_column[name].to_numpy() for name in ("correct", "group"))
        values = of_column["value"].value_counts().index[:MAX_SLICES]
        for value in sorted(values if len(values) > 2 else values[1:]):
            is_in = (of_column["value"] == value).to_numpy()
            if min(is_in.sum(), (~is_in).sum()) >= MIN_IMAGES:
                # DVC writes plots as HTML.
                name = printable(f"{column}: {value}").replace("<", " ")
                slices.setdefault(name, (is_right, is_in, groups))
    rows = []
    p_values = [intervals.two_sets_test(*tested) for tested in slices.values()]
    levels = intervals.holm(p_values, 1 - intervals.CONFIDENCE)
    for (name, tested), p_value, level in zip(slices.items(), p_values, levels):
        is_right, is_in, groups = tested
        interval = intervals.linear_interval(*tested, 1 - level, weights=(-1, 1))
        low, high = intervals.extend_to_zero(interval, p_value < level)
        difference = is_right[is_in].mean() - is_right[~is_in].mean()
        rows.append((name, SLICE, *fraction_cells(is_right[is_in], groups[is_in])))
        rows.append((name, DIFFERENCE, difference, low, high, is_in.sum()))
    return score_rows(rows)


def describe_slices(scores: pd.DataFrame) -> list[str]:
    """Return a sentence for each slice in a SCORES table that is significantly worse."""
    accuracy = scores[scores["score"] == SLICE].set_index("label")
    worse = scores[(scores["score"] == DIFFERENCE) & (scores["high"] < 0)]
    return [
        f"The accuracy is {accuracy.loc[row.label].value:.1%} on the {row.images:,} test "
        f"images with {row.label}, {-100 * row.value:.1f} points lower than on the rest "
        f"({-100 * row.high:.1f} to {-100 * row.low:.1f})."
        for row in worse.itertuples()
    ]
