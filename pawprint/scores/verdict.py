"""Test whether two models differ on the same images: the difference, and the verdict."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from pawprint.classes import HEADLINES, headline, log_losses
from pawprint.columns import SPLITS
from pawprint.scores import intervals
from pawprint.scores.prediction_table import losses_in

LOG_LOSS = "log loss"
EQUAL = 0.01  # models whose accuracy or balanced accuracy differs by at most this are equal
# The smallest useful difference between models for different photos or labels, as a fraction of the
# old log loss. Even one additional photo changes the loss by 0.2%, which a paired test detects.
# docs/decisions/29 shows how often irrelevant changes and real losses are called better or worse.
MARGIN = 0.03
FLOOR = 0.001  # smallest useful difference of the log loss for a nearly perfect model
NOT_SHOWN = "no difference shown"
NO_USE = "no practical difference"


class Pair(NamedTuple):
    """Two models on the same images.

    For each image, the pair contains the class, whether each model predicts the class, and a value
    for the old and the new model. The means of these values are the scores. A value is a log loss
    or, if a run lacks log losses, 1 if the model is correct. All arrays are `(images,)`. Images in
    the same group are not independent.
    """

    actual: np.ndarray
    old_right: np.ndarray
    new_right: np.ndarray
    groups: np.ndarray
    values: tuple[np.ndarray, np.ndarray]

    @classmethod
    def join(cls, pairs: Sequence[Self]) -> Self:
        """Return one pair with the images from all pairs."""
        old, new = zip(*(pair.values for pair in pairs))
        return cls(
            np.concatenate([pair.actual for pair in pairs]),
            np.concatenate([pair.old_right for pair in pairs]),
            np.concatenate([pair.new_right for pair in pairs]),
            np.concatenate([pair.groups for pair in pairs]),
            (np.concatenate(old), np.concatenate(new)),
        )

    @property
    def differences(self) -> np.ndarray:
        """Return new minus old, `(images,)`."""
        old, new = self.values
        return new - old


class ScoreTest(NamedTuple):
    """The difference in a score, new minus old, with its interval at the level `confidence`.

    `of_right` is the interval for `right`: the accuracy or, with imbalanced classes, the mean
    recall. If the difference is not significant, both intervals are extended to 0.
    """

    score: str
    difference: float
    low: float
    high: float
    confidence: float
    p_value: float
    right: str
    of_right: tuple[float, float]

    @property
    def verdict(self) -> str:
        """Return "better" or "worse" if the interval excludes 0, otherwise "equal" or NOT_SHOWN."""
        if self.low <= 0 <= self.high:
            return "equal" if max(map(abs, self.of_right)) <= EQUAL else NOT_SHOWN
        return "better" if (self.low > 0) != (self.score == LOG_LOSS) else "worse"


class ModelComparison(NamedTuple):
    """Two models compared in one test on all images; `old` and `new` are their scores.

    Each row in `sets` describes a set of images: the number of images, both models' accuracy (or
    with imbalanced classes, their balanced accuracy), their scores in the test, and the difference
    between these scores, with an interval for this set alone. Additional columns contain text.
    """

    images: int
    old: float
    new: float
    test: ScoreTest
    sets: pd.DataFrame

    def verdict(self, margin: float = 0.0) -> str:
        """Return the test's verdict, or NO_USE for a significant difference below a margin.

        `margin`, such as MARGIN, is the fraction of the old score that `test.difference` must
        reach. If `margin` is set, the difference must also reach FLOOR.
        """
        is_shown = self.test.verdict in ("better", "worse")
        is_small = abs(self.test.difference) < max(margin * self.old, FLOOR if margin else 0)
        return NO_USE if is_shown and is_small else self.test.verdict


def pair_predictions(old: pd.DataFrame, new: pd.DataFrame) -> Pair:
    """Pair two models by their PROBABILITIES tables with a column `group`, on common paths."""
    paths = old[["path"]].merge(new[["path"]])
    old, new = (table.merge(paths) for table in (old, new))
    actual = old["actual"].to_numpy()
    old_right, new_right = ((table["predicted"] == actual).to_numpy() for table in (old, new))
    losses = (losses_in(old), losses_in(new))
    return Pair(actual, old_right, new_right, old["group"].to_numpy(), losses)


def pair_probabilities(
    actual: np.ndarray,
    probabilities: tuple[np.ndarray, np.ndarray],
    groups: np.ndarray,
    weights: np.ndarray,
) -> Pair:
    """Pair two models by probabilities `(images, classes)`, on the images that both predict.

    Each image's losses are multiplied by its weight.
    """
    judged = ~np.isnan(probabilities[0][:, 0] + probabilities[1][:, 0])
    actual = actual[judged]
    old, new = (each[judged] for each in probabilities)
    old_right = old.argmax(axis=1) == actual
    new_right = new.argmax(axis=1) == actual
    old_losses, new_losses = (weights[judged] * log_losses(actual, each) for each in (old, new))
    return Pair(actual, old_right, new_right, groups[judged], (old_losses, new_losses))


def compare(
    runs: Sequence[Mapping[str, Pair]],
    confidence: float = intervals.CONFIDENCE,
    score: str = LOG_LOSS,
) -> list[ModelComparison]:
    """Compare pairs of models, each given as named sets of images.

    `score` is LOG_LOSS or "accuracy", which is the mean of the values. Each pair is tested once, on
    all of its images (`paired_test`). The probability of at least one wrong verdict is at most `1 -
    confidence` over all pairs: `holm` determines the levels for tests and intervals.
    """
    wholes = [Pair.join(list(sets.values())) for sets in runs]
    p_values = [intervals.paired_test(whole.differences, whole.groups) for whole in wholes]
    compared = []
    levels = intervals.holm(p_values, 1 - confidence)
    for sets, whole, p_value, level in zip(runs, wholes, p_values, levels):
        rows = [_row(name, pair, confidence, score) for name, pair in sets.items()]
        old, new = (float(values.mean()) for values in whole.values)
        test = difference_of(whole, 1 - level, p_value, score)
        compared.append(ModelComparison(len(whole.actual), old, new, test, pd.DataFrame(rows)))
    return compared


def _row(name: str, pair: Pair, confidence: float, score: str) -> dict:
    right, strata = _headline(pair)
    sides = (pair.old_right, pair.new_right)
    recalls = (pd.Series(values).groupby(strata).mean() for values in sides)
    scores = {right: tuple(recalls), score: pair.values}
    row = {"images": name, "number": len(pair.actual)}
    for title, values in scores.items():
        means = [float(each.mean()) for each in values]
        row |= {f"{title} old": means[0], f"{title} new": means[1]}
    p_value = intervals.paired_test(pair.differences, pair.groups)
    test = difference_of(pair, confidence, p_value, score)
    return row | {key: getattr(test, key) for key in ("difference", "low", "high")}


def _headline(pair: Pair) -> tuple[str, np.ndarray]:
    """Return the score's name for correct predictions, and its strata, `(images,)`.

    Strata are weighted equally: the classes for the balanced accuracy, or a single stratum for the
    accuracy.
    """
    name = HEADLINES[headline(np.unique(pair.actual, return_counts=True)[1])]
    strata = pair.actual if name != "accuracy" else np.zeros(len(pair.actual))
    return name, strata


def difference_of(pair: Pair, confidence: float, p_value: float, score: str) -> ScoreTest:
    """Return the difference between a pair's scores, with its interval."""
    is_significant = p_value < 1 - confidence
    difference = float(pair.differences.mean())
    right, strata = _headline(pair)
    gains = pair.new_right.astype(float) - pair.old_right
    of_right = intervals.paired_interval(gains, strata, pair.groups, confidence)
    if score == LOG_LOSS:
        groups = intervals.mean_by_group(pair.differences, pair.groups)
        low, high = intervals.mean_interval(groups, confidence)
        if low != low:  # NaN: all values are equal, or there are too few
            low, high = (difference, difference) if len(groups) > 2 else (-np.inf, np.inf)
    else:
        one_stratum = np.zeros(len(pair.differences))
        low, high = intervals.paired_interval(
            pair.differences, one_stratum, pair.groups, confidence
        )
    low, high = intervals.extend_to_zero((low, high), is_significant)
    of_right = intervals.extend_to_zero(of_right, is_significant)
    return ScoreTest(score, difference, low, high, confidence, p_value, right, of_right)


