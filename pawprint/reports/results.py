"""Scores in words and tables; `scores` is a table SCORES."""

from collections.abc import Callable

import pandas as pd

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


def result_rows(scores: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Rows of the table of results: a title, then the texts of validation and test."""
    measured = set(zip(scores["split"], scores["score"]))

    def row(title: str, name: str, text: Callable[[pd.Series], str]) -> tuple[str, str, str]:
        cells = (
            text(score_of(scores, split, name)) if (split, name) in measured else "no images"
            for split in ("validation", "test")
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
    columns = {
        "precision": ("test", "precision"),
        "recall": ("test", "recall"),
        "F1": ("test", "f1"),
        "F1, validation": ("validation", "f1"),
    }
    f1 = scores.query("split == 'test' and score == 'f1' and label != ''")
    f1 = f1.sort_values("value", kind="stable")
    rows = pd.DataFrame({"class": f1["label"], "test images": f1["images"].map("{:,}".format)})
    for title, (split, name) in columns.items():
        texts = (with_interval(score_of(scores, split, name, label)) for label in rows["class"])
        rows[title] = list(texts)
    return rows


def with_interval(score: pd.Series) -> str:
    """Such as "0.9550 (0.9169 to 0.9761)", or the value alone if it has no interval."""
    if pd.isna(score["low"]):
        return f"{score['value']:.4f}"
    return f"{score['value']:.4f} ({score['low']:.4f} to {score['high']:.4f})"


def describe_training(extract: pd.DataFrame, finetune: pd.DataFrame) -> str:
    """How head and last layers were trained, and what is kept, from the two tables HISTORY."""
    is_solved = extract["learning_rate"].isna().any()
    head = "logistic regression" if is_solved else f"{len(extract)} epochs"
    text = f"the head by {head}"
    if finetune.empty:
        return f"{text}; no fine-tuning."
    text += f", then {len(finetune)} epochs of the head and the last layers of the backbone"
    if not finetune["kept"].any():
        return (
            f"{text}. No epoch has a lower validation loss than the head alone, so the head alone "
            "is used."
        )
    kept = finetune.loc[finetune["kept"], "epoch"].iloc[-1]
    if kept == finetune["epoch"].iloc[-1]:
        return f"{text}."
    return f"{text}. Of these, epoch {kept - len(extract)} is used."


MEAN_OVER_VIEWS = {
    "one": "",
    "flip": " Predictions are means over an image and its mirror image.",
    "crops": " Predictions are means over three squares of an image and their mirror images.",
}


def describe_calibration(calibrate: dict, metadata: dict, scores: pd.DataFrame) -> str:
    """Sentences on the temperature, the views and the threshold of the second of two labels.

    `calibrate` holds the params of that section, `metadata` those of the served model.
    """
    first = "Probabilities are not calibrated."
    if calibrate["temperature"]:
        p_value = score_of(scores, "validation", "temperature_p_value")["value"]
        change = "is" if p_value < SIGNIFICANT else "is not"
        first = (
            f"Logits are divided by {metadata['temperature']:.3f}, fitted on the validation split, "
            f"whose log loss {change} significantly lower than without (p = {p_value:.3f})."
        )
    if metadata["threshold"] is None:
        last = "The most probable class is predicted."
    elif calibrate["threshold"] is not None:
        last = "The threshold is set in params.yaml."
    elif calibrate["recall"] is not None:
        last = (
            "The threshold has the best precision on the validation split among those with a "
            f"recall of {metadata['labels'][1]} of at least {calibrate['recall']:g}."
        )
    elif metadata["threshold"] == 0.5:
        last = (
            "The threshold is 0.5: no other is significantly more accurate on the validation split."
        )
    else:
        last = "The threshold has the best accuracy on the validation split."
    return f"{first}{MEAN_OVER_VIEWS[calibrate['views']]} {last}"


def describe_intervals(confidence: float) -> str:
    """Sentences on the intervals, and on what the test split is used for."""
    return (
        f"The intervals have a confidence of {100 * confidence:g}%: Wilson intervals for accuracy, "
        "bootstrap intervals for the others. Balanced accuracy counts every class equally. Nothing "
        "is fitted or chosen on the test split."
    )
