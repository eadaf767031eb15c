"""Test whether two models differ on the same images: the difference, and the verdict.

Two models are paired in a table with a row for each image that both predict: `actual`, `group`,
and of each model `predicted` and `loss`, with the suffix `_old` for the old model. `predicted` is
"" if it is not known. Images in the same group are not independent.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.base.imbalance import HEADLINES, headline_strata
from pawprint.base.labels import ONE_CLASS, LabelKind, kind_of
from pawprint.scores import intervals

EQUAL = 0.01  # models whose accuracy or balanced accuracy differs by at most this are equal
# The smallest useful difference, as a fraction of the old log loss. A paired test detects smaller
# ones: even one additional photo changes the loss by 0.2%.
# docs/decisions/29 shows how often irrelevant changes and real losses are called better or worse.
MARGIN = 0.03
FLOOR = 0.005  # smallest useful difference of the log loss for a nearly perfect model
NOT_SHOWN = "no difference shown"
NO_USE = "no practical difference"


class LossTest(NamedTuple):
    """The difference in log loss, new minus old, with its interval at the level `confidence`.

    `of_right` is the interval for `right`, the main score (see `headline_strata`). If the
    difference is not significant, both intervals are extended to 0. With too few groups, `low` and
    `high` are infinite.
    """

    difference: float
    low: float
    high: float
    confidence: float
    p_value: float
    right: str
    of_right: tuple[float, float]

    @property
    def verdict(self) -> str:
        """Return "better" or "worse" if an interval excludes 0, otherwise "equal" or NOT_SHOWN.

        A few large losses can widen the interval of a significant difference so that it includes
        0. If the accuracy then differs in the same direction, that decides.
        """
        low, high = self.of_right
        if self.low > 0 or high < 0 < self.difference:
            return "worse"
        if self.high < 0 or low > 0 > self.difference:
            return "better"
        return "equal" if max(abs(low), abs(high)) <= EQUAL else NOT_SHOWN


class ModelComparison(NamedTuple):
    """Two models compared in one test on all images; `old` and `new` are their log losses.

    Each row in `sets` describes a set of images: its name, the number of images, lists of both
    models' main scores (see `headline_strata`) and log losses, and the difference between the
    latter, with an interval for this set alone. `all_right` says that neither model is wrong.
    """

    images: int
    old: float
    new: float
    test: LossTest
    sets: list[dict]
    all_right: bool = False

    @property
    def verdict(self) -> str:
        """The test's verdict, or NO_USE for a difference that nobody would notice.

        It is less than MARGIN of the old log loss or FLOOR, or neither model is wrong.
        """
        is_shown = self.test.verdict in ("better", "worse")
        is_small = abs(self.test.difference) < max(MARGIN * self.old, FLOOR)
        return NO_USE if self.all_right or (is_shown and is_small) else self.test.verdict

    def tabulate(self) -> pd.DataFrame:
        """Return a text table: for each set, both models' scores and their difference."""
        forms = dict.fromkeys(HEADLINES.values(), ".2%") | {"log loss": ".4f"}
        rows = []
        for row in self.sets:
            cells = {"images": row["images"], "number": f"{row['number']:,}"}
            for score, form in forms.items():
                if score in row:
                    cells[score] = " → ".join(f"{value:{form}}" for value in row[score])
            ends = row["difference"], row["low"], row["high"]
            cells["log loss difference"] = describe_difference(*ends)
            rows.append(cells)
        return pd.DataFrame(rows).fillna("")


def pair_probabilities(
    actual: np.ndarray, probabilities: tuple[np.ndarray, np.ndarray], groups: np.ndarray
) -> pd.DataFrame:
    """Pair two models by probabilities `(images, classes)`, on the images that both predict.

    `actual` contains encoded labels. The columns contain cells of numbers of labels; what is not
    known is not predicted.
    """
    kind = kind_of(actual)
    names = [*map(str, range(probabilities[0].shape[1]))]
    pairs = pd.DataFrame({"actual": kind.decode(actual, names), "group": groups})
    for suffix, of_model in zip(("_old", ""), probabilities):
        predicted = kind.predict_without_rules(of_model, actual)
        predicted = np.where(actual < 0, actual, predicted)
        pairs[f"predicted{suffix}"] = kind.decode(predicted, names)
        pairs[f"loss{suffix}"] = kind.losses(actual, of_model)
    return pairs.dropna(subset=["loss_old", "loss"])


def compare(
    runs: Sequence[Mapping[str, pd.DataFrame]],
    confidence: float = intervals.CONFIDENCE,
    label_kind: LabelKind = ONE_CLASS,
    *,
    by_errors: bool = False,
) -> list[ModelComparison]:
    """Compare pairs of models, each given as a table for each set of images, by name.

    Each pair is tested once, on all of its images (`paired_test`). The probability of at least one
    wrong verdict is at most `1 - confidence` over all pairs: `holm` determines the levels for tests
    and intervals. With several labels, a prediction is right if all of them are. With `by_errors`,
    the test is of the main score: a few losses say nothing about rare errors.
    """
    wholes = [pd.concat(sets.values(), ignore_index=True) for sets in runs]
    p_values = [
        p_value_of_errors(whole, label_kind) if by_errors else p_value_of(whole) for whole in wholes
    ]
    compared = []
    levels = intervals.holm(p_values, 1 - confidence)
    for sets, whole, p_value, level in zip(runs, wholes, p_values, levels):
        rows = [set_row(*each, confidence, label_kind) for each in sets.items()]
        old, new = (float(whole[key].to_numpy().mean()) for key in ("loss_old", "loss"))
        test = difference_in(whole, 1 - level, p_value, label_kind)
        named = whole[["predicted_old", "predicted"]]
        all_right = bool(named.eq(whole["actual"], axis=0).all(axis=None))
        compared.append(ModelComparison(len(whole), old, new, test, rows, all_right))
    return compared


