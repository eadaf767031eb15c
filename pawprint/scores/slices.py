"""Score slices: the test images that share a value in a column of metadata.csv."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.columns import SCORES
from pawprint.errors import printable
from pawprint.scores import intervals
from pawprint.scores.metrics import SLICE, fraction_cells

MIN_IMAGES = 10  # minimum number of images per slice
MAX_SLICES = 50  # maximum number of slices per column
DIFFERENCE = "slice_difference"


class _Slice(NamedTuple):
    """A slice's images, their difference from the other images, and the difference's p-value.

    `tested` covers all these images: whether each is correct and whether it is in the slice (both
    bool), and its group; all are `(images,)`.
    """

    images: pd.DataFrame
    tested: tuple[np.ndarray, np.ndarray, np.ndarray]
    difference: float
    p_value: float


def measure_slices(test: pd.DataFrame, metadata: pd.DataFrame) -> pd.DataFrame:
    """Return SCORES rows without `split`: each slice's accuracy, and its difference from the rest.

    The difference is the accuracy on the slice minus the accuracy on test images with another value
    in the column. `test` has the columns `path`, `correct` and `group`, and `metadata` is a
    METADATA table. Both a slice and its complement have at least MIN_IMAGES images. If a column has
    two values, only the rarer one is a slice, because both would result in the same test. If the
    difference is not significant, its interval is extended to 0. Holm's correction covers all
    slices together.
    """
    slices: dict[str, _Slice] = {}
    for column, of_column in test.merge(metadata, on="path").groupby("column"):
        groups = of_column["group"].to_numpy()
        values = of_column["value"].value_counts().index[:MAX_SLICES]
        for value in sorted(values if len(values) > 2 else values[1:]):
            is_in = of_column["value"] == value
            images = of_column[is_in]
            others = of_column[~is_in]
            if min(len(images), len(others)) >= MIN_IMAGES:
                tested = (of_column["correct"].to_numpy(), is_in.to_numpy(), groups)
                difference = images["correct"].mean() - others["correct"].mean()
                # DVC writes plots as HTML.
                name = printable(f"{column}: {value}").replace("<", " ")
                slices.setdefault(
                    name, _Slice(images, tested, difference, intervals.two_sets_test(*tested))
                )
    rows = []
    levels = intervals.holm([each.p_value for each in slices.values()], 1 - intervals.CONFIDENCE)
    for level, (name, (images, tested, difference, p_value)) in zip(levels, slices.items()):
        interval = intervals.linear_interval(*tested, 1 - level, weights=(-1, 1))
        low, high = intervals.extend_to_zero(interval, p_value < level)
        is_right = images["correct"].to_numpy()
        groups = images["group"].to_numpy()
        rows.append((name, SLICE, *fraction_cells(is_right, groups)))
        rows.append((name, DIFFERENCE, difference, low, high, len(images)))
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


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
