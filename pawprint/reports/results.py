"""Scores in words and tables; `scores` is a table SCORES."""

from collections.abc import Mapping

import pandas as pd

from pawprint.classes import UNKNOWN, headline
from pawprint.columns import SPLITS
from pawprint.dataset.splitting import FEW
from pawprint.scores.intervals import fraction_interval, independent_counts
from pawprint.scores.metrics import CATALOGUE, SLICE, measure_fraction
from pawprint.scores.slices import DIFFERENCE

MOST = 0.9  # of the images, whose error is named


def score_of(scores: pd.DataFrame, split: str, score: str, label: str = "") -> pd.Series:
    """The row of a score: `value`, `low`, `high` and `images`."""
    is_score = (scores["split"] == split) & (scores["score"] == score) & (scores["label"] == label)
    return scores[is_score].iloc[0]


def headline_of(scores: pd.DataFrame) -> str:
    """The `headline` for the images of the test split."""
    of_test = (scores["split"] == "test") & (scores["score"] == "recall")
    return headline(scores.loc[of_test, "images"])


def describe_score(score: pd.Series) -> str:
    """Such as "95.50% (191/200), 91.69% to 97.61%", "0.9550" without an interval, "" for none.

    A fraction of FEW images is "1 of 1". Without the column `images` a fraction has no number.
    """
    of, value, low = CATALOGUE[score["score"]], score["value"], score["low"]
    if pd.isna(value):
        return ""
    is_counted = of.measure is measure_fraction and "images" in score
    text = fraction(score) if is_counted else format(value, of.form)
    return text if pd.isna(low) else f"{text}, {low:{of.form}} to {score['high']:{of.form}}"


def fraction(score: pd.Series) -> str:
    """Such as "95.50% (191/200)", or "1 of 1" for FEW images, from the row of a fraction."""
    value, images = score["value"], score["images"]
    correct = round(value * images)
    return f"{value:.2%} ({correct}/{images})" if images > FEW else f"{correct} of {images}"


def describe_result(
    scores: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    group_of: pd.Series,
    confidence: float,
    is_chosen: bool,
) -> str:
    """Return how many held-out photos are right, and whether test and validation differ.

    The first sentence is of the test photos. Validation photos are among them if nothing was chosen
    on these (`is_chosen`) and the two do not differ by more than chance: more photos give a smaller
    interval. Where classes are imbalanced, it also has the mean of their recalls. `predictions` has
    the tables PREDICTIONS by split, `group_of` the group of independent images by path.
    """
    difference = scores[scores["score"] == "accuracy_difference"]
    differs = ((difference["low"] > 0) | (difference["high"] < 0)).any()
    splits = ("test",) if is_chosen or differs else ("test", "validation")
    rows = pd.concat([predictions[split] for split in splits])
    is_right = rows["actual"] == rows["predicted"]
    groups = rows["path"].map(group_of).fillna(rows["path"]).to_numpy()
    low, high = fraction_interval(*independent_counts(is_right.to_numpy(), groups), confidence)
    text = (
        f"Right for {is_right.sum():,} of {len(rows):,} {' and '.join(splits)} photos: "
        f"{is_right.mean():.1%} ({100 * confidence:g}% interval {low:.1%} to {high:.1%})"
    )
    if headline_of(scores) != "accuracy":
        recalls = is_right.groupby(rows["actual"]).mean()
        text += f"; {recalls.mean():.1%} on average over the classes"
    if differs:
        validation = predictions["validation"]
        fraction = (validation["actual"] == validation["predicted"]).mean()
        text += f". It is right for {fraction:.1%} of validation photos: more than chance explains"
    return f"{text}."


def describe_decided(decided: pd.DataFrame) -> str:
    """A sentence on the error of the most confident test images, from a table DECIDED."""
    most, every = decided[decided["decided"] >= MOST].iloc[0], decided.iloc[-1]
    return (
        f"Of the most confident {most['decided']:.0%} of the test images {most['error']:.1%} are "
        f"wrong, of all {every['error']:.1%}."
    )