def p_value_of(pairs: pd.DataFrame) -> float:
    """Return the p-value for the hypothesis that two models have the same mean log loss."""
    return intervals.paired_test(_differences(pairs), pairs["group"].to_numpy())


def p_value_of_errors(pairs: pd.DataFrame, label_kind: LabelKind) -> float:
    """Return the p-value for the hypothesis that two models have the same main score."""
    strata = pd.Series(headline_strata(pairs["actual"].to_numpy(), label_kind)[1], pairs.index)
    right, was = (pairs[each] == pairs["actual"] for each in ("predicted", "predicted_old"))
    changes = (right.astype(float) - was) / strata.groupby(strata).transform("size")
    return intervals.paired_test(changes.to_numpy(), pairs["group"].to_numpy())


def _differences(pairs: pd.DataFrame) -> np.ndarray:
    """Return the new log loss minus the old one, `(images,)`."""
    return pairs["loss"].to_numpy() - pairs["loss_old"].to_numpy()


def predicted_by_both(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs in which the predictions of both models are known."""
    return pairs[(pairs["predicted"] != "") & (pairs["predicted_old"] != "")]


def set_row(name: str, pairs: pd.DataFrame, confidence: float, label_kind: LabelKind) -> dict:
    """Return the row of `ModelComparison.sets` for a set of images, tested alone."""
    row: dict = {"images": name, "number": len(pairs)}
    known = predicted_by_both(pairs)
    if len(known):
        right, strata = headline_strata(known["actual"].to_numpy(), label_kind)
        are_right = (known[each] == known["actual"] for each in ("predicted_old", "predicted"))
        row[right] = [each.groupby(strata).mean().mean() for each in are_right]
    row["log loss"] = [pairs[each].to_numpy().mean() for each in ("loss_old", "loss")]
    test = difference_in(pairs, confidence, p_value_of(pairs), label_kind)
    return row | {key: getattr(test, key) for key in ("difference", "low", "high")}


def difference_in(
    pairs: pd.DataFrame, confidence: float, p_value: float, label_kind: LabelKind = ONE_CLASS
) -> LossTest:
    """Return the difference between two models, with its interval."""
    is_significant = p_value < 1 - confidence
    differences = _differences(pairs)
    known = predicted_by_both(pairs)
    right, of_right = "", (-np.inf, np.inf)
    if len(known):
        right, strata = headline_strata(known["actual"].to_numpy(), label_kind)
        old_right = (known["predicted_old"] == known["actual"]).to_numpy(float)
        new_right = (known["predicted"] == known["actual"]).to_numpy(float)
        changes, groups = new_right - old_right, known["group"].to_numpy()
        of_right = intervals.paired_interval(changes, strata, groups, confidence)
    if len(known) < len(pairs):
        right += f" among {len(known):,} images, because folds have no thresholds"
    by_group = intervals.mean_by_group(differences, pairs["group"].to_numpy())
    low, high = intervals.mean_interval(by_group, confidence)
    difference = float(differences.mean())
    if low != low:  # NaN: all values are equal, or there are too few
        is_equal = len(by_group) > 2 and np.ptp(by_group) == 0
        low, high = (difference, difference) if is_equal else (-np.inf, np.inf)
    low, high = intervals.extend_to_zero((low, high), is_significant)
    of_right = intervals.extend_to_zero(of_right, is_significant)
    return LossTest(difference, low, high, confidence, p_value, right, of_right)


def describe_verdict(old: str, new: str, compared: ModelComparison, kind: str) -> str:
    """Return a sentence: whether `new` is better than `old`, by how much, and on how many images.

    `kind` names the images, such as "validation images".
    """
    test = compared.test
    verdict = compared.verdict
    images = f"on {compared.images:,} {kind}"
    low, high = (f"{100 * end:+.1f}" for end in test.of_right)
    points = f"between {low} and {high} points of {test.right}"
    interval = f"{100 * test.confidence:.3g}% interval"
    losses = f"log loss {compared.new:.4f}, was {compared.old:.4f}"
    if compared.all_right:
        surer = new if compared.new < compared.old else old
        surely = f", and {surer} is surer" if compared.new != compared.old else ""
        found = f"both are right {images}{surely} ({losses})"
        return f"{NO_USE.capitalize()} between {old} and {new}: {found}."
    if verdict == NOT_SHOWN:
        return f"{NOT_SHOWN.capitalize()} between {old} and {new}: {points} ({interval}), {images}."
    if verdict == "equal":
        return f"{old} and {new} are equal within a point: {points} ({interval}), {images}."
    if verdict == NO_USE:
        change = f"{test.difference / compared.old:+.1%}" if compared.old else "from 0"
        needs = f"better or worse requires {MARGIN:.0%} and {FLOOR}"
        found = f"{losses} ({change}; {needs}), {points} ({interval})"
        return f"{NO_USE.capitalize()} between {old} and {new}: {found}, {images}."
    found = f"{losses} (a difference of {test.low:+.4f} to {test.high:+.4f}), {points}"
    return f"{new} is {verdict} than {old}: {found} ({interval}s), {images}."


def describe_difference(difference: float, low: float, high: float) -> str:
    """Return a difference in log loss with its interval, if there are enough groups for one."""
    interval = f"{low:+.4f} to {high:+.4f}" if np.isfinite(high) else "too few groups"
    return f"{difference:+.4f} ({interval})"
