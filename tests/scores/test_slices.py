import numpy as np
import pandas as pd
import pytest

from pawprint.columns import METADATA, NEAR_DUPLICATES
from pawprint.reports.pages import slice_rows
from pawprint.scores.metrics import SLICE
from pawprint.scores.slices import DIFFERENCE, describe_slices, measure_apart, measure_slices


def measured(correct: np.ndarray, values: np.ndarray, groups: np.ndarray | None = None):
    paths = [f"{number}.jpg" for number in range(len(correct))]
    test = pd.DataFrame({"path": paths, "correct": correct})
    test["group"] = paths if groups is None else groups
    cells = [(path, "camera", value) for path, value in zip(paths, values) if value]
    return measure_slices(test, pd.DataFrame(cells, columns=list(METADATA)))


def test_slice_that_is_worse_than_the_others_is_told():
    cameras = np.repeat(["a", "b", "", "rare"], [100, 40, 20, 3])
    correct = np.ones(163, bool)
    correct[100:120] = False  # half of the images of b
    scores = measured(correct, cameras)
    assert set(scores["label"]) == {"camera: a", "camera: b"}
    _, (_, accuracy, difference) = slice_rows(scores.assign(split="test"))
    assert accuracy.startswith("50.00% (20/40)") and difference.startswith("-")
    two = measured(correct[:140], cameras[:140])
    assert set(two["label"]) == {"camera: b"}  # the other images belong to a
    accuracy = scores.query(f"score == '{SLICE}' and label == 'camera: b'").iloc[0]
    assert accuracy["low"] < accuracy["value"] == 0.5 < accuracy["high"]
    assert len(describe_slices(scores)) == 1
    assert describe_slices(measured(correct, cameras, np.repeat(range(8), 21)[:163])) == []


@pytest.mark.extended
def test_slices_that_do_not_differ_are_seldom_called_worse():
    """With twelve values, alarms are at most as frequent as the level, over all together."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        values = (np.arange(300) % 12).astype(str)
        scores = measured(rng.uniform(size=300) < 0.85, values)
        assert (scores["score"] == DIFFERENCE).sum() == 12
        alarms += bool(describe_slices(scores))
    assert alarms <= 0.05 * 300


def test_names_are_no_markup():
    scores = measured(np.arange(40) % 3 > 0, np.repeat(["<script>", "b"], 20))
    assert not scores["label"].str.contains("<").any()


def test_accuracy_without_test_images_that_look_like_others():
    test = pd.DataFrame({"path": list("abcd"), "correct": [True, True, False, True]})
    test["group"] = test["path"]
    rows = [("a", "test", "x"), ("x", "train", "a"), ("c", "test", "d"), ("d", "test", "c")]
    alike = pd.DataFrame(rows, columns=["path", "split", "nearest"]).assign(group=list("aacc"))
    alike = alike.reindex(columns=list(NEAR_DUPLICATES))
    (row,) = measure_apart(test, alike).to_dict("records")
    assert (row["value"], row["images"]) == (pytest.approx(2 / 3), 3)
    assert row["low"] < row["value"] < row["high"]
    assert measure_apart(test, alike[2:]).empty
    assert measure_apart(test[:1], alike).empty
