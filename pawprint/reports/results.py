"""Params and metrics in words: initial weights, calibration, the table of results."""

from pawprint.core.params import Calibrate
from pawprint.core.sources import without_secrets


def result_rows(evaluated: dict, splits: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Rows of the table of results: a title, then one text per split of metrics/evaluate.json."""
    columns = [_results_of(evaluated[split]) for split in splits]
    return [(title, *(column[title] for column in columns)) for title in columns[0]]


def class_rows(
    evaluated: dict, splits: tuple[str, ...], labels: list[str]
) -> list[tuple[str, ...]]:
    """As `result_rows`: precision, recall and F1 of each class."""
    rows = []
    for label in labels:
        scores = [evaluated[split][label] for split in splits]
        for name in ("precision", "recall"):
            rows.append((f"{label}: {name}", *(f"{each[name]:.4f}" for each in scores)))
        rows.append((f"{label}: F1", *(_with_interval(each, "f1") for each in scores)))
    return rows


def describe_weights(source: str) -> str:
    """The initial weights of the backbone, for the param `weights.source`."""
    known = {"imagenet": "pre-trained on ImageNet, as Keras publishes them", "none": "random"}
    return known.get(source, f"`{without_secrets(source)}`")


def describe_calibration(
    calibrate: Calibrate, temperature: float, threshold: float, second: str
) -> str:
    """One sentence on the temperature, and one on the threshold of class `second`."""
    if calibrate.temperature:
        first = f"Logits are divided by {temperature:.3f}, fitted on the validation split."
    else:
        first = "Probabilities are not calibrated."
    if calibrate.threshold is not None:
        return f"{first} The threshold is set in params.yaml."
    if calibrate.recall is not None:
        return (
            f"{first} The threshold has the best precision on the validation split among those "
            f"with a recall of {second} of at least {calibrate.recall:g}."
        )
    if threshold == 0.5:
        return (
            f"{first} The threshold is 0.5: no other is significantly more accurate on the "
            "validation split."
        )
    return f"{first} The threshold has the best accuracy on the validation split."


def _results_of(measured: dict) -> dict[str, str]:
    accuracy, low, high = (measured[f"accuracy{end}"] for end in ("", "_low", "_high"))
    at_half = measured["at_half"]
    before = measured["uncalibrated"]["expected_calibration_error"]
    return {
        "accuracy": f"{accuracy:.2%} ({measured['correct']}/{measured['total']}), "
        f"{low:.2%} to {high:.2%}",
        "accuracy at a threshold of 0.5": f"{at_half['accuracy']:.2%} ({at_half['correct']})",
        "area under the ROC curve": _with_interval(measured, "roc_auc"),
        "Brier score": f"{measured['brier_score']:.4f}",
        "expected calibration error": f"{measured['expected_calibration_error']:.4f}",
        "expected calibration error before calibration": f"{before:.4f}",
    }


def _with_interval(measured: dict, name: str) -> str:
    value, low, high = (measured[f"{name}{end}"] for end in ("", "_low", "_high"))
    return f"{value:.4f} ({low:.4f} to {high:.4f})"
