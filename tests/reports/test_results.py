import functools
import re

import numpy as np
import pandas as pd
import pytest
from made_up_run import scores_of

from pawprint.columns import HISTORY, SCORES
from pawprint.evaluation.metrics import measure_unknown
from pawprint.reports.results import (
    class_rows,
    describe_calibration,
    describe_fraction,
    describe_training,
    headline_of,
    name_classes,
    result_rows,
    score_of,
)


def test_many_classes_are_named_by_their_number():
    assert name_classes(["ant", "bee", "cow"]) == "ant, bee or cow"
    assert name_classes([*"abcde"]) == "5 classes"


RISING = np.linspace(0, 1, 10)  # unknown scores


def rows_of(split: str, offset: float) -> list[tuple]:
    """All scores of all classes, with other values for another offset."""
    return [
        (split, "", "accuracy", 0.9 + offset, 0.85 + offset, 0.95 + offset, 100),
        (split, "", "loss", 0.1 + offset, 0.08 + offset, 0.2 + offset, 100),
        (split, "", "mean_recall", 0.8 + offset, 0.7 + offset, 0.9 + offset, 100),
        (split, "", "macro_f1", 0.7 + offset, 0.6 + offset, 0.8 + offset, 100),
        (split, "", "roc_auc", 0.97 + offset, 0.96 + offset, 0.98 + offset, 100),
        (split, "", "expected_calibration_error", 0.2 + offset, None, None, 100),
        *((split, label, "recall", 0.9, 0.8, 0.95, 50) for label in ("cat", "dog")),
    ]


SCORES_OF_BOTH = pd.DataFrame(
    [*rows_of("validation", 0.01), *rows_of("test", 0)], columns=list(SCORES)
).astype(SCORES)


def test_each_result_has_a_column_per_split():
    assert result_rows(SCORES_OF_BOTH) == [
        ("accuracy", "90.00% (90/100), 85.00% to 95.00%", "91.00% (91/100), 86.00% to 96.00%"),
        ("mean recall of the classes", "80.00%, 70.00% to 90.00%", "81.00%, 71.00% to 91.00%"),
        ("mean F1 of the classes", "70.00%, 60.00% to 80.00%", "71.00%, 61.00% to 81.00%"),
        ("log loss", "0.1000 (0.0800 to 0.2000)", "0.1100 (0.0900 to 0.2100)"),
        ("area under the ROC curve", "0.9700 (0.9600 to 0.9800)", "0.9800 (0.9700 to 0.9900)"),
        ("expected calibration error", "0.2000", "0.2100"),
    ]


def test_mean_recall_is_first_where_the_classes_are_imbalanced():
    assert headline_of(scores_of(["ant", "bee"])) == "accuracy"
    counts = [("test", label, "recall", 0.5, 0.4, 0.6, n) for label, n in zip("abc", (80, 10, 10))]
    of_all = SCORES_OF_BOTH[SCORES_OF_BOTH["label"] == ""]
    both = pd.concat([of_all, pd.DataFrame(counts, columns=list(SCORES))])
    assert headline_of(both) == "mean_recall"
    titles = [title for title, *_ in result_rows(both)]
    assert titles[:2] == ["mean recall of the classes", "accuracy"]


def test_results_have_the_accuracy_without_near_duplicates_if_there_are_some():
    row = ("test", "", "accuracy_without_near_duplicates", 0.5, 0.4, 0.6, 10)
    both = pd.concat([SCORES_OF_BOTH, pd.DataFrame([row], columns=list(SCORES))])
    title, *texts = result_rows(both)[-1]
    assert "near-duplicates" in title
    assert texts == ["50.00% (5/10), 40.00% to 60.00%", ""]


def test_class_without_images_in_a_split_is_last_and_has_no_score_there():
    scores = scores_of(["ant", "bee", "cow"])
    scores = scores[(scores["label"] != "bee") | (scores["split"] != "test")]
    rows = class_rows(scores).set_index("class")
    assert rows.index[-1] == "bee"
    assert list(rows.loc["bee"])[:3] == ["none"] * 3
    assert rows.loc["bee", "recall, validation"] != "none"


def test_results_have_the_images_refused_if_the_model_detects_unknown_inputs():
    rows = {title: texts for title, *texts in result_rows(scores_of(["ant", "bee"]))}
    assert rows["images labelled unknown"] == ["5.00% (1/20), 0.89% to 23.61%"] * 2


def test_results_have_the_images_of_no_class_if_there_are_some():
    scores = scores_of(["ant", "bee"])
    of_no_class = measure_unknown(RISING, RISING, 0.5, 0.95).assign(split="test")
    both = pd.concat([scores, of_no_class])
    assert result_rows(both)[:-2] == result_rows(scores)
    refused, area = result_rows(both)[-2:]
    assert refused[1:] == ("50.00% (5/10), 23.66% to 76.34%", "")
    assert area[1].startswith("0.5000 (")


def test_each_class_has_its_recall_with_the_lowest_first():
    labels = [f"class {number}" for number in range(7)]
    scores = scores_of(labels)
    rows = class_rows(scores)
    assert sorted(rows["class"]) == labels
    of_test = [score_of(scores, "test", "recall", label)["value"] for label in rows["class"]]
    assert of_test == sorted(of_test)
    assert of_test[0] < of_test[-1]
    for split in ("test", "validation"):
        expected = describe_fraction(score_of(scores, split, "recall", rows["class"].iloc[0]))
        assert rows[f"recall, {split}"].iloc[0] == expected


UNSET = {"temperature": True, "threshold": None, "recall": None}
METADATA = {"temperature": 1.23456, "threshold": 0.5, "labels": ["ant", "bee"]} | {
    "test_time_augmentation": "none"
}


@pytest.mark.parametrize(
    ("calibrate", "metadata", "expected"),
    [
        ({}, {}, r"divided by 1.235.* is significantly lower .* threshold is 0\.5\."),
        ({}, {"temperature": 1.0}, "not divided by .* is not significantly lower"),
        ({"recall": 0.95}, {}, "best precision .* a recall of bee of at least 0.95"),
        ({"temperature": False, "threshold": 0.5}, {}, "^Probabilities are not .* set in params"),
        (
            {},
            {"test_time_augmentation": "flip"},
            r"\)\. .* an image and its mirror image\. The thr",
        ),
        ({}, {"threshold": None}, "The most probable class is predicted"),
    ],
)
def test_calibration_says_what_is_fitted_and_what_is_set(calibrate, metadata, expected):
    assert re.search(expected, describe_calibration(UNSET | calibrate, METADATA | metadata))


def history(epochs: list[int], kept: int | None, rate: float | None = 0.1) -> pd.DataFrame:
    rows = dict.fromkeys(HISTORY, 0.5) | {"epoch": epochs, "learning_rate": rate}
    table = pd.DataFrame(rows, index=range(len(epochs))).astype(HISTORY)
    return table.assign(kept=table["epoch"] == kept)


def test_training_is_described_with_what_is_kept():
    solved, trained = history([0], 0, None), history([1, 2], 2)
    three = functools.partial(history, [1, 2, 3])
    assert "by logistic regression; no fine-tuning" in describe_training(
        solved, history([], 0), None
    )
    assert "by 2 epochs, then 3 epochs of" in describe_training(trained, three(3), None)
    assert "used" not in describe_training(trained, three(3), None)
    assert "epoch 2 is used" in describe_training(trained, three(2), None)
    assert "averaged over the steps with a momentum of 0.9." in describe_training(
        trained, three(3), 0.9
    )
    for momentum in (None, 0.9):
        assert "the head alone is used" in describe_training(solved, three(None), momentum)
