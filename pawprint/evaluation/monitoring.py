"""Whether photos without labels are like those of the test split, by what the model says of them.

The accuracy is not estimated: from confidences it would be too high for photos of another kind.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from pawprint import project
from pawprint.columns import PROBABILITY, UNKNOWN_SCORE
from pawprint.errors import InputError, printable
from pawprint.evaluation.intervals import (
    RESAMPLES,
    fisher,
    fraction_interval,
    holm,
    mean_interval,
    roc_area_interval,
)
from pawprint.evaluation.scoring import test_predictions
from pawprint.labels import UNKNOWN
from pawprint.probabilities import predicted_classes
from pawprint.serving.metadata import Metadata
from pawprint.tables import csv_rows, probabilities_in

LIKE = "like the test photos"
PROPORTIONS, OTHER = "other proportions of the classes", "other images"
ALPHA = 0.05  # probability of a false alarm, at most: of all tests together
# The smallest difference that counts. Other photos of the same kind are called unknown somewhat
# more often than the test photos, and photos of other sources get a little less confidence.
LEAST = {"unknown": 0.02, "unknown_score": 0.1, "classes": 0.1, "confidence": 0.02}
DIGITS = 4  # of the numbers that `predict` writes
COLUMNS = ["score", "label", "value", "low", "high", "test", "test_low", "test_high"]


class Monitored(NamedTuple):
    """`verdict` is LIKE, PROPORTIONS or OTHER.

    A row of `scores` has the columns COLUMNS, and, for each of LEAST, `difference`, `p_value` and
    `different`, yes or no. `unknown` and `classes` are fractions of images, and so are the rows
    `predicted` of a class, which have no test of their own. `unknown_score` is the probability that
    a photo has a higher score than a test photo of the same predicted class. `confidence` is the
    mean probability of the predicted class.
    """

    verdict: str
    scores: pd.DataFrame


def read_photos(path: Path, labels: list[str]) -> pd.DataFrame:
    """The rows of a table that `predict` wrote: `label`, those of PROBABILITY, UNKNOWN_SCORE.

    Rows without a label, of unusable files, are left out. Raises InputError if it is another table.
    """
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
    for line, row in csv_rows(content, where, keys):
        label, *numbers, score = (row[key] for key in keys)
        if not label:
            continue
        try:
            values = [float(each) for each in numbers]
            score = float(score) if score else np.nan
        except ValueError:
            values = [np.nan]
        if label not in (*labels, UNKNOWN) or not all(0 <= each <= 1 for each in values):
            raise InputError(
                f"{where}: line {line}: expected a label of {', '.join(labels)} or {UNKNOWN}, and "
                f"probabilities. Received: {printable(','.join(row.values()))}."
            )
        found.append((label, *values, score))
    return pd.DataFrame(found, columns=["label", *names, UNKNOWN_SCORE])


def tabulate_photos(rows: list[dict], labels: list[str]) -> pd.DataFrame:
    """What `read_photos` gives for the table of these rows of `predict`."""
    found = [
        (row["label"], *map(row["probabilities"].get, labels), row["unknown_score"])
        for row in rows
        if not row["error"]
    ]
    names = ["label", *(PROBABILITY + label for label in labels), UNKNOWN_SCORE]
    return pd.DataFrame(found, columns=names).astype({UNKNOWN_SCORE: "float64"})


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
    """Test photos, as `read_photos` gives them, against the table PREDICTIONS of the test split.

    An alarm is a difference of at least LEAST with a p-value below Holm's level. Each photo counts
    as independent. `unknown_score` and `confidence` are compared within the predicted classes, so
    that other proportions of the classes are no other images. `confidence` is of the intervals.
    """
    both = [_judged(metadata, each) for each in (photos, test)]
    if metadata.unknown_threshold is None:
        both = [each.drop(columns=[UNKNOWN, UNKNOWN_SCORE]) for each in both]
    rows = _compared(*both, metadata.labels, confidence)
    scores = pd.DataFrame(rows, columns=[*COLUMNS, "difference", "p_value"])
    is_tested = scores["p_value"].notna()
    levels = holm(scores.loc[is_tested, "p_value"].tolist(), ALPHA)
    tested = scores[is_tested]
    is_alarm = (tested["p_value"] < levels) & (
        tested["difference"].abs() >= tested["score"].map(LEAST)
    )
    scores["different"] = ""
    scores.loc[is_tested, "different"] = np.where(is_alarm, "yes", "no")
    alarms = set(tested["score"][is_alarm])
    verdict = OTHER if alarms - {"classes"} else PROPORTIONS if alarms else LIKE
    return Monitored(verdict, scores)


def _judged(metadata: Metadata, table: pd.DataFrame) -> pd.DataFrame:
    """`class`, the index of the predicted one, `confidence`, UNKNOWN and UNKNOWN_SCORE."""
    probabilities = probabilities_in(table).round(DIGITS)
    classes = predicted_classes(probabilities, metadata.threshold)
    frame = pd.DataFrame({"class": classes}, index=range(len(table)))
    frame["confidence"] = probabilities[np.arange(len(table)), classes]
    scores = table.get(UNKNOWN_SCORE, pd.Series(np.nan, table.index)).to_numpy(float)
    threshold = np.inf if metadata.unknown_threshold is None else metadata.unknown_threshold
    is_unknown = table["label"] == UNKNOWN if "label" in table else scores > threshold
    return frame.assign(**{UNKNOWN: np.array(is_unknown), UNKNOWN_SCORE: scores.round(DIGITS)})


def _compared(
    photos: pd.DataFrame, test: pd.DataFrame, labels: list[str], confidence: float
) -> Iterator[tuple]:
    """The rows of Monitored.scores up to `p_value`."""
    both, sizes = (photos, test), (len(photos), len(test))
    strata = [each["class"].to_numpy() for each in both]
    if UNKNOWN in photos:
        pairs = [(int(each[UNKNOWN].sum()), len(each)) for each in both]
        first, second = ((k / n, *fraction_interval(k, n, confidence)) for k, n in pairs)
        yield "unknown", "", *first, *second, first[0] - second[0], fisher(*pairs)
        area, p_value = ranked_within(*(each[UNKNOWN_SCORE].to_numpy() for each in both), *strata)
        interval = roc_area_interval(area, *sizes, confidence)
        yield "unknown_score", "", area, *interval, 0.5, np.nan, np.nan, area - 0.5, p_value
    counts = [np.bincount(each, minlength=len(labels)) for each in strata]
    apart = abs(counts[0] / sizes[0] - counts[1] / sizes[1]).sum() / 2
    nothing = (np.nan,) * 2
    yield "classes", "", apart, *nothing, 0.0, *nothing, apart, same_proportions(*counts)
    for label, *pair in zip(labels, *counts):
        if any(pair):
            cells = [
                (k / n, *fraction_interval(int(k), n, confidence)) for k, n in zip(pair, sizes)
            ]
            yield "predicted", label, *cells[0], *cells[1], *nothing
    values = [each["confidence"].to_numpy() for each in both]
    cells = [(each.mean(), *_interval(each, confidence)) for each in values]
    _, p_value = ranked_within(*values, *strata)
    of_class = test.groupby("class")["confidence"].mean()
    difference = (photos["confidence"] - photos["class"].map(of_class)).mean()
    yield "confidence", "", *cells[0], *cells[1], difference, p_value


def _interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Of the mean of values up to 1, most of them near 1."""
    low, high = mean_interval(1 - values, confidence)
    return 1 - high, 1 - low


