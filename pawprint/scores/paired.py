"""Two models on the same images: whether they differ by more than chance."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from scipy.stats import norm

from pawprint.classes import headline, log_losses
from pawprint.scores.intervals import holm, mean_by_group, mean_interval, sign_flips
from pawprint.tables import predicted_labels, probabilities_in

POWER = 0.8  # probability that a difference is significant with the images of `ScoreTest.enough`


class Pair(NamedTuple):
    """Two models on the same images: the class of each, whether they predict it, their log losses.

    All are `(images,)`. Images of one of `groups` are not independent.
    """

    actual: np.ndarray
    old_right: np.ndarray
    new_right: np.ndarray
    groups: np.ndarray
    losses: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def joined(cls, pairs: Sequence[Self]) -> Self:
        """The images of all; without losses if one has none."""
        columns = [np.concatenate(column) for column in list(zip(*pairs))[:4]]
        has_losses = all(pair.losses for pair in pairs)
        losses = tuple(np.hstack([pair.losses for pair in pairs])) if has_losses else None
        return cls(*columns, losses)

    @property
    def score(self) -> str:
        """ "log loss" where both have it, or else `score_of_rights`."""
        return "log loss" if self.losses else self.score_of_rights

    @property
    def score_of_rights(self) -> str:
        """ "accuracy", or "mean recall" where the classes are imbalanced."""
        return headline(np.unique(self.actual, return_counts=True)[1]).replace("_", " ")

    @property
    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """What each model has for each image, `(images,)`; the means are the scores of `score`."""
        return self.losses or self.rights

    @property
    def rights(self) -> tuple[np.ndarray, np.ndarray]:
        """As `values`, of `score_of_rights`."""
        weights = np.ones(len(self.actual))
        if self.score_of_rights == "mean recall":
            _, of_class, images = np.unique(self.actual, return_inverse=True, return_counts=True)
            weights = len(weights) / (len(images) * images[of_class])
        return self.old_right * weights, self.new_right * weights


class ScoreTest(NamedTuple):
    """A score of new minus that of old, with the interval at `confidence`.

    `score` is that of the Pair. The interval is extended to 0 where the test
    does not reject. With `enough` images, a difference of this size would be significant with the
    probability POWER; None if it is, or if there is none.
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
        return "better" if (self.low > 0) != (self.score == "log loss") else "worse"


class Comparison(NamedTuple):
    """Two models by one test of all images; `old` and `new` are their scores of it.

    A row of `sets` is a set of images: its number of images, accuracy of both or, of imbalanced
    classes, mean recall, and log loss of both, if they have it, and the difference of the score of
    the test, with the interval of this set alone.
    """

    images: int
    old: float
    new: float
    test: ScoreTest
    sets: pd.DataFrame


def losses_in(predictions: pd.DataFrame) -> np.ndarray:
    """The log loss of each image of a table PREDICTIONS, `(images,)`."""
    actual = pd.Index(predicted_labels(predictions)).get_indexer(predictions["actual"])
    return log_losses(actual, probabilities_in(predictions))


def compare(runs: Sequence[Mapping[str, Pair]], confidence: float) -> list[Comparison]:
    """Compare pairs of models, each by its images in sets with names.

    The test of each is that of all its images, by randomization (`sign_flips`); the images of a
    group are one. The probability of any wrong verdict, of all pairs, is at most `1 - confidence`:
    their levels, also of the intervals, are those of `holm`.
    """
    wholes = [Pair.joined(list(sets.values())) for sets in runs]
    p_values = [_p_value(whole) for whole in wholes]
    compared = []
    levels = holm(p_values, 1 - confidence)
    for sets, whole, p_value, level in zip(runs, wholes, p_values, levels):
        rows = [_row(name, pair, bool(whole.losses), confidence) for name, pair in sets.items()]
        old, new = (float(values.mean()) for values in whole.values)
        test = difference_of(whole, 1 - level, p_value)
        compared.append(Comparison(len(whole.actual), old, new, test, pd.DataFrame(rows)))
    return compared


