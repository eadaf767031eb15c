from functools import partial

import numpy as np
import pandas as pd
import pytest

from pawprint.evaluation.intervals import f1_score, resampled, roc_auc, wilson
from pawprint.evaluation.metrics import (
    describe,
    measure,
    measure_probabilities,
    tabulate,
    tabulate_reliability,
    tabulate_roc,
)

ACTUAL = np.array([0, 0, 0, 1, 1])
PROBABILITY = np.array([0.1, 0.2, 0.9, 0.8, 0.5])


def scores(of_class: dict) -> tuple[float, ...]:
    return of_class["precision"], of_class["recall"], of_class["f1"]


def test_scores_are_those_computed_by_hand():
    measured = measure(ACTUAL, PROBABILITY, 0.5, ["cat", "dog"], 0.95)
    assert (measured["correct"], measured["total"], measured["accuracy"]) == (4, 5, 0.8)
    assert scores(measured["cat"]) == pytest.approx((1, 2 / 3, 0.8))
    assert scores(measured["dog"]) == pytest.approx((2 / 3, 1, 0.8))
    assert measured["roc_auc"] == pytest.approx(4 / 6)  # 4 of 6 pairs in the right order
    assert measured["at_half"] == {"accuracy": 0.8, "correct": 4}


def test_probabilities_are_measured_as_by_hand():
    measured = measure_probabilities(ACTUAL, PROBABILITY)
    assert measured["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.1, 0.8, 0.5]).mean())
    assert measured["brier_score"] == pytest.approx((0.01 + 0.04 + 0.81 + 0.04 + 0.25) / 5)
    assert measured["expected_calibration_error"] == pytest.approx(
        (0.1 + 0.2 + 0.9 + 0.2 + 0.5) / 5
    )


def test_threshold_decides_what_is_predicted():
    assert measure(ACTUAL, PROBABILITY, 0.85, ["cat", "dog"], 0.95)["dog"]["recall"] == 0
    rows = pd.DataFrame({"path": ["1", "0"], "label": ["cat", "cat"]}, index=[7, 5])
    table = tabulate(rows, np.array([0.84, 0.85]), 0.85, ["cat", "dog"])
    assert table.to_dict("records") == [
        {"path": "1", "actual": "cat", "predicted": "cat", "probability": 0.84},
        {"path": "0", "actual": "cat", "predicted": "dog", "probability": 0.85},
    ]


def test_class_that_is_never_predicted_scores_0_and_not_nan():
    measured = measure(ACTUAL, np.zeros(5), 0.5, ["cat", "dog"], 0.95)
    assert scores(measured["dog"]) == (0, 0, 0)
    assert np.isfinite(measure_probabilities(ACTUAL, np.zeros(5))["loss"])


def test_roc_goes_from_none_to_all_with_finite_thresholds():
    points = tabulate_roc(ACTUAL, PROBABILITY)
    assert points["false_positive_rate"].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1])
    assert points["true_positive_rate"].tolist() == [0, 0, 1, 1]
    assert points["threshold"].tolist() == [1, 0.9, 0.5, 0.1]


def test_every_interval_holds_its_score():
    rng = np.random.default_rng(1)
    actual = np.repeat([0, 1], 40)
    probability = np.clip(actual * 0.4 + rng.uniform(0, 0.6, 80), 0, 1)
    measured = measure(actual, probability, 0.5, ["cat", "dog"], 0.95)
    for of_score, name in (
        (measured, "accuracy"),
        (measured, "roc_auc"),
        (measured["cat"], "f1"),
        (measured["dog"], "f1"),
    ):
        assert of_score[f"{name}_low"] < of_score[name] < of_score[f"{name}_high"], name


def test_intervals_are_wilsons_and_those_of_the_bootstrap():
    measured = measure(ACTUAL, PROBABILITY, 0.6, ["cat", "dog"], 0.8)
    of = ACTUAL, PROBABILITY, 0.8
    ends = {
        "accuracy": wilson(3, 5, 0.8),
        "roc_auc": resampled(roc_auc, *of),
    }
    for name, (low, high) in ends.items():
        assert (measured[f"{name}_low"], measured[f"{name}_high"]) == (low, high)
    for label, name in enumerate(["cat", "dog"]):
        low, high = resampled(partial(f1_score, threshold=0.6, label=label), *of)
        assert (measured[name]["f1_low"], measured[name]["f1_high"]) == (low, high)


def test_accuracy_at_half_does_not_depend_on_the_threshold():
    measured = measure(ACTUAL, PROBABILITY, 0.85, ["cat", "dog"], 0.95)
    assert (measured["correct"], measured["accuracy"]) == (2, 0.4)
    assert measured["at_half"] == {"accuracy": 0.8, "correct": 4}


def test_metrics_have_the_names_that_other_commits_have():
    measured = measure(ACTUAL, PROBABILITY, 0.5, ["cat", "dog"], 0.95)
    of_class = ["precision", "recall", "f1", "f1_low", "f1_high"]
    assert list(measured) == [
        "accuracy", "accuracy_low", "accuracy_high", "correct", "total", "at_half",
        "roc_auc", "roc_auc_low", "roc_auc_high", "cat", "dog",
    ]  # fmt: skip
    assert list(measured["cat"]) == list(measured["dog"]) == of_class
    names = ["loss", "brier_score", "expected_calibration_error"]
    assert list(measure_probabilities(ACTUAL, PROBABILITY)) == names


def test_probabilities_of_one_class_have_a_loss():
    assert measure_probabilities(np.array([1, 1]), np.array([0.5, 0.5]))["loss"] == (
        pytest.approx(np.log(2))
    )


def test_few_images_are_fewer_than_100():
    measured = {"accuracy": 1, "correct": 9, "accuracy_low": 0.5, "accuracy_high": 1}
    assert "few" in describe("test", measured | {"total": 99}, 0.95)
    assert describe("test", measured | {"total": 100}, 0.95).endswith("0.5000 to 1.0000")


def test_few_images_are_said_to_be_few():
    few = measure(ACTUAL, PROBABILITY, 0.5, ["cat", "dog"], 0.95)
    assert describe("test", few, 0.95) == (
        "test accuracy 0.8000 (4/5), 95% interval 0.3755 to 0.9638 (few images: a wide interval)"
    )
    many = measure(np.tile(ACTUAL, 20), np.tile(PROBABILITY, 20), 0.5, ["cat", "dog"], 0.95)
    assert "few" not in describe("test", many, 0.95)


def test_one_image_of_a_class_still_gives_a_result():
    measured = measure(np.array([0, 1, 1]), np.array([0.1, 0.2, 0.9]), 0.5, ["cat", "dog"], 0.95)
    assert (measured["roc_auc_low"], measured["roc_auc_high"]) == (0, 1)


def test_reliability_has_a_row_for_each_bin_with_images_and_an_interval():
    table = tabulate_reliability(np.array([0, 0, 1, 1]), np.array([0.01, 0.03, 0.03, 0.9]), 0.95)
    low, high = table.to_dict("records")
    assert (low["probability"], low["fraction"]) == pytest.approx((0.07 / 3, 1 / 3))
    assert (low["low"], low["high"]) == wilson(1, 3, 0.95)
    assert (high["probability"], high["fraction"]) == (0.9, 1)
    assert (low["images"], high["images"]) == (3, 1)
