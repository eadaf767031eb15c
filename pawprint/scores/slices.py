"""The test accuracy of slices: images with the same value in a column of metadata.csv."""

import pandas as pd

from pawprint.columns import SCORES
from pawprint.errors import printable
from pawprint.randomization import two_sets_test
from pawprint.scores.intervals import extend_to_zero, holm, linear_interval
from pawprint.scores.metrics import SLICE, fraction_cells

MIN_IMAGES = 10  # of a slice
MAX_SLICES = 50  # of a column, the largest
DIFFERENCE = "slice_difference"


def measure_slices(test: pd.DataFrame, metadata: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Rows of SCORES, without `split`: for each slice its accuracy, and that minus the others'.

    `test` has the columns `path`, `correct` and `group`; `metadata` is a table METADATA. The others
    are the test images with another value in the column. A slice has MIN_IMAGES or more, and so
    have its others. Of two values the rarer is a slice, as both have the same test. The interval of
    the difference is extended to 0 where the test does not reject. The levels are Holm's, of all
    slices together.
    """
    slices = {}
    for column, of_column in test.merge(metadata, on="path").groupby("column"):
        groups = of_column["group"].to_numpy()
        values = of_column["value"].value_counts().index[:MAX_SLICES]
        for value in sorted(values if len(values) > 2 else values[1:]):
            is_in = of_column["value"] == value
            images, others = of_column[is_in], of_column[~is_in]
            if min(len(images), len(others)) >= MIN_IMAGES:
                tested = (of_column["correct"].to_numpy(), is_in.to_numpy(), groups)
                difference = images["correct"].mean() - others["correct"].mean()
                # DVC's plots are HTML.
                name = printable(f"{column}: {value}").replace("<", " ")
                slices.setdefault(name, (images, tested, difference, two_sets_test(*tested)))
    rows, levels = [], holm([p_value for *_, p_value in slices.values()], 1 - confidence)
    for level, (name, (images, tested, difference, p_value)) in zip(levels, slices.items()):
        interval = linear_interval(*tested, 1 - level, weights=(-1, 1))
        low, high = extend_to_zero(interval, p_value < level)
        correct, groups = images["correct"].to_numpy(), images["group"].to_numpy()
        rows.append((name, SLICE, *fraction_cells(correct, groups, confidence)))
        rows.append((name, DIFFERENCE, difference, low, high, len(images)))
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def describe_slices(scores: pd.DataFrame) -> list[str]:
    """A sentence for each slice in a table SCORES that is significantly worse than its others."""
    accuracy = scores[scores["score"] == SLICE].set_index("label")
    worse = scores[(scores["score"] == DIFFERENCE) & (scores["high"] < 0)]
    return [
        f"Of the {row.images:,} test images with {row.label}, {accuracy.loc[row.label].value:.1%} "
        f"are right, {-100 * row.value:.1f} points fewer than of the others "
        f"({-100 * row.high:.1f} to {-100 * row.low:.1f})."
        for row in worse.itertuples()
    ]
