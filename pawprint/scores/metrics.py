"""Define the score catalogue, with confidence intervals, and the tables behind the plots.

`actual` and `predicted` contain class indices, `(images,)`, which are positions in `labels`. If an
image can show several labels, they are `(images, labels)` instead, as from `LabelKind.encode`, and
what is not known of an image counts in no score. `probabilities` are float `(images, labels)`, with
columns in the order of the labels. An image is the unit of every interval, because its labels
depend on each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.base.columns import EACH_LABEL, PREDICTED, RELIABILITY, ROC, SCORES
from pawprint.base.imbalance import HEADLINES, headline
from pawprint.base.labels import UNKNOWN, LabelKind, cell_of, kind_of
from pawprint.scores import intervals

BINS = 15  # of equal width, as in Guo et al. 2017, https://arxiv.org/abs/1706.04599


def bin_probabilities(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each non-empty bin's mean probability, and each sample's bin.

    The results are float64 `(bins,)`, in increasing order, and int64 `(samples,)`.
    """
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    bins = np.unique(bins, return_inverse=True)[1]
    return np.bincount(bins, weights=probability) / np.bincount(bins), bins


class Samples(NamedTuple):
    """Probabilities, whether what they are about is true, and groups, each `(samples,)`.

    `label` is what they are about; see RELIABILITY.
    """

    label: str
    probability: np.ndarray
    is_true: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Predictions:
    """Predictions for images in the classes, or with any number of the labels.

    `is_unknown`, bool `(images,)`, marks the images that the unknown-image detector rejects, if
    there is one. `is_decided` marks the images that are not unsure, if the model can be unsure. In
    intervals, images in the same group (`groups`, `(images,)`) count as one.
    """

    actual: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    labels: list[str]
    groups: np.ndarray
    is_unknown: np.ndarray | None = None
    is_decided: np.ndarray | None = None

    @property
    def kind(self) -> LabelKind:
        """Whether each image is in one class, or can show several labels."""
        return kind_of(self.actual)

    @cached_property
    def is_of(self) -> np.ndarray:
        """Whether each image has each label, bool `(images, labels)`."""
        return self.kind.indicators(self.actual, len(self.labels))

    @cached_property
    def is_named(self) -> np.ndarray:
        """Whether each label is predicted for each image, bool `(images, labels)`."""
        return self.kind.indicators(self.predicted, len(self.labels))

    @cached_property
    def is_known(self) -> np.ndarray:
        """Whether it is known of each image if it has each label, bool `(images, labels)`."""
        return self.kind.known(self.actual, len(self.labels))

    @property
    def is_right(self) -> np.ndarray:
        """Whether each image's predicted class, or every label that is known, is correct."""
        return ((self.is_named == self.is_of) | ~self.is_known).all(axis=1)

    def known_of(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return whether images have a label, and its probability, where that is known."""
        is_known = self.is_known[:, index]
        return self.is_of[is_known, index], self.probabilities[is_known, index]

    @property
    def confidence(self) -> np.ndarray:
        """The probability of each image's predicted class, `(images,)`.

        Labels are predicted together, and their probabilities are multiplied as if independent.
        """
        if self.kind.exclusive:
            return self.probabilities[self.is_named]
        return np.where(self.is_named, self.probabilities, 1 - self.probabilities).prod(axis=1)

    @property
    def losses(self) -> np.ndarray:
        """The log loss of each image, `(images,)`."""
        return self.kind.losses(self.actual, self.probabilities)

    @property
    def names(self) -> np.ndarray:
        """Each image's predicted class, or its labels in one cell, str `(images,)`."""
        return self.kind.decode(self.predicted, self.labels)

    @property
    def mistakes(self) -> list[str]:
        """What is wrong with each prediction, if it is wrong: the class that the image has.

        For labels, it is lines such as "missed sea" and "named trees".
        """
        if self.kind.exclusive:
            return [f"label: {self.labels[index]}" for index in self.actual]
        kinds = {"missed": self.is_of & ~self.is_named, "named": self.is_named & ~self.is_of}
        kinds["named"] &= self.is_known
        cells = {verb: self.kind.decode(wrong, self.labels) for verb, wrong in kinds.items()}
        return [
            "\n".join(f"{verb} {cell}" for verb, cell in zip(cells, row) if cell != cell_of([]))
            for row in zip(*cells.values())
        ]

    @property
    def present(self) -> list[int]:
        """The indices of the classes with images."""
        return np.flatnonzero(self.is_of.any(axis=0)).tolist()

    @property
    def with_a_curve(self) -> list[int]:
        """The classes with an ROC curve; only the second of two, because 1 - p would make ties.

        A label has a curve if some images have it and others do not.
        """
        if self.kind.exclusive:
            return [1] if len(self.labels) == 2 else self.present
        return [index for index in self.present if (self.actual[:, index] == 0).any()]

    @property
    def samples(self) -> Samples:
        """The samples whose probabilities should be reliable: one for each image, or its labels.

        They are about the second of two classes, or with more classes the most probable one.
        """
        if not self.kind.exclusive:
            groups = np.broadcast_to(self.groups[:, None], self.is_of.shape)
            arrays = (self.probabilities, self.is_of, groups)
            return Samples(EACH_LABEL, *(array[self.is_known] for array in arrays))
        if len(self.labels) == 2:
            return Samples(self.labels[1], self.probabilities[:, 1], self.actual == 1, self.groups)
        is_true = self.actual == self.probabilities.argmax(axis=1)
        return Samples(PREDICTED, self.probabilities.max(axis=1), is_true, self.groups)


Cells = tuple[float, float, float, int]  # the columns `value`, `low`, `high` and `images` of SCORES


def fraction_cells(is_true: np.ndarray, groups: np.ndarray) -> Cells:
    """Return the cells for a fraction of images, bool `(images,)`; see Predictions for `groups`."""
    interval = intervals.fraction_interval(*intervals.independent_counts(is_true, groups))
    return is_true.mean(), *interval, len(is_true)


def measure_fraction(values: np.ndarray, predictions: Predictions) -> Cells | None:
    """Return the cells for images whose `(images,)` values are not NaN; None without any.

    Values `(images, labels)` count one by one, but an image's are not independent of each other.
    """
    is_in = ~np.isnan(values)
    groups = np.broadcast_to(predictions.groups, values.T.shape).T
    return fraction_cells(values[is_in], groups[is_in]) if is_in.any() else None


def _mean_loss(losses: np.ndarray, predictions: Predictions) -> Cells:
    low, high = intervals.mean_interval(intervals.mean_by_group(losses, predictions.groups))
    return losses.mean(), max(low, 0.0), high, len(losses)


def _mean_of_classes(values: np.ndarray, predictions: Predictions) -> Cells:
    actual = predictions.actual
    mean = np.mean([values[actual == index].mean() for index in np.unique(actual)])
    interval = intervals.linear_interval(values, actual, predictions.groups)
    return mean, *interval, len(values)


def _area(probabilities: np.ndarray, predictions: Predictions) -> Cells:
    """Return the area under the ROC curve, or NaN if all images are in one class.

    With more than two classes, this is the mean area over all classes, each against the rest, and
    the interval is conservative.
    """
    actual = predictions.actual
    areas = [
        intervals.area_interval(probabilities[:, index], actual == index, predictions.groups)
        for index in predictions.with_a_curve
        if len(np.unique(actual)) > 1
    ]
    return *np.mean(areas or [(np.nan,) * 3], axis=0), len(probabilities)


def _alone(counted: tuple[float, int], predictions: Predictions) -> Cells:
    """Return the cells for a score that has no interval."""
    return counted[0], np.nan, np.nan, counted[1]


def _f1(predictions: Predictions, index: int) -> tuple[float, int]:
    is_actual = predictions.is_of[:, index]
    is_predicted = predictions.is_named[:, index] & predictions.is_known[:, index]
    both = (is_actual & is_predicted).sum()
    either = (is_actual | is_predicted).sum()
    return 2 * both / (either + both), either


def _macro_f1(predictions: Predictions) -> tuple[float, int]:
    f1s = [_f1(predictions, index)[0] for index in np.unique(predictions.actual)]
    return float(np.mean(f1s)), len(predictions.actual)


def _calibration(predictions: Predictions) -> tuple[float, int]:
    """Return the mean gap between probability and class fraction, in bins weighted by their images.

    See Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian
    Binning, 2015 (https://doi.org/10.1609/aaai.v29i1.9602). The gap is in [0, 1]. Random variation
    makes it larger than 0 even for calibrated probabilities, especially with few images.
    """
    samples = predictions.samples
    mean, bins = bin_probabilities(samples.probability)
    gaps = mean * np.bincount(bins) - np.bincount(bins, weights=samples.is_true)
    return float(np.abs(gaps).sum() / len(bins)), len(bins)


def _error_of_decided(predictions: Predictions) -> np.ndarray | None:
    if predictions.is_decided is None:
        return None
    return np.where(predictions.is_decided, ~predictions.is_right, np.nan)


def _right_of_complete(predictions: Predictions) -> np.ndarray | None:
    """Return whether images of which every label is known are right, or None if all images are."""
    is_complete = predictions.is_known.all(axis=1)
    return None if is_complete.all() else np.where(is_complete, predictions.is_right, np.nan)


EVERY = slice(None)  # all labels in place of one


def _recall(predictions: Predictions, index: int | slice = EVERY) -> np.ndarray:
    return np.where(predictions.is_of[:, index], predictions.is_named[:, index], np.nan)


def _precision(predictions: Predictions, index: int | slice = EVERY) -> np.ndarray:
    is_counted = predictions.is_named[:, index] & predictions.is_known[:, index]
    return np.where(is_counted, predictions.is_of[:, index], np.nan)


def _average_precision(predictions: Predictions, index: int) -> tuple[float, int]:
    """Return the mean precision at the images that have the label, and their number."""
    right, taken = _count_ranked(*predictions.known_of(index))
    gained = np.diff(right, prepend=0)
    return float((gained * right / taken).sum() / right[-1]), int(right[-1])


PERCENT = ".2%"
NUMBER = ".4f"


def _measured_elsewhere(predictions: Predictions) -> None:
    """Return None, because another module measures the score."""


class Score(NamedTuple):
    """A score. Its name is its key in CATALOGUE.

    `values` takes Predictions and, for single-class scores, the class index. For most scores, the
    result is one value per image, `(images,)`, NaN if the image does not count. If the result is
    None, the score has no row. Unless `exclusive` is None, the score is only for such labels.
    """

    title: str
    values: Callable = _measured_elsewhere
    form: str = PERCENT
    measure: Callable[..., Cells | None] = measure_fraction  # returns a score and its interval
    is_of_class: bool = False  # whether each class has a score of its own
    exclusive: bool | None = None


# Scores that guide decisions, keyed by split. There are at most ten, including scores from other
# stages.
IN_METRICS = {
    "validation": ["accuracy", "exact", "loss"],
    "test": ["accuracy", "exact", "mean_recall", "loss", "decided", "error_of_decided"],
}
OF_A_CLASS = ("recall", "precision")
OF_DECIDED = ("decided", "error_of_decided")
APART = "accuracy_without_near_duplicates"
# Scores in the order of plots/scores.csv. Means over classes ignore classes without images.
CATALOGUE = {
    "accuracy": Score("accuracy", attrgetter("is_right"), exclusive=True),
    "exact": Score(HEADLINES["exact"], attrgetter("is_right"), exclusive=False),
    "loss": Score("log loss", attrgetter("losses"), NUMBER, _mean_loss),
    "exact_of_complete": Score(
        "every label right, of photos with all labels known", _right_of_complete, exclusive=False
    ),
    "found": Score("labels found", _recall, exclusive=False),
    "named_right": Score("named labels that are right", _precision, exclusive=False),
    "mean_recall": Score(
        HEADLINES["mean_recall"], attrgetter("is_right"), PERCENT, _mean_of_classes, exclusive=True
    ),
    "macro_f1": Score("mean F1 of the classes", _macro_f1, PERCENT, _alone, exclusive=True),
    "roc_auc": Score(
        "area under the ROC curve", attrgetter("probabilities"), NUMBER, _area, exclusive=True
    ),
    "expected_calibration_error": Score(
        "expected calibration error", _calibration, NUMBER, _alone, exclusive=True
    ),
    APART: Score("correct, without near-duplicates in other splits"),
    "refused": Score("images labelled unknown", attrgetter("is_unknown")),
    "decided": Score("images decided, not unsure", attrgetter("is_decided")),
    "error_of_decided": Score("error of the decided images", _error_of_decided),
    "recall": Score("recall", _recall, is_of_class=True),
    "precision": Score("precision", _precision, is_of_class=True),
    "f1": Score("F1", _f1, PERCENT, _alone, is_of_class=True),
    "average_precision": Score(
        "average precision", _average_precision, NUMBER, _alone, is_of_class=True, exclusive=False
    ),
}


def tabulate_scores(predictions: Predictions) -> pd.DataFrame:
    """Return the SCORES columns after `split`: overall scores, then the scores for each class.

    Classes without images have no row. A fraction of no images, such as the precision of a class
    that is never predicted, has no row either.
    """
    labels = predictions.labels
    rows = []
    for label, *index in [("",), *((labels[index], index) for index in predictions.present)]:
        for name, score in CATALOGUE.items():
            applies = score.exclusive in (None, predictions.kind.exclusive)
            if applies and score.is_of_class == bool(index):
                values = score.values(predictions, *index)
                cells = None if values is None else score.measure(values, predictions)
                if cells:
                    rows.append((label, name, *cells))
    return score_rows(rows)


def score_rows(rows: list[tuple]) -> pd.DataFrame:
    """Return rows as a table with the SCORES columns after `split`."""
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def measure_apart(test: pd.DataFrame, near_duplicates: pd.DataFrame) -> pd.DataFrame:
    """Return a SCORES row: test accuracy without images that resemble images in other splits.

    The result is empty if no test images, or all of them, resemble images in other splits. `test`
    has the columns `path`, `group` and `correct`, and `near_duplicates` is a NEAR_DUPLICATES table.
    """
    split_of = near_duplicates.set_index("path")["split"]
    is_divided = near_duplicates.groupby("group")["split"].transform("nunique") > 1
    is_divided |= near_duplicates["nearest"].map(split_of) != near_duplicates["split"]
    is_apart = ~test["path"].isin(near_duplicates["path"][is_divided])
    if not 0 < is_apart.sum() < len(test):
        return score_rows([])
    is_right, groups = (test.loc[is_apart, name].to_numpy() for name in ("correct", "group"))
    return score_rows([("", APART, *fraction_cells(is_right, groups))])


def measure_unknown(
    unknown: np.ndarray, known: np.ndarray, threshold: float | None, groups: np.ndarray
) -> pd.DataFrame:
    """Return rows like `tabulate_scores` on how well unknown images are distinguished from others.

    There are no rows without unknown images, or without a threshold.

    `unknown` and `known` are unknown scores, `(images,)`. The rows have the label UNKNOWN. They
    contain the fraction of `unknown` that is rejected, and the area under the ROC curve. `groups`,
    as in Predictions, contains the groups for `unknown`, then for `known`.
    """
    images = len(unknown)
    if threshold is None or not images:
        return score_rows([])
    scores = np.append(unknown, known)
    area = intervals.area_interval(scores, np.arange(len(scores)) < images, groups)
    refused = fraction_cells(unknown > threshold, groups[:images])
    return score_rows([(UNKNOWN, "refused", *refused), (UNKNOWN, "roc_auc", *area, images)])


def summarize(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the scores IN_METRICS for each split in a SCORES table, for `dvc metrics diff`.

    A score that is missing from the table, such as `decided` without `calibrate.max_error`, is left
    out.
    """
    overall = scores[scores["label"] == ""].pivot(index="split", columns="score", values="value")
    return {
        split: overall.loc[split].reindex(names).dropna().to_dict()
        for split, names in IN_METRICS.items()
    }


def score_of(scores: pd.DataFrame, split: str, score: str, label: str = "") -> pd.Series:
    """Return a score's row: `value`, `low`, `high` and `images`."""
    is_score = (scores["split"] == split) & (scores["score"] == score) & (scores["label"] == label)
    return scores[is_score].iloc[0]


def recalls_of(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with each class's recall on the test split, by `label`."""
    return scores.query("score == 'recall' and split == 'test'").set_index("label")


def headline_of(scores: pd.DataFrame) -> str:
    """Return the `headline` for the images in the test split."""
    return headline(recalls_of(scores)["images"])


def tabulate_reliability(predictions: Predictions) -> pd.DataFrame:
    """Return a row for each non-empty bin, with the RELIABILITY columns from `label` on.

    `label` is what the probability and fraction refer to; see `Predictions.samples`.
    """
    samples = predictions.samples
    mean, bins = bin_probabilities(samples.probability)
    parts = [bins == number for number in range(len(mean))]
    rows = [
        (samples.label, probability, *fraction_cells(samples.is_true[part], samples.groups[part]))
        for probability, part in zip(mean.tolist(), parts)
    ]
    return pd.DataFrame(rows, columns=list(RELIABILITY)[1:])


def tabulate_roc(predictions: Predictions) -> pd.DataFrame:
    """Return the ROC table: the points on each class's curve, against the other classes.

    A curve goes from (0, 0) to (1, 1). With two classes, only the second one has a curve.
    """
    rows = []
    for index in predictions.with_a_curve:
        curve = _roc_curve(*predictions.known_of(index))
        rows += [(predictions.labels[index], *point) for point in zip(*curve)]
    return pd.DataFrame(rows, columns=list(ROC))


def _roc_curve(is_class: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false-positive and true-positive rates where the curve turns.

    This replaces scikit-learn's `roc_curve`, because importing it takes longer than `evaluate`.
    """
    right, taken = _count_ranked(is_class, scores)
    wrong = taken - right
    turns = (np.diff(wrong, 2) != 0) | (np.diff(right, 2) != 0)
    kept = np.concatenate([[True], turns, [True]])[-len(taken) :]
    return np.append(0, wrong[kept]) / wrong[-1], np.append(0, right[kept]) / right[-1]


def _count_ranked(is_class: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the images from each distinct score up: those in the class, and all of them."""
    order = np.argsort(-scores, kind="stable")
    # The end of each run of equal scores.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    return np.cumsum(is_class[order])[ends], ends + 1


def describe_fractions(
    name: str, names: tuple[str, ...], scores: pd.DataFrame, label: str = ""
) -> str:
    """Return text such as "test recall 0.9500 (57/60), 0.8630 to 0.9829 (95% intervals)".

    `scores` is the SCORES table of one split, without the column `split`.
    """
    rows = scores[scores["label"] == label].set_index("score")
    texts = []
    for row in rows.reindex(names).dropna(subset="value").itertuples():
        counts = f"({round(row.value * row.images)}/{row.images:.0f})"
        value = f"{CATALOGUE[row.Index].title} {row.value:.4f} {counts}"
        texts.append(f"{value}, {row.low:.4f} to {row.high:.4f}")
    return f"{name} {'; '.join(texts) or 'no images'} ({100 * intervals.CONFIDENCE:g}% intervals)"
