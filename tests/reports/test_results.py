import pytest

from pawprint.core.params import Calibrate
from pawprint.reports.results import (
    class_rows,
    describe_calibration,
    describe_weights,
    result_rows,
)


def measured(offset: float) -> dict:
    """A split's part of metrics/evaluate.json, with other values for another offset."""
    score = {"precision": 0.6, "recall": 0.7, "f1": 0.8, "f1_low": 0.75, "f1_high": 0.85}
    scores = {key: value + offset for key, value in score.items()}
    return {
        "accuracy": 0.9 + offset,
        "accuracy_low": 0.85 + offset,
        "accuracy_high": 0.95 + offset,
        "correct": 90,
        "total": 100,
        "at_half": {"accuracy": 0.88 + offset, "correct": 88},
        "roc_auc": 0.97 + offset,
        "roc_auc_low": 0.96 + offset,
        "roc_auc_high": 0.98 + offset,
        "brier_score": 0.1 + offset,
        "expected_calibration_error": 0.2 + offset,
        "uncalibrated": {"expected_calibration_error": 0.3 + offset},
        "ant": scores,
        "bee": {key: value / 2 for key, value in scores.items()},
    }


EVALUATED = {"validation": measured(0.01), "test": measured(0)}
SPLITS = ("validation", "test")


def test_each_result_has_a_column_per_split():
    assert result_rows(EVALUATED, SPLITS) == [
        (
            "accuracy",
            "91.00% (90/100), 86.00% to 96.00%",
            "90.00% (90/100), 85.00% to 95.00%",
        ),
        ("accuracy at a threshold of 0.5", "89.00% (88)", "88.00% (88)"),
        ("area under the ROC curve", "0.9800 (0.9700 to 0.9900)", "0.9700 (0.9600 to 0.9800)"),
        ("Brier score", "0.1100", "0.1000"),
        ("expected calibration error", "0.2100", "0.2000"),
        ("expected calibration error before calibration", "0.3100", "0.3000"),
    ]


def test_each_class_has_its_scores():
    rows = class_rows(EVALUATED, SPLITS, ["ant", "bee"])
    assert rows[:3] == [
        ("ant: precision", "0.6100", "0.6000"),
        ("ant: recall", "0.7100", "0.7000"),
        ("ant: F1", "0.8100 (0.7600 to 0.8600)", "0.8000 (0.7500 to 0.8500)"),
    ]
    assert rows[3] == ("bee: precision", "0.3050", "0.3000")
    assert len(rows) == 6


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


FITTED = "Logits are divided by 1.235, fitted on the validation split."


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
    ],
)
def test_calibration_says_what_is_fitted_and_what_is_set(calibrate, threshold, expected):
    params = Calibrate(**{"threshold": None, "recall": None} | calibrate)
    assert describe_calibration(params, 1.23456, threshold, "bee") == expected
