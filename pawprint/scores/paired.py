"""Two models on the same images: whether they differ by more than chance."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from scipy.special import ndtri

from pawprint.classes import headline
from pawprint.randomization import paired_test
from pawprint.scores.intervals import (
    extend_to_zero,
    holm,
    mean_by_group,
    mean_interval,
    paired_interval,
)

LOG_LOSS = "log loss"
POWER = 0.8  # probability that a difference is significant with the images of `ScoreTest.enough`


class Pair(NamedTuple):
    """Two models on the same images: the class of each, whether they predict it, and the values of
    the old and the new one whose mean is the score.

    These are log losses or, of a run without them, 1 where the model is right. All are `(images,)`.
    Images of one of `groups` are not independent.
    """

    actual: np.ndarray
    old_right: np.ndarray
    new_right: np.ndarray
    groups: np.ndarray
    values: tuple[np.ndarray, np.ndarray]

    @classmethod
    def join(cls, pairs: Sequence[Self]) -> Self:
        *columns, values = zip(*pairs)
        return cls(*map(np.concatenate, columns), tuple(np.hstack(values)))

    @property
    def differences(self) -> np.ndarray:
        """New minus old, `(images,)`."""
        old, new = self.values
        return new - old


class ScoreTest(NamedTuple):
    """A score of new minus that of old, with the interval at `confidence`.

    The interval is extended to 0 where the test does not reject. With `enough` images, a difference
    of this size would be significant with the probability POWER; None if it is, or if there is
    none.
    """

    score: str
    difference: float
    low: float
    high: float
    confidence: float
    p_value: float
    enough: int | None

    @property
    def verdict(self) -> str:
        """ "better" or "worse" if the interval excludes 0, or else "not significant"."""
        if self.low <= 0 <= self.high:
            return "not significant"
        return "better" if (self.low > 0) != (self.score == LOG_LOSS) else "worse"


class Comparison(NamedTuple):
    """Two models by one test of all images; `old` and `new` are their scores of it.

    A row of `sets` is a set of images: its number of images, of both models accuracy or, of
    imbalanced classes, mean recall, and the score of the test, and the difference of that, with the
    interval of this set alone. Further columns are text.
    """

    images: int
    old: float
    new: float
    test: ScoreTest
    sets: pd.DataFrame


def compare(
    runs: Sequence[Mapping[str, Pair]], confidence: float, score: str = LOG_LOSS
) -> list[Comparison]:
    """Compare pairs of models, each by its images in sets with names.

    `score` is LOG_LOSS or "accuracy", the mean of their values. The test of each pair is that of
    all its images (`paired_test`). The probability of any wrong verdict, of all pairs, is at most
    `1 - confidence`: their levels, also of the intervals, are those of `holm`.
    """
    wholes = [Pair.join(list(sets.values())) for sets in runs]
    p_values = [paired_test(whole.differences, whole.groups) for whole in wholes]
    compared = []
    levels = holm(p_values, 1 - confidence)
    for sets, whole, p_value, level in zip(runs, wholes, p_values, levels):
        rows = [_row(name, pair, confidence, score) for name, pair in sets.items()]
        old, new = (float(values.mean()) for values in whole.values)
        test = difference_of(whole, 1 - level, p_value, score)
        compared.append(Comparison(len(whole.actual), old, new, test, pd.DataFrame(rows)))
    return compared


def _row(name: str, pair: Pair, confidence: float, score: str) -> dict:
    shown = headline(np.unique(pair.actual, return_counts=True)[1])
    by = pair.actual if shown == "mean_recall" else np.zeros(len(pair.actual))
    rights = (pd.Series(right).groupby(by).mean() for right in (pair.old_right, pair.new_right))
    scores = {shown.replace("_", " "): tuple(rights), score: pair.values}
    row = {"images": name, "number": len(pair.actual)}
    for title, values in scores.items():
        row |= {f"{title} {side}": float(of.mean()) for side, of in zip(("old", "new"), values)}
    p_value = paired_test(pair.differences, pair.groups)
    test = difference_of(pair, confidence, p_value, score)
    return row | {key: getattr(test, key) for key in ("difference", "low", "high")}


def difference_of(pair: Pair, confidence: float, p_value: float, score: str) -> ScoreTest:
    """The difference of the score of a pair, with its interval."""
    differences, groups = pair.differences, mean_by_group(pair.differences, pair.groups)
    level, difference, enough = 1 - confidence, float(differences.mean()), None
    if score == LOG_LOSS:
        low, high = mean_interval(groups, confidence)
        if low != low:  # equal values, or too few
            low, high = (difference, difference) if len(groups) > 2 else (-np.inf, np.inf)
    else:
        strata = np.zeros(len(differences))
        low, high = paired_interval(differences, strata, pair.groups, confidence)
    low, high = extend_to_zero((low, high), p_value < level)
    if p_value >= level and difference:
        reach = ndtri(1 - level / 2) + ndtri(POWER)
        ratio = reach * groups.std() / len(groups) ** 0.5 / difference
        enough = max(len(differences), round(len(differences) * ratio**2))
    return ScoreTest(score, difference, low, high, confidence, p_value, enough)


def describe_comparison(old: str, new: str, compared: Comparison) -> str:
    """A sentence with the verdict, and a table of the sets of images."""
    table = tabulate_sets(compared).to_string(index=False)
    return f"{describe_verdict(old, new, compared)}\n\n{table}"


def describe_verdict(old: str, new: str, compared: Comparison) -> str:
    """Whether `new` is better than `old`, by how much, and of how many images."""
    test = compared.test
    write = (lambda value: f"{value:.4f}") if test.score == LOG_LOSS else (lambda v: f"{v:.2%}")
    if test.verdict == "not significant":
        sentence = f"No difference is shown between {old} and {new}"
    else:
        sentence = f"{new} is {test.verdict} than {old}"
    gap, low, high = (write(value) if value <= 0 else f"+{write(value)}" for value in test[1:4])
    sentence += (
        f": {test.score} {write(compared.new)}, was {write(compared.old)} (difference {gap}, "
        f"{100 * test.confidence:.4g}% interval {low} to {high}) of {compared.images:,} images"
    )
    if test.enough:
        sentence += f"; about {float(f'{test.enough:.2g}'):,.0f} would show one of this size"
    return f"{sentence}."


def tabulate_sets(compared: Comparison) -> pd.DataFrame:
    """The sets of images as text: scores of the old and the new model, and the difference."""
    rows = []
    for row in compared.sets.to_dict("records"):
        cells = {"images": row["images"], "number": f"{row['number']:,}"}
        for score in ("accuracy", "mean recall", "log loss"):
            values = row.get(f"{score} old"), row.get(f"{score} new")
            if None not in values and not pd.isna(values[0]):
                form = ".4f" if score == LOG_LOSS else ".2%"
                cells[score] = " → ".join(f"{value:{form}}" for value in values)
        form = "+.4f" if compared.test.score == LOG_LOSS else "+.2%"
        low, high = (f"{row[end]:{form}}" for end in ("low", "high"))
        cells["difference"] = f"{row['difference']:{form}} ({low} to {high})"
        cells |= {name: cell for name, cell in row.items() if isinstance(cell, str)}
        rows.append(cells)
    return pd.DataFrame(rows).fillna("")
