"""Scores of predictions with confidence intervals, and the tables behind the plots.

`actual` and `predicted` hold class indices, `(images,)`: positions in `labels`. `probabilities` are
float `(images, classes)`, with columns in the order of the labels.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import brier_score_loss, log_loss, roc_curve

from pawprint.core.tables import PREDICTED, PROBABILITY, SCORES
from pawprint.evaluation.calibration import (
    debiased_calibration_error,
    expected_calibration_error,
    reliability,
)
from pawprint.evaluation.class_scores import NAMES, class_scores
from pawprint.evaluation.intervals import clopper_pearson, resampled, wilson

FEW = 100  # images: with all predictions correct, the 95% interval still begins at 0.963
SUMMARY = ("accuracy", "balanced_accuracy", "loss")  # in metrics/evaluate.json


def measure(
    actual: np.ndarray,
    probabilities: np.ndarray,
    predicted: np.ndarray,
    labels: list[str],
    confidence: float,
    others: dict[str, float],
) -> pd.DataFrame:
    """The columns of SCORES after `split`: scores of all classes, then those of each.

    Accuracy has Wilson's interval. Precision, recall, F1 and the area under the ROC curve, each
    class against the others, have bootstrap intervals; without a label they are means over the
    classes. `others` are further scores of all classes, without intervals. `accuracy_at_half`, for
    two classes only, is for a threshold of 0.5.
    """
    scores = class_scores(actual, predicted, probabilities)
    values = scores(np.ones((1, len(actual))))[..., 0]
    low, high = resampled(scores, actual, confidence)
    # One image does not show the spread of its class: 0 to 1, also within the means. With two
    # classes, the scores of the other one depend on it as well.
    alone = 1 + np.flatnonzero(np.bincount(actual) == 1)
    if len(labels) == 2 and len(alone):
        alone = np.array([1, 2])
    low[:, 0] -= values[:, alone].sum(axis=1) / len(labels)
    high[:, 0] += (1 - values[:, alone]).sum(axis=1) / len(labels)
    low[:, alone], high[:, alone] = 0, 1
    low, high = low.clip(0, 1), high.clip(0, 1)
    of_class = {
        (label, name): (values[i, j], low[i, j], high[i, j])
        for j, label in enumerate(["", *labels])
        for i, name in enumerate(NAMES)
    }
    rows = {("", "accuracy"): _accuracy(predicted == actual, confidence)}
    if len(labels) == 2:
        is_right = (probabilities[:, 1] >= 0.5) == actual
        rows["", "accuracy_at_half"] = _accuracy(is_right, confidence)
        for label in labels:  # one curve for both
            del of_class[label, "roc_auc"]
    rows["", "balanced_accuracy"] = of_class["", "recall"]
    rows |= {key: ends for key, ends in of_class.items() if key[0] == ""}
    rows |= {("", name): (value, np.nan, np.nan) for name, value in others.items()}
    rows |= of_class
    images = {label: (actual == index).sum() for index, label in enumerate(labels)}
    images[""] = len(actual)
    return pd.DataFrame(
        [(*key, *ends, images[key[0]]) for key, ends in rows.items()],
        columns=list(SCORES)[1:],
    )


def measure_all(
    actual: np.ndarray, probabilities: np.ndarray, uncalibrated: np.ndarray
) -> dict[str, float]:
    """`measure_probabilities` after and before calibration."""
    before = measure_probabilities(actual, uncalibrated)
    return measure_probabilities(actual, probabilities) | {
        f"uncalibrated_{name}": value for name, value in before.items()
    }


def measure_probabilities(actual: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Scores of the probabilities, which do not depend on a threshold; 0 is best for each.

    The Brier score is in [0, 1] for two classes, and for more the sum over the classes, in [0, 2].
    """
    classes = np.arange(probabilities.shape[1])
    return {
        "loss": float(log_loss(actual, probabilities, labels=classes)),
        "brier_score": float(brier_score_loss(actual, probabilities, labels=classes)),
        "expected_calibration_error": expected_calibration_error(actual, probabilities),
        "debiased_calibration_error": debiased_calibration_error(actual, probabilities),
    }


def summarize(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The SUMMARY of each split in a table SCORES: what `dvc metrics diff` shows."""
    of_all = scores[scores["label"] == ""].pivot(index="split", columns="score", values="value")
    return {name: of_all.loc[name, list(SUMMARY)].to_dict() for name in scores["split"].unique()}


def tabulate(
    rows: pd.DataFrame, probabilities: np.ndarray, predicted: np.ndarray, labels: list[str]
) -> pd.DataFrame:
    """The table PREDICTIONS, from rows with the columns `path` and `label` in the same order."""
    return pd.DataFrame(
        {
            "path": rows["path"].array,
            "actual": rows["label"].array,
            "predicted": np.array(labels)[predicted],
            **{PROBABILITY + label: column for label, column in zip(labels, probabilities.T)},
        }
    )


def tabulate_reliability(
    actual: np.ndarray, probabilities: np.ndarray, labels: list[str], confidence: float
) -> pd.DataFrame:
    """A row for each bin with images: the columns of RELIABILITY from `label` on.

    `label` is the class that probability and fraction are of: the second of two, or PREDICTED, the
    most probable one of more. `low` and `high` are the exact interval, because most bins of an
    accurate model hold few images.
    """
    mean, of_class, images = reliability(actual, probabilities)
    intervals = [clopper_pearson(int(k), int(n), confidence) for k, n in zip(of_class, images)]
    low, high = np.transpose(intervals)
    return pd.DataFrame(
        {
            "label": labels[1] if len(labels) == 2 else PREDICTED,
            "probability": mean,
            "fraction": of_class / images,
            "low": low,
            "high": high,
            "images": images,
        }
    )


def tabulate_roc(actual: np.ndarray, probabilities: np.ndarray, labels: list[str]) -> pd.DataFrame:
    """The table ROC: the points of the curve of each class against the others.

    A curve goes from (0, 0) to (1, 1). Of two classes the second has one. The first point of a
    curve has no finite threshold; 1 is written.
    """
    curves = []
    for index in [1] if len(labels) == 2 else range(len(labels)):
        false, true, threshold = roc_curve(actual == index, probabilities[:, index])
        curves.append(
            pd.DataFrame(
                {
                    "label": labels[index],
                    "false_positive_rate": false,
                    "true_positive_rate": true,
                    "threshold": np.minimum(threshold, 1),
                }
            )
        )
    return pd.concat(curves)


def describe(name: str, scores: pd.DataFrame, confidence: float) -> str:
    """A summary such as "test accuracy 0.9550 (191/200), 95% interval 0.9169 to 0.9761".

    `scores` are those of a split, with the columns of `measure`.
    """
    accuracy = scores[scores["score"] == "accuracy"].iloc[0]
    images = accuracy["images"]
    few = " (few images: a wide interval)" if images < FEW else ""
    return (
        f"{name} accuracy {accuracy['value']:.4f} ({round(accuracy['value'] * images)}/{images}), "
        f"{100 * confidence:g}% interval {accuracy['low']:.4f} to {accuracy['high']:.4f}{few}"
    )


def _accuracy(is_right: np.ndarray, confidence: float) -> tuple[float, float, float]:
    return is_right.mean(), *wilson(int(is_right.sum()), len(is_right), confidence)
