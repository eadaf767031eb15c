"""Scores of predictions with confidence intervals, and the tables behind the plots.

`actual` and `predicted` hold class indices, `(images,)`: positions in `labels`. `probabilities` are
float `(images, classes)`, with columns in the order of the labels.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.classes import UNKNOWN, headline, log_losses
from pawprint.columns import PREDICTED, RELIABILITY, ROC, SCORES
from pawprint.scores.intervals import (
    area_interval,
    fraction_interval,
    independent_counts,
    linear_interval,
    mean_by_group,
    mean_interval,
)

BINS = 15  # of equal width, as in Guo et al. 2017, https://arxiv.org/abs/1706.04599


def reliability(
    actual: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each bin with images: mean probability, images of that class, and images.

    The results are float64, int64 and int64 `(bins,)`, for increasing probability.
    """
    if probabilities.shape[1] == 2:
        probability, is_of_class = probabilities[:, 1], actual == 1
    else:
        probability, is_of_class = probabilities.max(axis=1), actual == probabilities.argmax(axis=1)
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    images = np.bincount(bins)
    is_used = images > 0
    mean = np.bincount(bins, weights=probability)[is_used] / images[is_used]
    positives = np.bincount(bins[is_of_class], minlength=len(images))
    return mean, positives[is_used], images[is_used]


def expected_calibration_error(actual: np.ndarray, probabilities: np.ndarray) -> float:
    """The difference of mean probability and fraction of the class in a bin, averaged over images.

    Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning,
    2015 (https://doi.org/10.1609/aaai.v29i1.9602). In [0, 1]. Random variation makes it larger
    than 0 even for calibrated probabilities, more so for few images.
    """
    mean, positives, images = reliability(actual, probabilities)
    return float(np.abs(mean * images - positives).sum() / len(actual))


FEW = 100  # images: with all predictions correct, the 95% interval still begins at 0.963
# In metrics/evaluate.json; the last two, where images can be unsure.
SUMMARY = ("accuracy", "loss", "mean_recall", "macro_f1", "decided", "error_of_decided")
MAX_RECALLS, LOWEST = 20, 5  # classes there


class Predictions(NamedTuple):
    """Of images of the classes. `is_unknown`, bool `(images,)`, says which of them the detector of
    unknown inputs refuses, if there is one, and `is_decided` which are not unsure, if any can be.
    The images of one of `groups`, `(images,)`, count as one in intervals; by default each is alone.
    """

    actual: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    labels: list[str]
    is_unknown: np.ndarray | None = None
    groups: np.ndarray | None = None
    is_decided: np.ndarray | None = None


