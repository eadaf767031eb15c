import re

import pandas as pd
import pytest
from made_up_run import scores_of

from pawprint.core.tables import HISTORY, SCORES
from pawprint.reports.results import (
    class_rows,
    describe_calibration,
    describe_training,
    name_classes,
    result_rows,
    score_of,
    with_interval,
)


def rows_of(split: str, offset: float) -> list[tuple]:
    """All scores of all classes, with other values for another offset."""
    return [
        (split, "", "accuracy", 0.9 + offset, 0.85 + offset, 0.95 + offset, 100),
        (split, "", "accuracy_at_half", 0.88 + offset, None, None, 100),
        (split, "", "balanced_accuracy", 0.7 + offset, 0.6 + offset, 0.8 + offset, 100),
        (split, "", "f1", 0.72 + offset, 0.62 + offset, 0.82 + offset, 100),
        (split, "", "roc_auc", 0.97 + offset, 0.96 + offset, 0.98 + offset, 100),
        (split, "", "brier_score", 0.1 + offset, None, None, 100),
        (split, "", "expected_calibration_error", 0.2 + offset, None, None, 100),
        (split, "", "uncalibrated_expected_calibration_error", 0.3 + offset, None, None, 100),
        (split, "", "debiased_calibration_error", 0.15 + offset, None, None, 100),
        (split, "", "temperature_p_value", 0.04, None, None, 100),
    ]


SCORES_OF_BOTH = pd.DataFrame(
    [*rows_of("validation", 0.01), *rows_of("test", 0)], columns=list(SCORES)
).astype(SCORES)


def test_each_result_has_a_column_per_split():
    assert result_rows(SCORES_OF_BOTH) == [
        (
            "accuracy",
            "91.00% (91/100), 86.00% to 96.00%",
            "90.00% (90/100), 85.00% to 95.00%",
        ),
        ("accuracy at a threshold of 0.5", "89.00% (89/100)", "88.00% (88/100)"),
        ("balanced accuracy", "0.7100 (0.6100 to 0.8100)", "0.7000 (0.6000 to 0.8000)"),
        ("F1, mean of the classes", "0.7300 (0.6300 to 0.8300)", "0.7200 (0.6200 to 0.8200)"),
        ("area under the ROC curve", "0.9800 (0.9700 to 0.9900)", "0.9700 (0.9600 to 0.9800)"),
        ("Brier score", "0.1100", "0.1000"),
        ("expected calibration error", "0.2100", "0.2000"),
        ("expected calibration error before calibration", "0.3100", "0.3000"),
        ("calibration error, debiased", "0.1600", "0.1500"),
    ]


def test_more_than_two_classes_have_no_accuracy_at_a_threshold():
    of_two, of_three = (
        [row[0] for row in result_rows(scores_of(labels))]
        for labels in (["ant", "bee"], ["ant", "bee", "cow"])
    )
    of_two.remove("accuracy at a threshold of 0.5")
    assert of_three == of_two


def test_results_have_those_of_unknown_inputs_if_the_model_detects_them():
    scores = scores_of(["ant", "bee"])
    rows = {title: texts for title, *texts in result_rows(scores)}
    assert rows["images labelled unknown"] == ["5.00% (1/20), 0.89% to 23.61%"] * 2
    assert rows["drawn images of no class labelled unknown"][0].startswith("50.00% (1/2)")
    all_refused = scores[(scores["score"] != "kept_accuracy") | (scores["split"] != "test")]
    rows = {title: texts for title, *texts in result_rows(all_refused)}
    assert [texts[1] for texts in rows.values()].count("no images") == 1
    without = scores[~scores["score"].isin(["refused", "drawn_refused"])]
    assert not any("unknown" in title for title, *_ in result_rows(without))


def test_each_class_has_its_scores_with_the_lowest_f1_first():
    labels = [f"class {number}" for number in range(7)]
    scores = scores_of(labels)
    rows = class_rows(scores)
    assert sorted(rows["class"]) == labels
    assert list(rows["F1"]) == sorted(rows["F1"])
    first = rows.iloc[0]
    assert first["test images"] == "10"
    for column, split, name in (
        ("precision", "test", "precision"),
        ("recall", "test", "recall"),
        ("F1", "test", "f1"),
        ("F1, validation", "validation", "f1"),
    ):
        assert first[column] == with_interval(score_of(scores, split, name, first["class"]))


def test_many_classes_are_named_by_their_number():
    assert name_classes(["cat", "dog"]) == "cat or dog"
    assert name_classes(["ant", "bee", "cow"]) == "ant, bee or cow"
    assert name_classes([*"abcde"]) == "5 classes"


UNSET = {"temperature": True, "threshold": None, "recall": None, "views": "one"}


@pytest.mark.parametrize(
    ("calibrate", "threshold", "expected"),
    [
        ({}, 0.5, "divided by 1.235.* no other is significantly more accurate"),
        ({}, 0.4, "the best accuracy on the validation split"),
        ({"recall": 0.95}, 0.5, "best precision .* a recall of bee of at least 0.95"),
        ({"temperature": False, "threshold": 0.5}, 0.5, "^Probabilities are not .* set in params"),
        ({"views": "flip"}, 0.5, r"\(p = 0.040\)\. .* an image and its mirror image\. The thr"),
        ({}, None, "The most probable class is predicted"),
    ],
)
def test_calibration_says_what_is_fitted_and_what_is_set(calibrate, threshold, expected):
    metadata = {"temperature": 1.23456, "threshold": threshold, "labels": ["ant", "bee"]}
    assert re.search(expected, describe_calibration(UNSET | calibrate, metadata, SCORES_OF_BOTH))


@pytest.mark.parametrize(("p_value", "expected"), [(0.049, "is"), (0.05, "is not")])
def test_temperature_that_changes_nothing_is_said_to(p_value, expected):
    metadata = {"temperature": 1.2, "threshold": 0.5, "labels": ["ant", "bee"]}
    scores = SCORES_OF_BOTH.replace({"value": {0.04: p_value}})
    assert f"log loss {expected} significantly" in describe_calibration(UNSET, metadata, scores)


def history(epochs: list[int], kept: int | None, rate: float | None = 0.1) -> pd.DataFrame:
    rows = dict.fromkeys(HISTORY, 0.5) | {"epoch": epochs, "learning_rate": rate}
    table = pd.DataFrame(rows, index=range(len(epochs))).astype(HISTORY)
    return table.assign(kept=table["epoch"] == kept)


def test_training_is_described_with_what_is_kept():
    solved, trained = history([1, 2], 2, None), history([1, 2], 2)
    assert "by logistic regression; no fine-tuning" in describe_training(solved, history([], 0))
    assert "by 2 epochs, then 3 epochs of" in describe_training(trained, history([3, 4, 5], 5))
    assert "used" not in describe_training(trained, history([3, 4, 5], 5))
    assert "epoch 2 is used" in describe_training(trained, history([3, 4, 5], 4))
    assert "the head alone is used" in describe_training(solved, history([3, 4, 5], None))