def describe_comparison(old: str, new: str, compared: ModelComparison) -> str:
    """Return a sentence with the verdict, and a table with a row per set of images."""
    table = tabulate_sets(compared).to_string(index=False)
    return f"{describe_verdict(old, new, compared)}\n\n{table}"


def describe_verdict(old: str, new: str, compared: ModelComparison, margin: float = 0.0) -> str:
    """Return a sentence: whether `new` is better than `old`, by how much, and on how many images.

    The sentence says whether training images count. `ModelComparison.verdict` explains `margin`.
    """
    test = compared.test
    verdict = compared.verdict(margin)
    names = [*compared.sets["images"]]
    held_out = [name for name in SPLITS[1:] if name in names]
    are_held_out = len(held_out) == len(names)
    kind = f"{' and '.join(held_out)} " if are_held_out else ""
    images = f"on the {compared.images:,} {kind}images that can be compared"
    if not are_held_out:
        images += " (training images by cross-validation)"
    low, high = (f"{100 * end:+.1f}" for end in test.of_right)
    points = f"between {low} and {high} points of {test.right}"
    interval = f"{test.confidence:.0%} interval"
    if verdict == NOT_SHOWN:
        return f"{NOT_SHOWN.capitalize()} between {old} and {new}: {points} ({interval}), {images}."
    if verdict == "equal":
        return f"{old} and {new} are equal within a point: {points} ({interval}), {images}."
    form = ".4f" if test.score == LOG_LOSS else ".2%"
    scores = f"{test.score} {compared.new:{form}}, was {compared.old:{form}}"
    if verdict == NO_USE:
        change = f"{test.difference / compared.old:+.1%}"
        needs = f"photos or labels differ, so better or worse requires {margin:.0%} and {FLOOR}"
        scores = f"{scores} ({change}; {needs}), {points} ({interval})"
        return f"{NO_USE.capitalize()} between {old} and {new}: {scores}, {images}."
    scores += f" (a difference of {test.low:+{form}} to {test.high:+{form}}), {points}"
    return f"{new} is {verdict} than {old}: {scores} ({interval}s), {images}."


def tabulate_sets(compared: ModelComparison) -> pd.DataFrame:
    """Return a text table: for each set, both models' scores and their difference."""
    rows = []
    for row in compared.sets.to_dict("records"):
        cells = {"images": row["images"], "number": f"{row['number']:,}"}
        for score in (*HEADLINES.values(), LOG_LOSS):
            values = [row.get(f"{score} {side}") for side in ("old", "new")]
            if None not in values and not pd.isna(values[0]):
                form = ".4f" if score == LOG_LOSS else ".2%"
                cells[score] = " → ".join(f"{value:{form}}" for value in values)
        form = "+.4f" if compared.test.score == LOG_LOSS else "+.2%"
        low, high = (f"{row[end]:{form}}" for end in ("low", "high"))
        cells[f"{compared.test.score} difference"] = f"{row['difference']:{form}} ({low} to {high})"
        cells |= {name: cell for name, cell in row.items() if isinstance(cell, str)}
        rows.append(cells)
    return pd.DataFrame(rows).fillna("")