def tabulate_scores(predictions: Predictions, confidence: float) -> pd.DataFrame:
    """The columns of SCORES after `split`: scores of all classes, then those of each.

    F1, between recall and precision, and the calibration error have no interval. With more than two
    classes, `roc_auc` is the mean over the classes, each against the others, and so are its ends,
    which makes the interval wider than its confidence asks. Images of one class have none. Means
    are over the classes that have images; others have no score, and one that is never predicted no
    `precision`.
    """
    actual, probabilities, predicted, labels, is_unknown, groups, is_decided = predictions
    images = len(actual)
    groups = np.arange(images) if groups is None else groups
    losses = log_losses(actual, probabilities)
    low, high = mean_interval(mean_by_group(losses, groups), confidence)
    calibration_error = expected_calibration_error(actual, probabilities)
    present = np.unique(actual)
    is_right = predicted == actual
    is_actual, is_predicted = present[:, None] == actual, present[:, None] == predicted
    hits = (is_actual & is_predicted).sum(axis=1)
    recall = (hits / is_actual.sum(axis=1)).mean()
    f1 = (2 * hits / (is_actual.sum(axis=1) + is_predicted.sum(axis=1))).mean()
    of_recall = linear_interval(is_right, actual, groups, confidence)
    rows = [
        ("", *fraction_row("accuracy", is_right, confidence, groups)),
        ("", "loss", losses.mean(), max(low, 0.0), high, images),
        ("", "mean_recall", recall, *of_recall, images),
        ("", "macro_f1", f1, np.nan, np.nan, images),
        ("", "roc_auc", *_roc_area(actual, probabilities, confidence, groups), images),
        ("", "expected_calibration_error", calibration_error, np.nan, np.nan, images),
    ]
    if is_unknown is not None:
        rows.append(("", *fraction_row("refused", is_unknown, confidence, groups)))
    if is_decided is not None:
        rows.append(("", *fraction_row("decided", is_decided, confidence, groups)))
        if is_decided.any():
            of_decided = ~is_right[is_decided], confidence, groups[is_decided]
            rows.append(("", *fraction_row("error_of_decided", *of_decided)))
    for index, *of_class in zip(present, is_actual, is_predicted):
        rows += [(labels[index], *row) for row in _of_class(*of_class, confidence, groups)]
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def measure_unknown(
    unknown: np.ndarray,
    known: np.ndarray,
    threshold: float,
    confidence: float,
    groups: np.ndarray | None = None,
) -> pd.DataFrame:
    """How well the detector tells images of no class from others: rows of `tabulate_scores`.

    `unknown` and `known` are unknown scores, `(images,)`. The rows have the label UNKNOWN: the
    fraction refused of `unknown`, and the area under the ROC curve of both. `groups`, as in
    Predictions, are of `unknown`, then of `known`.
    """
    images, scores = len(unknown), np.append(unknown, known)
    groups = np.arange(len(scores)) if groups is None else groups
    area = area_interval(scores, np.arange(len(scores)) < images, groups, confidence)
    rows = [
        (UNKNOWN, *fraction_row("refused", unknown > threshold, confidence, groups[:images])),
        (UNKNOWN, "roc_auc", *area, images),
    ]
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def summarize(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The SUMMARY of each split in a table SCORES, and the recall of each class or, of more than
    MAX_RECALLS, of the classes with the LOWEST: what `dvc metrics diff` shows.
    """
    overall = scores[scores["label"] == ""].pivot(index="split", columns="score", values="value")
    summaries = {}
    for name, rows in scores[scores["score"] == "recall"].groupby("split", sort=False):
        recalls = rows.set_index("label")["value"]
        shown = recalls if len(recalls) <= MAX_RECALLS else recalls.nsmallest(LOWEST)
        summary = overall.loc[name].reindex(SUMMARY).dropna()
        summaries[name] = summary.to_dict() | {"recall": shown.to_dict()}
    return summaries


def tabulate_reliability(
    actual: np.ndarray, probabilities: np.ndarray, labels: list[str], confidence: float
) -> pd.DataFrame:
    """A row for each bin with images: the columns of RELIABILITY from `label` on.

    `label` is the class that probability and fraction are of: the second of two, or PREDICTED, the
    most probable one of more. Each image counts alone.
    """
    label = labels[1] if len(labels) == 2 else PREDICTED
    rows = [
        (label, mean, hits / images, *fraction_interval(hits, images, confidence), images)
        for mean, hits, images in zip(*map(np.ndarray.tolist, reliability(actual, probabilities)))
    ]
    return pd.DataFrame(rows, columns=list(RELIABILITY)[1:])


def tabulate_roc(actual: np.ndarray, probabilities: np.ndarray, labels: list[str]) -> pd.DataFrame:
    """The table ROC: the points of the curve of each class against the others.

    A curve goes from (0, 0) to (1, 1). Of two classes the second has one. The first point of a
    curve has no finite threshold; 1 is written.
    """
    from sklearn.metrics import roc_curve  # not for stages that read scores

    rows = [
        (labels[index], *point)
        for index in _classes_with_a_curve(actual, len(labels))
        for point in zip(*roc_curve(actual == index, probabilities[:, index]))
    ]
    table = pd.DataFrame(rows, columns=list(ROC))
    return table.assign(threshold=table["threshold"].clip(upper=1))


def describe_split(name: str, scores: pd.DataFrame, confidence: float) -> str:
    """A summary such as "test accuracy 0.9550 (191/200), 95% interval 0.9169 to 0.9761".

    The mean recall is first where it is the headline. `scores` are those of a split, with the
    columns of `tabulate_scores`.
    """
    rows = scores[scores["label"] == ""].set_index("score")
    accuracy, images = rows.loc["accuracy"], rows.loc["accuracy", "images"]
    text = f"accuracy {accuracy['value']:.4f} ({round(accuracy['value'] * images)}/{images})"
    score = headline(scores.loc[scores["score"] == "recall", "images"])
    if score != "accuracy":
        text = f"mean recall {rows.loc[score, 'value']:.4f}"
    few = " (few images: a wide interval)" if images < FEW else ""
    low, high = rows.loc[score, ["low", "high"]]
    text = f"{name} {text}, {100 * confidence:g}% interval {low:.4f} to {high:.4f}{few}"
    return text if score == "accuracy" else f"{text}; accuracy {accuracy['value']:.4f}"


def describe_class(name: str, label: str, scores: pd.DataFrame, confidence: float) -> str:
    """Recall and precision of a class in a split, whose `scores` are as for `describe_split`."""
    text = _describe(scores, label, ("recall", "precision"), confidence)
    return f"{name} {label}: {text}"


def describe_decided(name: str, scores: pd.DataFrame, confidence: float) -> str:
    """The images of a split that are decided, and their error, as for `describe_class`."""
    return f"{name} {_describe(scores, '', ('decided', 'error_of_decided'), confidence)}"


def _describe(scores: pd.DataFrame, label: str, names: tuple[str, ...], confidence: float) -> str:
    """Such as "recall 0.9500 (57/60), 0.8630 to 0.9829 (95% intervals)", of what there is."""
    rows = scores[scores["label"] == label].set_index("score")
    texts = []
    for row in rows.reindex(names).dropna(subset="value").itertuples():
        right, title = round(row.value * row.images), row.Index.replace("_", " ")
        counts = f"({right}/{row.images:.0f}), {row.low:.4f} to {row.high:.4f}"
        texts.append(f"{title} {row.value:.4f} {counts}")
    return f"{'; '.join(texts) or 'no images'} ({100 * confidence:g}% intervals)"


def _of_class(
    is_actual: np.ndarray, is_predicted: np.ndarray, confidence: float, groups: np.ndarray
) -> list[tuple]:
    """Recall, precision and F1 of a class: rows without its label."""
    intersection, union = (is_actual & is_predicted).sum(), (is_actual | is_predicted).sum()
    rows = [
        fraction_row("recall", is_predicted[is_actual], confidence, groups[is_actual]),
        ("f1", 2 * intersection / (union + intersection), np.nan, np.nan, union),
    ]
    if is_predicted.any():
        is_right = is_actual[is_predicted]
        rows.insert(1, fraction_row("precision", is_right, confidence, groups[is_predicted]))
    return rows


def fraction_row(name: str, is_true: np.ndarray, confidence: float, groups: np.ndarray) -> tuple:
    """The cells of SCORES from `score` on, for a fraction of images, bool `(images,)`.

    `groups` are as in Predictions.
    """
    interval = fraction_interval(*independent_counts(is_true, groups), confidence)
    return name, is_true.mean(), *interval, len(is_true)


def _roc_area(
    actual: np.ndarray, probabilities: np.ndarray, confidence: float, groups: np.ndarray
) -> np.ndarray:
    """The area and the ends of its interval, means over the classes if there are more than two."""
    if len(np.unique(actual)) < 2:
        return np.full(3, np.nan)
    areas = [
        area_interval(probabilities[:, index], actual == index, groups, confidence)
        for index in _classes_with_a_curve(actual, probabilities.shape[1])
    ]
    return np.mean(areas, axis=0)


def _classes_with_a_curve(actual: np.ndarray, classes: int) -> list[int]:
    """Those with images; of two classes the second: 1 - p rounds small probabilities to ties."""
    return [1] if classes == 2 else np.unique(actual).tolist()
