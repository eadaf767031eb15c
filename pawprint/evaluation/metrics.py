"""Scores of predictions with intervals, and the tables that plots are drawn from."""

from functools import partial

import numpy as np
from sklearn.metrics import (
    brier_score_loss,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from pawprint.evaluation.calibration import expected_calibration_error, reliability
from pawprint.evaluation.intervals import f1_score, resampled, roc_auc, wilson

PREDICTION_COLUMNS = ["path", "actual", "predicted", "probability"]
RELIABILITY_COLUMNS = ["split", "calibrated", "probability", "share", "low", "high", "images"]
ROC_COLUMNS = ["false_positive_rate", "true_positive_rate", "threshold"]
FEW = 100  # images; with all of them right, accuracy is known to four percent and no better


def measure(
    actual: np.ndarray,
    probability: np.ndarray,
    threshold: float,
    labels: list[str],
    confidence: float,
) -> dict:
    """Accuracy with its counts, area under the ROC curve, and each class's scores.

    `actual` holds 0 and 1, the positions in `labels`; `probability` is of label 1. `…_low` and
    `…_high` are the ends of an interval: Wilson's of accuracy, bootstrap of the others. `at_half`
    is what a threshold of 0.5 gives.
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
    """Scores of the probabilities themselves: 0 is the best of each."""
    return {
        "loss": float(log_loss(actual, probability, labels=[0, 1])),
        "brier_score": float(brier_score_loss(actual, probability, pos_label=1)),
        "expected_calibration_error": expected_calibration_error(actual, probability),
    }


def tabulate(
    rows: list[dict], probability: np.ndarray, threshold: float, labels: list[str]
) -> list[dict]:
    """A row per image: path, actual and predicted label, probability of the second class."""
    return [
        {
            "path": row["path"],
            "actual": row["label"],
            "predicted": labels[int(value >= threshold)],
            "probability": f"{value:.6f}",
        }
        for row, value in zip(rows, probability)
    ]


def tabulate_reliability(
    actual: np.ndarray, probability: np.ndarray, confidence: float
) -> list[dict]:
    """A row per bin that has images: mean probability, share of the second class, interval."""
    rows = []
    for mean, positive, images in reliability(actual, probability):
        numbers = (mean, positive / images, *wilson(positive, images, confidence))
        columns = RELIABILITY_COLUMNS[2:]
        rows.append(dict(zip(columns, [*(f"{number:.6f}" for number in numbers), images])))
    return rows


def tabulate_roc(actual: np.ndarray, probability: np.ndarray) -> list[dict]:
    """The points of the ROC curve of the second class. The first has no finite threshold: 1."""
    points = zip(*roc_curve(actual, probability))
    return [
        dict(zip(ROC_COLUMNS, (f"{rate:.6f}" for rate in (false, true, min(threshold, 1)))))
        for false, true, threshold in points
    ]


def describe(name: str, measured: dict, confidence: float) -> str:
    """As in "test accuracy 0.9550 (191/200), 95 % interval 0.9169 to 0.9761"."""
    few = " (few images: a wide interval)" if measured["total"] < FEW else ""
    return (
        f"{name} accuracy {measured['accuracy']:.4f} "
        f"({measured['correct']}/{measured['total']}), {confidence:.0%} interval "
        f"{measured['accuracy_low']:.4f} to {measured['accuracy_high']:.4f}{few}"
    )
