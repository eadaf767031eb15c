"""Scores in words and tables; `scores` is a table SCORES."""

from collections.abc import Callable

import pandas as pd

from pawprint.classes import SIGNIFICANT, UNKNOWN
from pawprint.columns import SPLITS
from pawprint.dataset.splitting import FEW, divided_groups
from pawprint.scores.metrics import headline
from pawprint.scores.shift import APART
from pawprint.scores.slices import ACCURACY, DIFFERENCE

MAX_NAMED = 4  # classes in a title
FEW_GROUPS = 0.9  # groups for each image, below which intervals are said to be too narrow
RESULTS = {  # with their titles
    "loss": "log loss",
    "roc_auc": "area under the ROC curve",
    "expected_calibration_error": "expected calibration error",
}


def name_classes(labels: list[str]) -> str:
    """The labels of few classes, such as "cat or dog", or the number of many."""
    if len(labels) > MAX_NAMED:
        return f"{len(labels)} classes"
    return f"{', '.join(labels[:-1])} or {labels[-1]}"


def score_of(scores: pd.DataFrame, split: str, score: str, label: str = "") -> pd.Series:
    """The row of a score: `value`, `low`, `high` and `images`."""
    of = (scores["split"] == split) & (scores["score"] == score) & (scores["label"] == label)
    return scores[of].iloc[0]


def headline_of(scores: pd.DataFrame) -> str:
    """The `headline` for the images of the test split."""
    of_test = (scores["split"] == "test") & (scores["score"] == "recall")
    return headline(scores.loc[of_test, "images"])


def describe_fraction(score: pd.Series) -> str:
    """Such as "95.50% (191/200), 91.69% to 97.61%", from the row of a fraction of images."""
    return f"{fraction(score)}, {score['low']:.2%} to {score['high']:.2%}"


def in_percent(score: pd.Series) -> str:
    """Such as "95.50%, 91.69% to 97.61%"."""
    return f"{score['value']:.2%}, {score['low']:.2%} to {score['high']:.2%}"


def fraction(score: pd.Series) -> str:
    """Such as "95.50% (191/200)", or "1 of 1" for FEW images, from the row of a fraction."""
    value, images = score["value"], score["images"]
    correct = round(value * images)
    return f"{value:.2%} ({correct}/{images})" if images > FEW else f"{correct} of {images}"