def result_rows(scores: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Rows of the table of results: a title, then the texts of test and validation, perhaps ""."""
    selection = scores[scores["score"].isin(CATALOGUE)]
    texts = selection.assign(text=selection.apply(describe_score, axis=1))
    of_all = texts[texts["label"] == ""].pivot(index="score", columns="split", values="text")
    names = [name for name in CATALOGUE if name in of_all.index]
    names.insert(3, names.pop(1))  # the log loss after the percentages
    names.sort(key=headline_of(scores).__ne__)
    of_all = of_all.loc[names, ["test", "validation"]].fillna("")
    rows = [(CATALOGUE[name].title, *of_all.loc[name]) for name in names]
    if UNKNOWN in set(scores["label"]):
        refused, area = (score_of(texts, "test", name, UNKNOWN) for name in ("refused", "roc_auc"))
        rows += [
            ("unknown images labelled unknown", refused["text"], ""),
            ("area under the ROC curve of unknown and test images", area["text"], ""),
        ]
    return rows


def class_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """A row of texts per class, with the lowest recall on the test split first.

    A cell without a score, as of a class without images in a split, has "none".
    """
    of_classes = scores[scores["label"].isin(scores.loc[scores["score"] == "recall", "label"])]
    texts = of_classes.assign(text=of_classes.apply(describe_score, axis=1)).pivot(
        index="label", columns=["score", "split"], values="text"
    )
    recall = of_classes.query("score == 'recall' and split == 'test'").set_index("label")["value"]
    texts = texts.reindex(recall.reindex(texts.index).sort_values(kind="stable").index)
    columns = [("recall", "test"), ("precision", "test"), ("f1", "test"), ("recall", "validation")]
    rows = texts.reindex(columns=pd.MultiIndex.from_tuples(columns)).fillna("none")
    rows.columns = [f"{CATALOGUE[name].title}, {split}" for name, split in columns]
    return rows.rename_axis("class").reset_index()


def slice_rows(scores: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Rows of texts: a slice, its accuracy, and the difference from the accuracy of the others."""
    rows = scores.set_index("label")
    accuracy, difference = (rows[rows["score"] == name] for name in (SLICE, DIFFERENCE))
    return [
        (
            label,
            describe_score(row),
            "{:+.2f} points, {:+.2f} to {:+.2f}".format(
                *(100 * difference.loc[label, ["value", "low", "high"]])
            ),
        )
        for label, row in accuracy.iterrows()
    ]


def rows_beside_test(scores: pd.DataFrame) -> list[list[str]]:
    """Return a title, then rows of texts: scores of photos, beside those of the test split.

    `scores` is a table of `tabulate_beside` with rows of slices.
    """
    shown = {name for name, score in CATALOGUE.items() if score.is_tested or score.in_metrics}
    rows = scores[scores["score"].isin(shown)]
    title = rows["score"].str.replace("_", " ") + " " + rows["label"]
    cells = pd.DataFrame({"score": title, "photos": rows.apply(describe_score, axis=1)})
    if rows["test"].notna().any():
        beside = rows[["score", "test", "test_low", "test_high"]]
        beside = beside.set_axis(["score", "value", "low", "high"], axis=1)
        cells["test split"] = beside.apply(describe_score, axis=1)
        cells["different"] = rows["different"]
    lines = [list(cells), *cells.to_numpy().tolist()]
    for name, accuracy, difference in slice_rows(scores):
        cell = f"{accuracy}; from the others {difference}"
        lines.append([name, cell, *[""] * (len(cells.columns) - 2)])
    return lines


def count_images(images: pd.DataFrame) -> pd.DataFrame:
    """Images per class (table SPLIT): a row per label, sorted; a column per split, and `images`."""
    counts = pd.crosstab(images["label"], images["split"]).reindex(columns=SPLITS, fill_value=0)
    return counts.assign(images=counts.sum(axis=1))
