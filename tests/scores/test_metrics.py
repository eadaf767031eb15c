import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_recall_fscore_support

from pawprint.base.imbalance import headline
from pawprint.base.labels import ONE_CLASS
from pawprint.scores import metrics
from pawprint.scores.intervals import fraction_interval

LABELS = ["cat", "dog"]
ACTUAL = np.array([0, 0, 0, 1, 1])
SECOND = np.array([0.1, 0.2, 0.9, 0.8, 0.5])
PROBABILITIES = np.column_stack([1 - SECOND, SECOND])
THREE = ["ant", "bee", "cow"]


def test_images_of_no_class_are_refused_above_the_threshold():
    rows = metrics.measure_unknown(
        np.array([0.9, 0.7, 0.4]), np.array([0.1, 0.5]), 0.4, np.arange(5)
    )
    rows = rows.set_index("score")
    assert rows["value"].to_dict() == pytest.approx({"refused": 2 / 3, "roc_auc": 5 / 6})
    assert tuple(rows.loc["refused", ["low", "high"]]) == fraction_interval(2, 3)
    assert rows.loc["roc_auc", "low"] < 5 / 6 < rows.loc["roc_auc", "high"]


def predictions_of(actual: np.ndarray, *others: object) -> metrics.Predictions:
    """Return predictions for images that are each their own group."""
    return metrics.Predictions(actual, *others, np.arange(len(actual)))


def value(scores: pd.DataFrame, score: str, label: str = "") -> float:
    return scores.set_index(["label", "score"]).loc[(label, score), "value"]


def test_scores_are_those_computed_by_hand():
    predicted = ONE_CLASS.predict(PROBABILITIES, {1: 0.5})
    predictions = predictions_of(ACTUAL, PROBABILITIES, predicted, LABELS)
    scores = metrics.tabulate_scores(predictions)
    assert value(scores, "accuracy") == 0.8
    assert value(scores, "recall", "cat") == pytest.approx(2 / 3)
    assert value(scores, "recall", "dog") == 1
    assert value(scores, "roc_auc") == pytest.approx(4 / 6)  # 4 of 6 pairs are in the right order
    assert value(scores, "loss") == pytest.approx(-np.log([0.9, 0.8, 0.1, 0.8, 0.5]).mean())
    error = (0.1 + 0.2 + 0.9 + 0.2 + 0.5) / 5
    assert value(scores, "expected_calibration_error") == pytest.approx(error)


def test_scores_of_classes_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    actual, predicted = rng.choice(4, 200, p=[0.6, 0.2, 0.1, 0.1]), rng.integers(0, 4, 200)
    labels, probabilities = [*"abcd"], np.full((200, 4), 0.25)
    scores = metrics.tabulate_scores(predictions_of(actual, probabilities, predicted, labels))
    theirs = precision_recall_fscore_support(actual, predicted)
    for name, expected in zip(("precision", "recall", "f1"), theirs):
        assert [value(scores, name, label) for label in labels] == pytest.approx(expected)
    assert value(scores, "mean_recall") == pytest.approx(balanced_accuracy_score(actual, predicted))
    assert value(scores, "macro_f1") == pytest.approx(f1_score(actual, predicted, average="macro"))


def test_class_without_images_or_predictions_has_no_such_score():
    labels, actual = [*THREE, "doe"], np.repeat([0, 1, 2], 4)
    probabilities = np.full((12, 4), 0.25)
    predicted = np.repeat([0, 1, 1], 4)
    scores = metrics.tabulate_scores(predictions_of(actual, probabilities, predicted, labels))
    assert set(scores["label"]) == {"", *THREE}
    of_classes = scores[scores["label"] != ""].groupby("label")["score"].agg(set)
    assert of_classes["ant"] - of_classes["cow"] == {"precision"}
    assert value(scores, "mean_recall") == pytest.approx(2 / 3)
    assert value(scores, "roc_auc") == 0.5
    predictions = predictions_of(actual, probabilities, predicted, labels)
    assert set(metrics.tabulate_roc(predictions)["label"]) == set(THREE)


def test_mean_recall_is_the_headline_of_a_largest_class_of_twice_its_even_portion():
    for largest, expected in ((40, "accuracy"), (41, "mean_recall")):
        assert headline(pd.Series([largest, 10, 10])) == expected
    assert headline(pd.Series([999, 1])) == "accuracy"


def test_roc_goes_from_none_to_all():
    predictions = predictions_of(ACTUAL, PROBABILITIES, ACTUAL, LABELS)
    points = metrics.tabulate_roc(predictions)
    assert set(points["label"]) == {"dog"}
    assert points["false_positive_rate"].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1])
    assert points["true_positive_rate"].tolist() == [0, 0, 1, 1]


def test_reliability_has_a_row_for_each_bin_with_images_and_an_interval():
    second = np.array([0.01, 0.03, 0.03, 0.9])
    probabilities = np.column_stack([1 - second, second])
    predictions = predictions_of(np.array([0, 0, 1, 1]), probabilities, probabilities, LABELS)
    table = metrics.tabulate_reliability(predictions)
    low, high = table.to_dict("records")
    assert (low["probability"], low["fraction"]) == pytest.approx((0.07 / 3, 1 / 3))
    assert (low["low"], low["high"]) == fraction_interval(1, 3)
    assert (high["probability"], high["fraction"]) == (0.9, 1)
    assert (low["images"], high["images"]) == (3, 1)
    assert set(table["label"]) == {"dog"}
    probabilities = 0.2 + 0.4 * np.eye(3)
    of_three = predictions_of(np.arange(3), probabilities, np.arange(3), THREE)
    of_three = metrics.tabulate_reliability(of_three)
    assert set(of_three["label"]) == {"the predicted class"}


def test_top_label_of_more_than_two_classes_is_looked_at():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5]])
    predictions = predictions_of(
        np.array([0, 2, 2]), probabilities, probabilities.argmax(axis=1), THREE
    )
    mean, bins = metrics.bin_probabilities(predictions.samples.probability)
    assert mean == pytest.approx([0.5, 0.8]) and bins.tolist() == [1, 1, 0]
    assert predictions.samples.is_true.tolist() == [True, False, True]
    error = value(metrics.tabulate_scores(predictions), "expected_calibration_error")
    assert error == pytest.approx((0.5 + 2 * 0.3) / 3)
