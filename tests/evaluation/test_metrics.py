import numpy as np
import pandas as pd
import pytest

from pawprint.core.tables import SCORES
from pawprint.evaluation.class_scores import NAMES, class_scores
from pawprint.evaluation.intervals import clopper_pearson, resampled, wilson
from pawprint.evaluation.metrics import (
    describe,
    measure,
    measure_all,
    measure_probabilities,
    summarize,
    tabulate,
    tabulate_reliability,
    tabulate_roc,
)
from pawprint.serving.probabilities import predicted_classes

LABELS = ["cat", "dog"]
ACTUAL = np.array([0, 0, 0, 1, 1])
SECOND = np.array([0.1, 0.2, 0.9, 0.8, 0.5])
PROBABILITIES = np.column_stack([1 - SECOND, SECOND])
THREE = ["ant", "bee", "cow"]
ACTUAL_OF_THREE = np.array([0, 0, 1, 1, 2, 2])
OF_THREE = np.array(
    [
        [0.7, 0.2, 0.1],
        [0.6, 0.3, 0.1],
        [0.1, 0.8, 0.1],
        [0.5, 0.4, 0.1],
        [0.1, 0.1, 0.8],
        [0.2, 0.1, 0.7],
    ]
)


def measured(
    actual=ACTUAL, probabilities=PROBABILITIES, threshold=0.5, labels=LABELS, confidence=0.95
) -> pd.DataFrame:
    predicted = predicted_classes(probabilities, threshold)
    return measure(actual, probabilities, predicted, labels, confidence, {})


def value(scores: pd.DataFrame, score: str, label: str = "") -> float:
    return scores.set_index(["label", "score"]).loc[(label, score), "value"]


def test_scores_are_those_computed_by_hand():
    scores = measured()
    assert value(scores, "accuracy") == value(scores, "accuracy_at_half") == 0.8
    for label, expected in (("cat", (1, 2 / 3, 0.8)), ("dog", (2 / 3, 1, 0.8))):
        found = [value(scores, name, label) for name in ("precision", "recall", "f1")]
        assert found == pytest.approx(expected)
    assert value(scores, "balanced_accuracy") == pytest.approx((2 / 3 + 1) / 2)
    assert value(scores, "roc_auc") == pytest.approx(4 / 6)  # 4 of 6 pairs in the right order


def test_scores_of_three_classes_are_those_computed_by_hand():
    scores = measured(ACTUAL_OF_THREE, OF_THREE, None, THREE)
    assert value(scores, "accuracy") == pytest.approx(5 / 6)
    assert value(scores, "precision", "ant") == pytest.approx(2 / 3)
    assert value(scores, "recall", "bee") == value(scores, "recall") - 1 / 3 == 0.5
    assert value(scores, "f1", "cow") == 1
    assert value(scores, "roc_auc", "ant") == 1
    assert value(scores, "roc_auc") == pytest.approx(1)
    assert "accuracy_at_half" not in set(scores["score"])


