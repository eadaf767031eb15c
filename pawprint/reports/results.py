"""Params, counts and scores in words and tables: classes, initial weights, calibration, results.

`scores` is a table SCORES, `images` a table SPLIT.
"""

import pandas as pd

from pawprint.core.params.calibrate import Calibrate
from pawprint.core.sources import without_secrets
from pawprint.core.tables import SPLITS

UNKNOWN_RESULTS = {  # of a model with a detector of unknown inputs
    "refused": "images labelled unknown",
    "kept_accuracy": "accuracy of the other images",
    "drawn_refused": "drawn images of no class labelled unknown",
}
UNKNOWN_AREA = "area under the ROC curve of the unknown score, against drawn images"
MAX_NAMED = 4  # classes in a title
RESULTS = {  # with their titles
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1, mean of the classes",
    "roc_auc": "area under the ROC curve",
    "brier_score": "Brier score",
    "expected_calibration_error": "expected calibration error",
    "uncalibrated_expected_calibration_error": "expected calibration error before calibration",
    "debiased_calibration_error": "calibration error, debiased",
}
SIGNIFICANT = 0.05


def name_classes(labels: list[str]) -> str:
    """The labels of few classes, such as "cat or dog", or the number of many."""
    if len(labels) > MAX_NAMED:
        return f"{len(labels)} classes"
    return f"{', '.join(labels[:-1])} or {labels[-1]}"


def count_images(images: pd.DataFrame) -> pd.DataFrame:
    """Images per class: a row per label, sorted, with a column per split and `images`."""
    counts = pd.crosstab(images["label"], images["split"]).reindex(columns=SPLITS, fill_value=0)
    return counts.assign(images=counts.sum(axis=1))


def describe_rejected(rejected: pd.DataFrame) -> str:
    """The rejected files with their reasons, such as "3 rejected (2 empty, 1 damaged)"."""
    reasons = rejected["reason"].str.replace("_", " ").value_counts(sort=False).items()
    listed = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
    return f"{len(rejected):,} rejected" + (f" ({listed})" if listed else "")


def score_of(scores: pd.DataFrame, split: str, score: str, label: str = "") -> pd.Series:
    """The row of a score: `value`, `low`, `high` and `images`."""
    of = (scores["split"] == split) & (scores["score"] == score) & (scores["label"] == label)
    return scores[of].iloc[0]


def describe_accuracy(accuracy: pd.Series) -> str:
    """Such as "95.50% (191/200), 91.69% to 97.61%", from the row of an accuracy."""
    return f"{fraction(accuracy)}, {accuracy['low']:.2%} to {accuracy['high']:.2%}"


def fraction(accuracy: pd.Series) -> str:
    """Such as "95.50% (191/200)", from the row of an accuracy."""
    value, images = accuracy["value"], accuracy["images"]
    return f"{value:.2%} ({round(value * images)}/{images})"


def result_rows(scores: pd.DataFrame, splits: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Rows of the table of results: a title, then one text per split."""

    measured = set(zip(scores["split"], scores["score"]))

    def row(title: str, name: str, text) -> tuple[str, ...]:
        cells = (
            text(score_of(scores, split, name)) if (split, name) in measured else "no images"
            for split in splits
        )
        return title, *cells

    rows = [row("accuracy", "accuracy", describe_accuracy)]
    if "accuracy_at_half" in set(scores["score"]):
        rows.append(row("accuracy at a threshold of 0.5", "accuracy_at_half", fraction))
    rows += [row(title, name, with_interval) for name, title in RESULTS.items()]
    if "refused" in set(scores["score"]):
        rows += [row(title, name, describe_accuracy) for name, title in UNKNOWN_RESULTS.items()]
        rows.append(row(UNKNOWN_AREA, "unknown_roc_auc", with_interval))
    return rows


def class_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """A row of texts per class, with the lowest F1 of the test split first."""
    of_test = scores[(scores["label"] != "") & (scores["split"] == "test")]
    f1 = of_test[of_test["score"] == "f1"].sort_values("value", kind="stable")
    rows = []
    for label, images in zip(f1["label"], f1["images"]):
        rows.append(
            {
                "class": label,
                "test images": f"{images:,}",
                "precision": with_interval(score_of(scores, "test", "precision", label)),
                "recall": with_interval(score_of(scores, "test", "recall", label)),
                "F1": with_interval(score_of(scores, "test", "f1", label)),
                "F1, validation": with_interval(score_of(scores, "validation", "f1", label)),
            }
        )
    return pd.DataFrame(rows)


def with_interval(score: pd.Series) -> str:
    """Such as "0.9550 (0.9169 to 0.9761)", or the value alone if it has no interval."""
    if pd.isna(score["low"]):
        return f"{score['value']:.4f}"
    return f"{score['value']:.4f} ({score['low']:.4f} to {score['high']:.4f})"


def describe_weights(source: str) -> str:
    """The initial weights of the backbone, for the param `weights.source`."""
    known = {"imagenet": "pre-trained on ImageNet, as Keras publishes them", "none": "random"}
    return known.get(source, f"`{without_secrets(source)}`")


MEAN_OVER_VIEWS = {
    "one": "",
    "flip": " Predictions are means over an image and its mirror image.",
    "crops": " Predictions are means over three squares of an image and their mirror images.",
}


def describe_calibration(
    calibrate: Calibrate,
    temperature: float,
    threshold: float | None,
    labels: list[str],
    scores: pd.DataFrame,
) -> str:
    """Sentences on the temperature, the views and the threshold of the second of two labels."""
    if calibrate.temperature:
        p_value = score_of(scores, "validation", "temperature_p_value")["value"]
        change = "is" if p_value < SIGNIFICANT else "is not"
        first = (
            f"Logits are divided by {temperature:.3f}, fitted on the validation split, whose log "
            f"loss {change} significantly lower than without (p = {p_value:.3f})."
        )
    else:
        first = "Probabilities are not calibrated."
    first += MEAN_OVER_VIEWS[calibrate.views]
    if threshold is None:
        return f"{first} The most probable class is predicted."
    if calibrate.threshold is not None:
        return f"{first} The threshold is set in params.yaml."
    if calibrate.recall is not None:
        return (
            f"{first} The threshold has the best precision on the validation split among those "
            f"with a recall of {labels[1]} of at least {calibrate.recall:g}."
        )
    if threshold == 0.5:
        return (
            f"{first} The threshold is 0.5: no other is significantly more accurate on the "
            "validation split."
        )
    return f"{first} The threshold has the best accuracy on the validation split."
