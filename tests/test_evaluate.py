import numpy as np
import pytest

from stages.evaluate import measure, tabulate, tabulate_roc

ACTUAL = np.array([0, 0, 0, 1, 1])
PROBABILITY = np.array([0.1, 0.2, 0.9, 0.8, 0.5])


def test_scores_are_those_computed_by_hand():
    measured = measure(ACTUAL, PROBABILITY, 0.5, ["cat", "dog"])
    assert (measured["correct"], measured["total"], measured["accuracy"]) == (4, 5, 0.8)
    assert measured["cat"] == pytest.approx({"precision": 1, "recall": 2 / 3, "f1": 0.8})
    assert measured["dog"] == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 0.8})
    assert measured["roc_auc"] == pytest.approx(4 / 6)  # 4 of 6 pairs in the right order
    assert measured["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.1, 0.8, 0.5]).mean())


def test_threshold_decides_what_is_predicted():
    assert measure(ACTUAL, PROBABILITY, 0.85, ["cat", "dog"])["dog"]["recall"] == 0
    rows = [{"path": str(index), "label": "cat"} for index in range(2)]
    table = tabulate(rows, np.array([0.84, 0.85]), 0.85, ["cat", "dog"])
    assert [row["predicted"] for row in table] == ["cat", "dog"]
    assert table[0] == {"path": "0", "actual": "cat", "predicted": "cat", "probability": "0.840000"}


def test_class_that_is_never_predicted_scores_0_and_not_nan():
    measured = measure(ACTUAL, np.zeros(5), 0.5, ["cat", "dog"])
    assert measured["dog"] == {"precision": 0, "recall": 0, "f1": 0}
    assert np.isfinite(measured["loss"])


def test_roc_goes_from_none_to_all_with_finite_thresholds():
    rows = tabulate_roc(ACTUAL, PROBABILITY)
    points = [(float(row["false_positive_rate"]), float(row["true_positive_rate"])) for row in rows]
    assert (points[0], points[-1]) == ((0, 0), (1, 1))
    assert all(0 <= float(row["threshold"]) <= 1 for row in rows)