def ranked_within(
    values: np.ndarray, others: np.ndarray, strata: np.ndarray, other_strata: np.ndarray
) -> tuple[float, float]:
    """The probability that a value is above another one of its stratum, and the p-value that it is
    a half.

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
    p_value = 2 * norm.sf(abs(statistic) / variance**0.5)
    return float(np.average(areas, weights=images)), float(p_value)


def same_proportions(images: np.ndarray, others: np.ndarray) -> float:
    """The p-value that two sets of images have the same proportions of classes, int `(classes,)`.

    Which images are of which set is drawn RESAMPLES times; the statistic is that of the chi-squared
    test, whose distribution does not hold for classes of few images. Counted as in
    `stratified_mcnemar`.
    """
    of_class = images + others
    images, of_class = images[of_class > 0], of_class[of_class > 0]
    expected = of_class * images.sum() / of_class.sum()
    drawn = np.random.default_rng(0).multivariate_hypergeometric(
        of_class, images.sum(), RESAMPLES, method="marginals"
    )
    # The other set has the same deviations, and expected numbers in a fixed ratio to these.
    found, draws = (((each - expected) ** 2 / expected).sum(axis=-1) for each in (images, drawn))
    return float((1 + (draws >= found - 1e-9).sum()) / (1 + RESAMPLES))
