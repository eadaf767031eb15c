"""Compare the test set with validation: false alarms and true alarms."""

import numpy as np
import pandas as pd
import pytest

from pawprint.scores.shift import MIN_DIFFERENCE, compare_splits, describe_shift


def judged(rng, images: int, ability: float, per_group: int = 1, refused=0.005) -> pd.DataFrame:
    """Return calibrated predictions that are equal within a group, as for the frames of a video."""
    groups = images // per_group
    confidence = np.maximum(rng.beta(ability, 1, groups), 0.5)
    correct, unknown = rng.uniform(size=groups) < confidence, rng.uniform(size=groups) < refused
    columns = {"correct": correct, "refused": unknown, "confidence": confidence}
    table = pd.DataFrame({"group": np.arange(groups).astype(str)} | columns)
    return table.loc[table.index.repeat(per_group)].reset_index(drop=True)


@pytest.mark.parametrize(
    ("validation", "test", "ability", "per_group", "pairs", "most"),
    [
        (20, 500, 50, 1, 100, 0.08),
        (600, 600, 10, 30, 100, 0.08),
        pytest.param(500, 500, 5, 1, 1000, 0.05, marks=pytest.mark.extended),
        pytest.param(20, 500, 50, 1, 1000, 0.05, marks=pytest.mark.extended),
        pytest.param(100, 10, 20, 1, 1000, 0.05, marks=pytest.mark.extended),
        pytest.param(600, 600, 10, 30, 1000, 0.05, marks=pytest.mark.extended),
    ],
)
def test_sets_of_one_distribution_seldom_raise_an_alarm(
    validation, test, ability, per_group, pairs, most
):
    """The numbers in docs/evaluation.md are those of 1,000 pairs."""
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(pairs):
        both = (judged(rng, images, ability, per_group) for images in (validation, test))
        alarms += bool(describe_shift(compare_splits(*both)))
    assert alarms <= most * pairs


@pytest.mark.parametrize(
    ("ability", "refused", "expected"), [(3, 0.005, "accuracy -"), (20, 0.1, "unknown \\+")]
)
def test_test_images_of_another_kind_raise_an_alarm(ability, refused, expected):
    rng = np.random.default_rng(0)
    pair = judged(rng, 400, 20), judged(rng, 400, ability, refused=refused)
    warning = describe_shift(compare_splits(*pair))
    assert pd.Series([warning]).str.contains(expected).all()


def test_small_differences_of_many_images_are_no_alarm():
    rng = np.random.default_rng(0)
    one = judged(rng, 100_000, 20)
    other = one.assign(correct=one["correct"] & (rng.uniform(size=len(one)) > 0.5 * MIN_DIFFERENCE))
    rows = compare_splits(one, other).set_index("score")
    assert rows.loc["accuracy_difference", "high"] < 0
    assert describe_shift(rows.reset_index()) == ""
