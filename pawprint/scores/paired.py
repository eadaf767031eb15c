"""Two models on the same images: whether accuracies and log losses differ by more than chance."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from pawprint.classes import headline, log_losses
from pawprint.scores.intervals import holm, mean_by_group, sign_flips
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


class ScoreTest(NamedTuple):
    """A score of new minus that of old, with the interval at `confidence`.

    `score` is "accuracy", "mean recall" or "log loss". With `enough` images, a difference of this
    size would be significant with the probability POWER; None if it is, or if there is none.
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
    """Numbers of images, and of correct predictions of each run and of only one of them.

    `scores` are those that differ. `of_head` tells of runs that are correct on the same images
    whether fine-tuning kept the head alone in both.
    """

    images: int
    old_correct: int
    new_correct: int
    only_old: int
    only_new: int
    scores: list[ScoreTest]
    of_head: bool = False


def losses_in(predictions: pd.DataFrame) -> np.ndarray:
    """The log loss of each image of a table PREDICTIONS, `(images,)`."""
    actual = pd.Index(predicted_labels(predictions)).get_indexer(predictions["actual"])
    return log_losses(actual, probabilities_in(predictions))


class _Difference(NamedTuple):
    """`middle` and `error` are of the interval, by Student's t with this `freedom`."""

    score: str
    value: float
    middle: float
    error: float
    freedom: float
    p_value: float

    def test(self, level: float, images: int) -> ScoreTest:
        reach = float(t.ppf(1 - level / 2, self.freedom))
        low, high = (self.middle + sign * reach * self.error for sign in (-1, 1))
        enough = None
        if self.p_value >= level:
            low, high = min(low, 0), max(high, 0)
            if self.value:
                ratio = (reach + norm.ppf(POWER)) * self.error / self.value
                enough = max(images, round(images * ratio**2))
        return ScoreTest(self.score, self.value, low, high, 1 - level, self.p_value, enough)


def compare(pairs: Sequence[Pair], confidence: float) -> list[Comparison]:
    """Compare accuracy, of imbalanced classes the mean recall, and log loss of pairs of models.

    The tests of the former are `sign_flips`: of accuracy, without groups, it is McNemar's. The
    interval of the difference is that of Agresti and Min, 2005 (https://doi.org/10.1002/sim.1781),
    which adds half an image to each of the four cells, of which each class has an equal part. It
    is extended to 0 where the test does not reject. The log loss has the paired t-test. A
    difference is significant if the interval excludes 0.

    The probability of any wrong verdict, of all these together, is at most `1 - confidence`:
    Holm's levels, 1979 (https://www.jstor.org/stable/4615733), are those of tests and intervals.
    A score that no image changes is not tested.
    """
    by_pair = [list(filter(None, (_of_right(pair), _of_loss(pair)))) for pair in pairs]
    levels = iter(holm([gap.p_value for gaps in by_pair for gap in gaps], 1 - confidence))
    comparisons = []
    for pair, gaps in zip(pairs, by_pair):
        old, new, images = pair.old_right, pair.new_right, len(pair.actual)
        counts = (int(mask.sum()) for mask in (old, new, old & ~new, new & ~old))
        scores = [gap.test(next(levels), images) for gap in gaps]
        comparisons.append(Comparison(images, *counts, scores))
    return comparisons


def _of_right(pair: Pair) -> _Difference | None:
    values = pair.new_right.astype(float) - pair.old_right
    if not values.any():
        return None
    score = headline(pd.Series(pair.actual).value_counts()).replace("_", " ")
    stratum = pair.actual if score == "mean recall" else np.zeros(len(values))
    _, strata, images = np.unique(stratum, return_inverse=True, return_counts=True)
    classes = len(images)
    gained, lost = (np.bincount(strata, mask, classes) for mask in (values > 0, values < 0))
    more = images + 2 / classes
    middles = (gained - lost) / more
    variances = ((gained + lost + 1 / classes) / more - middles**2) / more
    values /= classes * images[strata]
    _, group_of = np.unique(pair.groups, return_inverse=True)
    sums = np.bincount(group_of, values)
    design = max(1, (sums**2).sum() / (values**2).sum())
    error = float(np.sqrt(design * variances.sum())) / classes
    middle = float(middles.mean())
    return _Difference(score, float(values.sum()), middle, error, np.inf, sign_flips(sums))


def _of_loss(pair: Pair) -> _Difference | None:
    if pair.losses is None:
        return None
    old, new = pair.losses
    values = mean_by_group(new - old, pair.groups)
    if len(values) < 2 or not (error := float(values.std(ddof=1) / len(values) ** 0.5)):
        return None
    mean, freedom = float(values.mean()), len(values) - 1
    p_value = float(2 * t.sf(abs(mean) / error, freedom))
    return _Difference("log loss", mean, mean, error, freedom, p_value)


def describe_comparison(old: str, new: str, split: str, comparison: Comparison) -> str:
    """A line on what each run got right, and two on each score that differs, with the verdict."""
    lines = [
        f"{split}: {comparison.old_correct}/{comparison.images} correct in {old}, "
        f"{comparison.new_correct}/{comparison.images} in {new}; {comparison.only_old} only in "
        f"{old}, {comparison.only_new} only in {new}"
    ]
    if not comparison.only_old + comparison.only_new:
        why = ": the head alone was kept in both" * comparison.of_head
        lines.append(f"  both are correct on the same images{why}")
    lines += [describe_test(old, new, comparison.images, test) for test in comparison.scores]
    return "\n".join(lines)


def describe_test(old: str, new: str, images: int, test: ScoreTest) -> str:
    """Two lines: the difference of a score with its interval, and the verdict."""
    is_loss = test.score == "log loss"
    numbers = [f"{value:+.4f}" if is_loss else f"{100 * value:+.2f}" for value in test[1:4]]
    p_value = f"p = {test.p_value:.3f}" if test.p_value >= 0.001 else "p < 0.001"
    conclusion = f"{new} is {test.verdict} than {old}"
    if test.verdict == "not significant":
        conclusion = f"not significant with {images:,} images"
        if test.enough:
            conclusion += f"; about {float(f'{test.enough:.2g}'):,.0f} would show a difference "
            conclusion += "of this size"
    return (
        f"  {test.score} {numbers[0]}{' points' * (not is_loss)}, {100 * test.confidence:.4g}% "
        f"interval {numbers[1]} to {numbers[2]}, {p_value}\n    {conclusion}"
    )
