"""Scores of predictions with confidence intervals, and the tables behind the plots."""

from functools import partial

import numpy as np
import pandas as pd
from sklearn.metrics import (
    brier_score_loss,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from pawprint.evaluation.calibration import expected_calibration_error, reliability
from pawprint.evaluation.intervals import f1_score, resampled, roc_auc, wilson

FEW = 100  # images: with all predictions correct, the 95 % interval still begins at 0.963


def measure(
    actual: np.ndarray,
    probability: np.ndarray,
    threshold: float,
    labels: list[str],
    confidence: float,
) -> dict:
    """Accuracy with its counts, area under the ROC curve, and the scores of each class.

    `actual` holds 0 and 1, positions in `labels`; `probability` is of label 1; both are
    `(images,)`. `…_low` and `…_high` are the ends of a confidence interval: Wilson's for accuracy,
    bootstrap for the other scores. `at_half` has the accuracy for a threshold of 0.5.
    """
    predicted = (probability >= threshold).astype(int)
    correct, total = int((predicted == actual).sum()), len(actual)
    correct_at_half = int(((probability >= 0.5) == actual).sum())
    precision, recall, f1, _ = precision_recall_fscore_support(
        actual, predicted, labels=[0, 1], zero_division=0
    )

    def interval(name: str, ends: tuple[float, float]) -> dict:
        return {f"{name}_low": ends[0], f"{name}_high": ends[1]}

    def bootstrapped(name: str, statistic) -> dict:
        return interval(name, resampled(statistic, actual, probability, confidence))

    scores = {
        label: {
            "precision": float(precision[index]),
            "recall": float(recall[index]),
            "f1": float(f1[index]),
            **bootstrapped("f1", partial(f1_score, threshold=threshold, label=index)),
        }
        for index, label in enumerate(labels)
    }
    return {
        "accuracy": correct / total,
        **interval("accuracy", wilson(correct, total, confidence)),
        "correct": correct,
        "total": total,
        "at_half": {"accuracy": correct_at_half / total, "correct": correct_at_half},
        "roc_auc": float(roc_auc_score(actual, probability)),
        **bootstrapped("roc_auc", roc_auc),
        **scores,
    }


def measure_probabilities(actual: np.ndarray, probability: np.ndarray) -> dict:
    """Scores of the probabilities, which do not depend on a threshold; 0 is best for each."""
    return {
        "loss": float(log_loss(actual, probability, labels=[0, 1])),
        "brier_score": float(brier_score_loss(actual, probability, pos_label=1)),
        "expected_calibration_error": expected_calibration_error(actual, probability),
    }


def tabulate(
    rows: pd.DataFrame, probability: np.ndarray, threshold: float, labels: list[str]
) -> pd.DataFrame:
    """The table PREDICTIONS, from rows with the columns `path` and `label`.

    `probability` is of the second of the labels, in the order of the rows.
    """
    return pd.DataFrame(
        {
            "path": rows["path"].array,
            "actual": rows["label"].array,
            "predicted": np.where(probability >= threshold, labels[1], labels[0]),
            "probability": probability,
        }
    )


def tabulate_reliability(
    actual: np.ndarray, probability: np.ndarray, confidence: float
) -> pd.DataFrame:
    """A row for each bin with images: the columns of RELIABILITY from `probability` on.

    `fraction` is of the second class among the images, `low` and `high` are Wilson's interval.
    """
    mean, positive, images = reliability(actual, probability)
    intervals = [wilson(int(k), int(n), confidence) for k, n in zip(positive, images)]
    low, high = np.transpose(intervals)
    return pd.DataFrame(
        {
            "probability": mean,
            "fraction": positive / images,
            "low": low,
            "high": high,
            "images": images,
        }
    )


def tabulate_roc(actual: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """The table ROC: the points of the curve of the second class, from (0, 0) to (1, 1).

    The first point has no finite threshold; 1 is written.
    """
    false_positive_rate, true_positive_rate, threshold = roc_curve(actual, probability)
    return pd.DataFrame(
        {
            "false_positive_rate": false_positive_rate,
            "true_positive_rate": true_positive_rate,
            "threshold": np.minimum(threshold, 1),
        }
    )


def describe(name: str, measured: dict, confidence: float) -> str:
    """A summary such as "test accuracy 0.9550 (191/200), 95 % interval 0.9169 to 0.9761"."""
    few = " (few images: a wide interval)" if measured["total"] < FEW else ""
    return (
        f"{name} accuracy {measured['accuracy']:.4f} "
        f"({measured['correct']}/{measured['total']}), {confidence:.0%} interval "
        f"{measured['accuracy_low']:.4f} to {measured['accuracy_high']:.4f}{few}"
    )