def test_probabilities_are_measured_as_by_hand():
    found = measure_probabilities(ACTUAL, PROBABILITIES)
    assert found["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.1, 0.8, 0.5]).mean())
    assert found["brier_score"] == pytest.approx((0.01 + 0.04 + 0.81 + 0.04 + 0.25) / 5)
    assert found["expected_calibration_error"] == pytest.approx((0.1 + 0.2 + 0.9 + 0.2 + 0.5) / 5)


def test_probabilities_of_three_classes_are_measured_as_by_hand():
    found = measure_probabilities(ACTUAL_OF_THREE, OF_THREE)
    assert found["loss"] == pytest.approx(-np.log([0.7, 0.6, 0.8, 0.4, 0.8, 0.7]).mean())
    squares = (np.eye(3)[ACTUAL_OF_THREE] - OF_THREE) ** 2
    assert found["brier_score"] == pytest.approx(squares.sum() / 6)


def test_scores_before_calibration_have_names_of_their_own():
    found = measure_all(ACTUAL, PROBABILITIES, PROBABILITIES[:, ::-1])
    before = measure_probabilities(ACTUAL, PROBABILITIES[:, ::-1])
    assert {key: found[f"uncalibrated_{key}"] for key in before} == before
    assert len(found) == 2 * len(before)


def test_threshold_decides_what_is_predicted():
    scores = measured(threshold=0.85)
    assert value(scores, "recall", "dog") == 0
    assert value(scores, "accuracy") == 0.4
    assert value(scores, "accuracy_at_half") == 0.8


def test_predictions_have_a_column_of_probabilities_per_label():
    rows = pd.DataFrame({"path": ["1", "0"], "label": ["ant", "cow"]}, index=[7, 5])
    table = tabulate(rows, OF_THREE[[0, 3]], np.array([0, 0]), THREE)
    assert table.to_dict("records") == [
        {"path": "1", "actual": "ant", "predicted": "ant"}
        | {"probability_ant": 0.7, "probability_bee": 0.2, "probability_cow": 0.1},
        {"path": "0", "actual": "cow", "predicted": "ant"}
        | {"probability_ant": 0.5, "probability_bee": 0.4, "probability_cow": 0.1},
    ]


def test_every_interval_holds_its_score():
    rng = np.random.default_rng(1)
    actual = np.repeat([0, 1, 2], 40)
    logits = rng.normal(0, 1, (120, 3)) + 1.5 * np.eye(3)[actual]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores = measured(actual, probabilities, None, THREE)
    assert len(scores) == 2 + 4 + 3 * 4
    assert (scores["low"] < scores["value"]).all()
    assert (scores["value"] < scores["high"]).all()


def test_class_with_one_image_leaves_the_intervals_of_the_others():
    actual = np.repeat([0, 1, 2], [40, 40, 1])
    logits = np.random.default_rng(1).normal(0, 1, (81, 3)) + 1.5 * np.eye(3)[actual]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores = measured(actual, probabilities, None, THREE).set_index(["label", "score"])
    width = scores["high"] - scores["low"]
    assert (width["cow"] == 1).all()
    assert (width["ant"] < 0.4).all()
    assert (width["bee"] < 0.4).all()
    means = width[""].drop("accuracy")
    assert (means > 1 / 3).all()
    assert (means < 0.7).all()


def test_intervals_are_wilsons_and_those_of_the_bootstrap():
    scores = measured(threshold=0.6, confidence=0.8).set_index(["label", "score"])
    assert tuple(scores.loc[("", "accuracy"), ["low", "high"]]) == wilson(3, 5, 0.8)
    predicted = predicted_classes(PROBABILITIES, 0.6)
    low, high = resampled(class_scores(ACTUAL, predicted, PROBABILITIES), ACTUAL, 0.8)
    for name, place in (("f1", 2), ("roc_auc", 3)):
        ends = tuple(scores.loc[("", name), ["low", "high"]])
        assert ends == (low[place, 0], high[place, 0])


def test_scores_have_the_names_that_other_commits_have():
    scores = measure(
        ACTUAL,
        PROBABILITIES,
        predicted_classes(PROBABILITIES, 0.5),
        LABELS,
        0.95,
        measure_all(ACTUAL, PROBABILITIES, PROBABILITIES),
    )
    assert list(scores) == list(SCORES)[1:]
    of_class = ["precision", "recall", "f1"]
    probabilities = ["loss", "brier_score", "expected_calibration_error"]
    probabilities += ["debiased_calibration_error"]
    assert list(zip(scores["label"], scores["score"])) == [
        *(("", name) for name in ("accuracy", "accuracy_at_half", "balanced_accuracy", *NAMES)),
        *(("", name) for name in probabilities),
        *(("", f"uncalibrated_{name}") for name in probabilities),
        *(("cat", name) for name in of_class),
        *(("dog", name) for name in of_class),
    ]
    assert list(scores["images"]) == [5] * 15 + [3] * 3 + [2] * 3


def test_few_scores_of_each_split_are_metrics():
    scores = measure(ACTUAL, PROBABILITIES, ACTUAL, LABELS, 0.95, {"loss": 0.25})
    both = pd.concat([scores.assign(split="validation"), scores.assign(split="test")])
    of_split = {"accuracy": 1.0, "balanced_accuracy": 1.0, "loss": 0.25}
    assert summarize(both) == {"validation": of_split, "test": of_split}
    assert list(summarize(both)) == ["validation", "test"]


def test_few_images_are_said_to_be_few():
    assert describe("test", measured(), 0.95) == (
        "test accuracy 0.8000 (4/5), 95% interval 0.3755 to 0.9638 (few images: a wide interval)"
    )
    for times, few in ((19, True), (20, False)):
        scores = measured(np.tile(ACTUAL, times), np.tile(PROBABILITIES, (times, 1)))
        assert ("few" in describe("test", scores, 0.95)) == few


def test_one_image_of_a_class_still_gives_a_result():
    scores = measured(np.array([0, 1, 1]), PROBABILITIES[:3]).set_index(["label", "score"])
    assert tuple(scores.loc[("", "roc_auc"), ["low", "high"]]) == (0, 1)


def test_roc_goes_from_none_to_all_with_finite_thresholds():
    points = tabulate_roc(ACTUAL, PROBABILITIES, LABELS)
    assert set(points["label"]) == {"dog"}
    assert points["false_positive_rate"].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1])
    assert points["true_positive_rate"].tolist() == [0, 0, 1, 1]
    assert points["threshold"].tolist() == [1, 0.9, 0.5, 0.1]


def test_each_of_three_classes_has_its_roc_curve():
    points = tabulate_roc(ACTUAL_OF_THREE, OF_THREE, THREE)
    assert list(points["label"].unique()) == THREE
    for _, curve in points.groupby("label"):
        assert curve[["false_positive_rate", "true_positive_rate"]].iloc[-1].tolist() == [1, 1]


def test_reliability_has_a_row_for_each_bin_with_images_and_an_interval():
    second = np.array([0.01, 0.03, 0.03, 0.9])
    probabilities = np.column_stack([1 - second, second])
    table = tabulate_reliability(np.array([0, 0, 1, 1]), probabilities, LABELS, 0.95)
    low, high = table.to_dict("records")
    assert (low["probability"], low["fraction"]) == pytest.approx((0.07 / 3, 1 / 3))
    assert (low["low"], low["high"]) == clopper_pearson(1, 3, 0.95)
    assert (high["probability"], high["fraction"]) == (0.9, 1)
    assert (low["images"], high["images"]) == (3, 1)
    assert set(table["label"]) == {"dog"}
    of_three = tabulate_reliability(ACTUAL_OF_THREE, OF_THREE, THREE, 0.95)
    assert set(of_three["label"]) == {"the predicted class"}