def _row(name: str, pair: Pair, has_losses: bool, confidence: float) -> dict:
    row = {"images": name, "number": len(pair.actual)}
    scores = {pair.score_of_rights: pair.rights} | ({"log loss": pair.losses} if has_losses else {})
    for score, values in scores.items():
        row |= {f"{score} {side}": float(of.mean()) for side, of in zip(("old", "new"), values)}
    tested = pair if has_losses else pair._replace(losses=None)
    return row | dict(zip(("difference", "low", "high"), difference_of(tested, confidence)[1:4]))


def difference_of(pair: Pair, confidence: float, p_value: float | None = None) -> ScoreTest:
    """The difference of the score of a pair, with its interval and the p-value, if not given."""
    old, new = pair.values
    groups = mean_by_group(new - old, pair.groups)
    p_value = _p_value(pair) if p_value is None else p_value
    level, images = 1 - confidence, len(pair.actual)
    difference, enough = float((new - old).mean()), None
    interval = _interval_of_rights if pair.losses is None else _interval_of_losses
    low, high = interval(pair, confidence)
    if p_value >= level:
        low, high = min(low, 0.0), max(high, 0.0)
        if difference:
            reach = norm.ppf(1 - level / 2) + norm.ppf(POWER)
            ratio = reach * groups.std() / len(groups) ** 0.5 / difference
            enough = max(images, round(images * ratio**2))
    return ScoreTest(pair.score, difference, low, high, confidence, p_value, enough)


def _p_value(pair: Pair) -> float:
    old, new = pair.values
    _, group_of = np.unique(pair.groups, return_inverse=True)
    return sign_flips(np.bincount(group_of, new - old))


def _interval_of_losses(pair: Pair, confidence: float) -> tuple[float, float]:
    old, new = pair.losses
    groups = mean_by_group(new - old, pair.groups)
    low, high = mean_interval(groups, confidence)
    if low <= high:
        return low, high
    return (groups[0], groups[0]) if len(groups) > 2 else (-np.inf, np.inf)  # equal, or too few


def _interval_of_rights(pair: Pair, confidence: float) -> tuple[float, float]:
    """That of Agresti and Min, 2005 (https://doi.org/10.1002/sim.1781), which adds half an image to
    each of the four cells, of which each class has an equal part, where each counts the same.
    """
    gains = pair.new_right.astype(float) - pair.old_right
    is_by_class = pair.score_of_rights == "mean recall"
    _, strata, images = np.unique(
        pair.actual if is_by_class else np.zeros(len(gains)),
        return_inverse=True,
        return_counts=True,
    )
    classes = len(images)
    gained, lost = (np.bincount(strata, mask, classes) for mask in (gains > 0, gains < 0))
    more = images + 2 / classes
    middles = (gained - lost) / more
    variances = ((gained + lost + 1 / classes) / more - middles**2) / more
    gains /= classes * images[strata]
    _, group_of = np.unique(pair.groups, return_inverse=True)
    squares = (gains**2).sum()
    design = max(1, (np.bincount(group_of, gains) ** 2).sum() / squares) if squares else 1
    reach = norm.ppf((1 + confidence) / 2) * np.sqrt(design * variances.sum()) / classes
    return float(middles.mean() - reach), float(middles.mean() + reach)


def describe_comparison(old: str, new: str, compared: Comparison) -> str:
    """A sentence with the verdict, and a table of the sets of images."""
    return (
        f"{describe_verdict(old, new, compared)}\n{tabulate_sets(compared).to_string(index=False)}"
    )


def describe_verdict(old: str, new: str, compared: Comparison) -> str:
    """Whether `new` is better than `old`, by how much, and of how many images."""
    test = compared.test
    write = (lambda value: f"{value:.4f}") if test.score == "log loss" else (lambda v: f"{v:.2%}")
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
            if not pd.isna(values[0] if values[0] is not None else np.nan):
                form = ".4f" if score == "log loss" else ".2%"
                cells[score] = " → ".join(f"{value:{form}}" for value in values)
        form = "+.4f" if compared.test.score == "log loss" else "+.2%"
        low, high = (f"{row[end]:{form}}" for end in ("low", "high"))
        cells["difference"] = f"{row['difference']:{form}} ({low} to {high})"
        rows.append(cells)
    return pd.DataFrame(rows).fillna("")
