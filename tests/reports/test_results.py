import pandas as pd
import pytest
from made_up_run import scores_of, split_of

from pawprint.core.params.calibrate import Calibrate
from pawprint.core.tables import REJECTED, SCORES
from pawprint.reports.results import (
    class_rows,
    count_images,
    describe_calibration,
    describe_rejected,
    describe_weights,
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
SPLITS = ("validation", "test")


def test_each_result_has_a_column_per_split():
    assert result_rows(SCORES_OF_BOTH, SPLITS) == [
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
        [row[0] for row in result_rows(scores_of(labels), SPLITS)]
        for labels in (["ant", "bee"], ["ant", "bee", "cow"])
    )
    of_two.remove("accuracy at a threshold of 0.5")
    assert of_three == of_two


def test_results_have_those_of_unknown_inputs_if_the_model_detects_them():
    scores = scores_of(["ant", "bee"])
    rows = {title: texts for title, *texts in result_rows(scores, SPLITS)}
    assert rows["images labelled unknown"] == ["5.00% (1/20), 0.89% to 23.61%"] * 2
    assert rows["drawn images of no class labelled unknown"][0].startswith("50.00% (1/2)")
    all_refused = scores[(scores["score"] != "kept_accuracy") | (scores["split"] != "test")]
    rows = {title: texts for title, *texts in result_rows(all_refused, SPLITS)}
    assert [texts[1] for texts in rows.values()].count("no images") == 1
    without = scores[~scores["score"].isin(["refused", "drawn_refused"])]
    assert not any("unknown" in title for title, *_ in result_rows(without, SPLITS))


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


def test_images_are_counted_per_class_and_split():
    counts = count_images(split_of({"bee": 10, "ant": 50}).iloc[1:])
    assert list(counts) == ["train", "validation", "test", "images"]
    assert counts.loc["ant"].tolist() == [50, 50, 50, 150]
    assert counts.loc["bee"].tolist() == [9, 10, 10, 29]


def test_rejected_files_are_counted_by_reason():
    files = [("1", "empty", "x"), ("2", "not_an_image", "x"), ("3", "empty", "x")]
    rejected = pd.DataFrame(files, columns=list(REJECTED))
    assert describe_rejected(rejected) == "3 rejected (2 empty, 1 not an image)"
    assert describe_rejected(rejected.head(0)) == "0 rejected"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("imagenet", "pre-trained on ImageNet, as Keras publishes them"),
        ("none", "random"),
        ("weights/mine.h5", "`weights/mine.h5`"),
    ],
)
def test_weights_are_described_by_their_source(source, expected):
    assert describe_weights(source) == expected


NOTHING_SET = {
    "temperature": True,
    "threshold": None,
    "recall": None,
    "views": "one",
    "unknown_quantile": None,
}
FITTED = (
    "Logits are divided by 1.235, fitted on the validation split, whose log loss is significantly "
    "lower than without (p = 0.040)."
)


@pytest.mark.parametrize(
    ("calibrate", "threshold", "expected"),
    [
        (
            {"temperature": True},
            0.5,
            f"{FITTED} The threshold is 0.5: no other is significantly more accurate on the "
            "validation split.",
        ),
        (
            {"temperature": True},
            0.4,
            f"{FITTED} The threshold has the best accuracy on the validation split.",
        ),
        (
            {"temperature": True, "recall": 0.95},
            0.5,
            f"{FITTED} The threshold has the best precision on the validation split among those "
            "with a recall of bee of at least 0.95.",
        ),
        (
            {"temperature": False, "threshold": 0.5},
            0.5,
            "Probabilities are not calibrated. The threshold is set in params.yaml.",
        ),
        (
            {"temperature": False, "threshold": 0.5, "views": "flip"},
            0.5,
            "Probabilities are not calibrated. Predictions are means over an image and its mirror "
            "image. The threshold is set in params.yaml.",
        ),
    ],
)
def test_calibration_says_what_is_fitted_and_what_is_set(calibrate, threshold, expected):
    params = Calibrate(**NOTHING_SET | calibrate)
    described = describe_calibration(params, 1.23456, threshold, ["ant", "bee"], SCORES_OF_BOTH)
    assert described == expected


def test_many_classes_have_no_threshold():
    params = Calibrate(**NOTHING_SET)
    described = describe_calibration(params, 1.23456, None, ["ant", "bee", "cow"], SCORES_OF_BOTH)
    assert described == f"{FITTED} The most probable class is predicted."


def test_temperature_that_changes_nothing_is_said_to():
    params = Calibrate(**NOTHING_SET)
    scores = SCORES_OF_BOTH.replace({"value": {0.04: 0.05}})
    described = describe_calibration(params, 1.23456, None, ["ant", "bee", "cow"], scores)
    assert "whose log loss is not significantly lower than without (p = 0.050)." in described
