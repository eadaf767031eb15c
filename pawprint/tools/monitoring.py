"""Whether photos without labels are like those of the test split, by what the model says of them.

The accuracy is not estimated: from confidences it would be too high for photos of another kind.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import MonteCarloMethod, chi2_contingency, norm, rankdata

from pawprint import project
from pawprint.classes import UNKNOWN, predicted_classes
from pawprint.columns import PROBABILITY, UNKNOWN_SCORE
from pawprint.errors import InputError, printable
from pawprint.model.metadata import Metadata
from pawprint.scores import intervals
from pawprint.tables import csv_rows, probabilities_in
from pawprint.tools.scoring import COPY, test_predictions

LIKE = "like the test photos"
PROPORTIONS, OTHER = "other proportions of the classes", "other images"
ALPHA = 0.05  # probability of a false alarm, at most: of all tests together
# The smallest difference that counts. Other photos of the same kind are called unknown somewhat
# more often than the test photos, and photos of other sources get a little less confidence. Photos
# of which the model is surer, such as training photos, are no other images.
LEAST = {"unknown": 0.03, "unknown_score": 0.1, "classes": 0.1, "confidence": -0.02}
HASH = "pixels_sha256"
DIGITS = 4  # of the numbers that `predict` writes
COLUMNS = ["score", "label", "value", "low", "high", "test", "test_low", "test_high"]


class Monitored(NamedTuple):
    """`verdict` is LIKE, PROPORTIONS or OTHER.

    A row of `scores` has COLUMNS and those of `differences`. `unknown` is the fraction of photos
    called unknown, `unknown_score` the probability that a photo has a higher score than a test one
    of the same predicted class, `classes` the fraction of photos predicted as `label`, and
    `confidence` the mean probability of the predicted class. The difference of `classes`, the same
    in all its rows, is the fraction of photos that would have to be of another class.
    """

    verdict: str
    scores: pd.DataFrame


class Photos(NamedTuple):
    """The rows of `predict` that count.

    `usable` has the columns of PROBABILITY, UNKNOWN_SCORE and HASH. `left_out` are numbers of rows
    by reason, `failed` the rows with an error.
    """

    usable: pd.DataFrame
    left_out: dict[str, int]
    failed: list[dict]


def read_photos(path: Path, metadata: Metadata) -> list[dict]:
    """The rows of a table that `predict` or the service wrote, as `predict` returns them.

    Raises InputError if it is another table, or one of other labels.
    """
    labels, has_scores = metadata.labels, metadata.unknown_threshold is not None
    names = [PROBABILITY + label for label in labels]
    keys = [name.lower() for name in ("label", *names, UNKNOWN_SCORE)]
    where = printable(str(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{where}: expected a folder of photos, or a table of `pawprint predict --format csv`. "
            f"Received: {error.strerror}."
        ) from None
    found = []
    for line, cells in csv_rows(content, where, keys):
        label, *numbers, score = (cells[key] for key in keys)
        row = {key: printable(cells.get(key, "")) for key in ("error", HASH, "model")}
        row["path"] = printable(cells.get("path", f"line {line}"))
        if not label:
            found.append(row | {"error": row["error"] or "no label"})
            continue
        try:
            values = [float(each) for each in numbers]
            is_usable = label in (*labels, UNKNOWN) and all(0 <= each <= 1 for each in values)
            row |= {"probabilities": dict(zip(labels, values)), "error": ""}
            row["unknown_score"] = float(score) if has_scores else None
        except ValueError:
            is_usable = False
        if not is_usable:
            more = " and an unknown score" if has_scores else ""
            raise InputError(
                f"{where}: line {line}: expected a label of {', '.join(labels)} or {UNKNOWN}, "
                f"probabilities{more}. Received: {printable(','.join(cells.values()))}."
            )
        found.append(row)
    return found


def select(rows: list[dict], metadata: Metadata, source: Path) -> Photos:
    """Of rows as `predict` returns them those of this model, and each photo once.

    Rows of which none has an identity are taken as of this model; a line on stderr says so. Raises
    InputError if all are of other models.
    """
    where, own = printable(str(source)), metadata.model or ""
    of_models = Counter(row["model"] for row in rows)
    if own and set(of_models) == {""}:
        line = "no identity of the model that made it: taken as this one"
        print(f"{where}: {line}", file=sys.stderr)
        own = ""
    left_out = {
        f"of another model, {model or 'without an identity'}": number
        for model, number in of_models.items()
        if model != own
    }
    if left_out and own not in of_models:
        listed = ", ".join(f"{number:,} {reason}" for reason, number in left_out.items())
        raise InputError(
            f"{where}: expected predictions of the model {own or 'without an identity'}. Received: "
            f"{listed}. Run `pawprint predict` on these photos again."
        )
    rows = [row for row in rows if row["model"] == own]
    cells = [
        (*map(row["probabilities"].get, metadata.labels), row["unknown_score"], row[HASH])
        for row in rows
        if not row["error"]
    ]
    names = [*(PROBABILITY + label for label in metadata.labels), UNKNOWN_SCORE, HASH]
    usable = without_copies(table := pd.DataFrame(cells, columns=names))
    left_out[COPY] = len(table) - len(usable)
    return Photos(usable, left_out, [row for row in rows if row["error"]])


def without_copies(photos: pd.DataFrame) -> pd.DataFrame:
    """Of rows with the same HASH the first, and all without one, as in tables of before."""
    return photos[~photos[HASH].duplicated() | (photos[HASH] == "")]


def reference(metadata: Metadata, folder: Path) -> pd.DataFrame:
    """The table PREDICTIONS of the test split by the model in `folder`.

    Raises InputError if there is none, or it has no unknown scores where the model gives some.
    """
    test = test_predictions(metadata)
    if test is None:
        raise InputError(
            f"{folder}: expected the results of its test split to compare with. Received: no "
            f"{project.TEST_PREDICTIONS_CSV}, or one of another model than {project.SERVED_MODEL}. "
            "Run this in the project of the model."
        )
    if metadata.unknown_threshold is not None and UNKNOWN_SCORE not in test:
        raise InputError(
            f"{project.TEST_PREDICTIONS_CSV}: expected the column {UNKNOWN_SCORE}. Received: a "
            "table of an earlier version. Run `dvc repro evaluate`."
        )
    return test


def monitor(
    metadata: Metadata, photos: pd.DataFrame, test: pd.DataFrame, confidence: float
) -> Monitored:
    """Compare photos, as `Photos.usable` has them, with the table PREDICTIONS of the test split.

    `confidence` is of the intervals.
    """
    both = [judge(metadata, each) for each in (photos, test)]
    tested = differences(*both)
    rows = pd.DataFrame(_measured(*both, metadata.labels, confidence), columns=COLUMNS)
    scores = rows.merge(tested, left_on="score", right_index=True, how="left")
    return Monitored(verdict_of(tested), scores)


def judge(metadata: Metadata, table: pd.DataFrame) -> pd.DataFrame:
    """`class`, the index of the predicted one, and `confidence` of each row of a table.

    Of a model with an unknown threshold also `unknown`, bool, and `unknown_score`.
    """
    probabilities = probabilities_in(table).round(DIGITS)
    classes = predicted_classes(probabilities, metadata.threshold)
    judged = pd.DataFrame(
        {"class": classes, "confidence": probabilities[np.arange(len(table)), classes]}
    )
    if metadata.unknown_threshold is None:
        return judged
    scores = table[UNKNOWN_SCORE].to_numpy().round(DIGITS)
    return judged.assign(unknown=scores > metadata.unknown_threshold, unknown_score=scores)


def differences(photos: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """`difference`, `p_value` and `different` of each of LEAST, from what `judge` returns.

    A difference counts if it reaches LEAST and its p-value is below Holm's level. Tests are
    one-sided, in the direction of LEAST, except for `classes`, where there is none. Each photo is
    taken as independent. `unknown_score` and `confidence` are compared within the predicted
    classes, so that other proportions of the classes are no other images.
    """
    both, found = (photos, test), {}
    strata = [each["class"].to_numpy() for each in both]
    if "unknown" in photos:
        pairs = [(int(each["unknown"].sum()), len(each)) for each in both]
        difference = photos["unknown"].mean() - test["unknown"].mean()
        found["unknown"] = difference, intervals.fisher(*pairs, alternative="greater")
        area, p_value = ranked_within(*(each["unknown_score"].to_numpy() for each in both), *strata)
        found["unknown_score"] = area - 0.5, p_value
    classes = max(each.max() for each in strata) + 1
    counts = [np.bincount(each, minlength=classes) for each in strata]
    fractions = [each / each.sum() for each in counts]
    found["classes"] = abs(fractions[0] - fractions[1]).sum() / 2, same_proportions(*counts)
    of_both = (each["confidence"].to_numpy() for each in (test, photos))
    _, p_value = ranked_within(*of_both, *strata[::-1])  # that of test is higher
    of_class = photos["class"].map(test.groupby("class")["confidence"].mean())
    found["confidence"] = (photos["confidence"] - of_class).mean(), p_value
    table = pd.DataFrame(found, index=["difference", "p_value"]).T
    is_different = table["p_value"] < intervals.holm(table["p_value"].tolist(), ALPHA)
    is_different &= table["difference"] / table.index.map(LEAST) >= 1
    return table.assign(different=np.where(is_different, "yes", "no"))


def verdict_of(tested: pd.DataFrame) -> str:
    """LIKE, PROPORTIONS or OTHER, from what `differences` returns."""
    different = set(tested.index[tested["different"] == "yes"])
    return OTHER if different - {"classes"} else PROPORTIONS if different else LIKE


def _measured(
    photos: pd.DataFrame, test: pd.DataFrame, labels: list[str], confidence: float
) -> Iterator[tuple]:
    """The rows of Monitored.scores, with COLUMNS."""
    both, nothing = (photos, test), (np.nan, np.nan)

    def fractions(of: Callable[[pd.DataFrame], pd.Series]) -> tuple:
        pairs = ((int(of(each).sum()), len(each)) for each in both)
        ends = [(k / n, *intervals.fraction_interval(k, n, confidence)) for k, n in pairs]
        return *ends[0], *ends[1]

    strata = [each["class"].to_numpy() for each in both]
    if "unknown" in photos:
        yield "unknown", "", *fractions(lambda each: each["unknown"])
        area, _ = ranked_within(*(each["unknown_score"].to_numpy() for each in both), *strata)
        interval = intervals.roc_area_interval(area, len(photos), len(test), confidence)
        yield "unknown_score", "", area, *interval, 0.5, *nothing
    for index, label in enumerate(labels):
        if any((each == index).any() for each in strata):
            yield "classes", label, *fractions(lambda each, of=index: each["class"] == of)
    means = [
        (each["confidence"].mean(), *_interval(each["confidence"], confidence)) for each in both
    ]
    yield "confidence", "", *means[0], *means[1]


def _interval(values: pd.Series, confidence: float) -> tuple[float, float]:
    """Of the mean of values up to 1, most of them near 1."""
    low, high = intervals.mean_interval(1 - values.to_numpy(), confidence)
    return 1 - high, 1 - low


def ranked_within(
    values: np.ndarray, others: np.ndarray, strata: np.ndarray, other_strata: np.ndarray
) -> tuple[float, float]:
    """The probability that a value is above another one of its stratum, and the p-value that it is
    at most a half.

    `strata`, int `(images,)`, are of `values`, `other_strata` of `others`; those that only one has
    are left out. A half and 1 if they have none in common. The test is that of van Elteren, On the
    Combination of Independent Two Sample Tests of Wilcoxon, 1960: Mann and Whitney's of each
    stratum, with weights of 1 by its images and one.
    """
    areas, images, statistic, variance = [], [], 0.0, 0.0
    for stratum in np.intersect1d(strata, other_strata):
        pair = values[strata == stratum], others[other_strata == stratum]
        (first, second), total = map(len, pair), sum(map(len, pair))
        ranks = rankdata(np.concatenate(pair))
        excess = ranks[:first].sum() - first * (total + 1) / 2
        areas.append(0.5 + excess / (first * second))
        images.append(first)
        statistic += excess / (total + 1)
        variance += first * second / total * ranks.var(ddof=1) / (total + 1) ** 2
    if not variance:
        return 0.5, 1.0
    p_value = norm.sf(statistic / variance**0.5)
    return float(np.average(areas, weights=images)), float(p_value)


def same_proportions(images: np.ndarray, others: np.ndarray) -> float:
    """The p-value that two sets of images have the same proportions of classes, int `(classes,)`.

    Which images are of which set is drawn RESAMPLES times; the statistic is that of the chi-squared
    test, whose distribution does not hold for classes of few images.
    """
    both = np.array([images, others])
    method = MonteCarloMethod(intervals.RESAMPLES, rng=np.random.default_rng(0))
    table = both[:, both.any(axis=0)]
    return float(chi2_contingency(table, correction=False, method=method).pvalue)