def result_rows(scores: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Rows of the table of results: a title, then the texts of test and validation."""

    def row(title: str, name: str, text: Callable[[pd.Series], str]) -> tuple[str, str, str]:
        cells = (text(score_of(scores, split, name)) for split in ("test", "validation"))
        return title, *cells

    rows = [row("accuracy", "accuracy", describe_fraction)]
    rows.append(row("mean recall of the classes", "mean_recall", in_percent))
    rows.append(row("mean F1 of the classes", "macro_f1", in_percent))
    rows += [row(title, name, with_interval) for name, title in RESULTS.items()]
    if headline_of(scores) == "mean_recall":
        rows[:2] = rows[1::-1]
    if APART in set(scores["score"]):
        apart = describe_fraction(score_of(scores, "test", APART))
        rows.append(("accuracy without near-duplicates of other splits", apart, ""))
    if "refused" in set(scores["score"]):  # of a model with a detector of unknown inputs
        rows.append(row("images labelled unknown", "refused", describe_fraction))
    if UNKNOWN in set(scores["label"]):
        refused, area = (score_of(scores, "test", name, UNKNOWN) for name in ("refused", "roc_auc"))
        rows += [
            ("images of no class labelled unknown", describe_fraction(refused), ""),
            ("area under the ROC curve of unknown and test images", with_interval(area), ""),
        ]
    return rows


def class_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """A row of texts per class, with the lowest recall on the test split first.

    A cell without a score, as of a class without images in a split, has "none".
    """
    of_classes = scores[scores["label"].isin(scores.loc[scores["score"] == "recall", "label"])]
    texts = of_classes.assign(
        text=of_classes.apply(
            lambda row: (in_percent if row["score"] == "f1" else describe_fraction)(row), axis=1
        )
    ).pivot(index="label", columns=["score", "split"], values="text")
    recall = of_classes.query("score == 'recall' and split == 'test'").set_index("label")["value"]
    texts = texts.reindex(recall.reindex(texts.index).sort_values(kind="stable").index)
    columns = [("recall", "test"), ("precision", "test"), ("f1", "test"), ("recall", "validation")]
    rows = texts.reindex(columns=pd.MultiIndex.from_tuples(columns)).fillna("none")
    rows.columns = ["recall, test", "precision, test", "F1, test", "recall, validation"]
    return rows.rename_axis("class").reset_index()


def slice_rows(scores: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Rows of texts: a slice, its accuracy, and the difference from the accuracy of the others."""
    both = (scores[scores["score"] == name].set_index("label") for name in (ACCURACY, DIFFERENCE))
    accuracy, difference = both
    return [
        (
            label,
            describe_fraction(row),
            "{:+.2f} points, {:+.2f} to {:+.2f}".format(
                *(100 * difference.loc[label, ["value", "low", "high"]])
            ),
        )
        for label, row in accuracy.iterrows()
    ]


def with_interval(score: pd.Series) -> str:
    """Such as "0.9550 (0.9169 to 0.9761)", or the value alone if it has no interval."""
    if pd.isna(score["low"]):
        return f"{score['value']:.4f}"
    return f"{score['value']:.4f} ({score['low']:.4f} to {score['high']:.4f})"


def describe_training(extract: pd.DataFrame, finetune: pd.DataFrame, momentum: float | None) -> str:
    """How head and last layers were trained, and what is kept, from the two tables HISTORY.

    `momentum` is that of the average of the weights in fine-tuning.
    """
    is_solved = extract["learning_rate"].isna().any()
    head = "logistic regression" if is_solved else f"{len(extract)} epochs"
    text = f"the head by {head}"
    if finetune.empty:
        return f"{text}; no fine-tuning."
    text += f", then {len(finetune)} epochs of the head and the last layers of the backbone"
    if not finetune["kept"].any():
        return f"{text}. By the validation loss the head alone is used."
    if momentum:
        return f"{text}, whose weights are averaged over the steps with a momentum of {momentum:g}."
    kept = finetune.loc[finetune["kept"], "epoch"].iloc[-1]
    if kept == finetune["epoch"].iloc[-1]:
        return f"{text}."
    return f"{text}. Of these, epoch {kept} is used."


MEAN_OVER = {
    "none": "",
    "flip": " Logits are means over an image and its mirror image.",
    "crops": " Logits are means over three squares of an image and their mirror images.",
}


def describe_calibration(calibrate: dict, metadata: dict) -> str:
    """Sentences on temperature, test-time augmentation and threshold of the second of two labels.

    `calibrate` holds the params of that section, `metadata` those of the served model.
    """
    first = "Probabilities are not calibrated."
    if calibrate["temperature"]:
        change = (
            "Logits are not divided by a temperature: with the one fitted on the validation split, "
            "its log loss is not significantly lower"
            if metadata["temperature"] == 1
            else f"Logits are divided by {metadata['temperature']:.3f}, fitted on the validation "
            "split, whose log loss is significantly lower than without"
        )
        first = f"{change} (likelihood-ratio test, p < {SIGNIFICANT})."
    if metadata["threshold"] is None:
        last = "The most probable class is predicted."
    elif calibrate["recall"] is not None:
        last = (
            "The threshold has the best precision on the validation split among those with a "
            f"recall of {metadata['labels'][1]} of at least {calibrate['recall']:g}."
        )
    elif calibrate["threshold"] is not None:
        last = "The threshold is set in params.yaml."
    else:
        last = "The threshold is 0.5."
    return f"{first}{MEAN_OVER[metadata['test_time_augmentation']]} {last}"


def describe_intervals(confidence: float, groups: pd.Series) -> str:
    """Sentences on the intervals, and on what the test split is used for.

    `groups` are those of the test images.
    """
    text = (
        f"The intervals have a confidence of {100 * confidence:g}%: Wilson's of fractions, "
        "bootstrap-t of the log loss, Newcombe's of the area, Price and Bonett's of means over the "
        "classes. Nothing is fitted or chosen on the "
        "test split."
    )
    if groups.nunique() < FEW_GROUPS * len(groups):
        text += (
            f" The {len(groups):,} test images are of {groups.nunique():,} groups. The intervals "
            "take them as independent, and so are too narrow."
        )
    return text


def count_images(images: pd.DataFrame) -> pd.DataFrame:
    """Images per class (table SPLIT): a row per label, sorted; a column per split, and `images`."""
    counts = pd.crosstab(images["label"], images["split"]).reindex(columns=SPLITS, fill_value=0)
    return counts.assign(images=counts.sum(axis=1))


def describe_near_duplicates(near_duplicates: pd.DataFrame) -> str:
    """Number of images and groups of a table NEAR_DUPLICATES, and which groups are divided."""
    divided = divided_groups(near_duplicates)
    which = "A group is never divided between splits"
    if divided:
        which = (
            f"Number of groups that the archive's own splits divide: {divided}. No other group is "
            "divided between splits"
        )
    return (
        f"{len(near_duplicates)} (number of groups: {near_duplicates['group'].nunique()}). "
        f"{which}; number of images moved for this: {near_duplicates['moved'].sum()}."
    )
