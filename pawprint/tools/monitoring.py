"""Whether photos without labels are like those of the test split, by what the model says of them.

The accuracy is not estimated: from confidences it would be too high for photos of another kind.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import MonteCarloMethod, chi2_contingency, norm, rankdata

from pawprint.classes import UNKNOWN, UNSURE
from pawprint.columns import PROBABILITY, UNKNOWN_SCORE
from pawprint.errors import InputError, printable
from pawprint.files import read_text
from pawprint.model.metadata import Metadata
from pawprint.scores import intervals
from pawprint.tables import csv_rows, probabilities_in
from pawprint.tools.scoring import COPY

LIKE = "like the test photos"
PROPORTIONS, OTHER = "other proportions of the classes", "other images"
ALPHA = 0.05  # probability of a false alarm, at most: of all tests together
# The smallest difference that counts. Other photos of the same kind are called unknown somewhat
# more often than the test photos, and photos of other sources get a little less confidence. Photos
# of which the model is surer, such as training photos, are no other images.
LEAST = {"unknown": 0.03, "unknown_score": 0.1, "classes": 0.1, "confidence": -0.02}
HASH = "pixels_sha256"
OTHER_MODEL = "of another model"
DIGITS = 4  # of the numbers that `predict` writes
FEW = 50  # photos, of which only a large difference is significant
COLUMNS = ["score", "label", "value", "low", "high", "test", "test_low", "test_high"]


class Monitored(NamedTuple):
    """`verdict` is LIKE, PROPORTIONS or OTHER.

    A row of `scores` has COLUMNS and those of `differences`. `unknown` is the fraction of photos
    called unknown, `unknown_score` the probability that a photo has a higher score than a test one
    of the same predicted class, `unsure` the fraction called unsure, which is not tested, as
    `confidence` is, `classes` the fraction of photos predicted as `label`, and
    `confidence` the mean probability of the predicted class. The difference of `classes`, the same
    in all its rows, is the fraction of photos that would have to be of another class.
    """

    verdict: str
    scores: pd.DataFrame


def read_photos(path: Path, metadata: Metadata) -> pd.DataFrame:
    """The rows of a table that `predict` or the service wrote, as `tabulate_rows` returns them.

    Raises InputError if it is another table, or one of other labels.
    """
    where = printable(str(path))
    names = [PROBABILITY + label for label in metadata.labels]
    if metadata.unknown_threshold is not None:
        names.append(UNKNOWN_SCORE)
    name_of = {name.lower(): name for name in names}
    expected = ("label", *name_of, HASH, "model")
    cells = []
    for line, row in csv_rows(read_text(path).encode(), where, expected):
        error = "" if row["label"] else row.get("error") or "no label"
        cells.append({"path": f"line {line}"} | row | {"error": error, "line": line})
    rows = pd.DataFrame(cells, columns=["path", "error", *expected, "line"])
    rows = rows.map(lambda cell: printable(cell) if isinstance(cell, str) else cell)
    rows = rows.rename(columns=name_of)
    labelled = rows[rows["label"] != ""]
    numbers = labelled[names].apply(pd.to_numeric, errors="coerce")
    probabilities = numbers[names[: len(metadata.labels)]]
    is_right = labelled["label"].isin([*metadata.labels, UNSURE, UNKNOWN])
    is_right &= numbers.notna().all(axis=1)
    is_right &= ((probabilities >= 0) & (probabilities <= 1)).all(axis=1)
    if not is_right.all():
        wrong = labelled[~is_right].iloc[0]
        raise InputError(
            f"{where}: line {wrong['line']}: expected a label of {', '.join(metadata.labels)}, "
            f"{UNSURE} or {UNKNOWN}, and numbers as `pawprint predict` writes them. Received: "
            f"{', '.join(wrong[['label', *names]])}."
        )
    return rows.drop(columns="line").assign(**numbers)


def tabulate_rows(rows: list[dict]) -> pd.DataFrame:
    """The rows of `predict`, with a column of PROBABILITY per label."""
    return pd.DataFrame(
        row | {PROBABILITY + label: value for label, value in row["probabilities"].items()}
        for row in rows
    )


def select(
    rows: pd.DataFrame, metadata: Metadata, source: Path
) -> tuple[pd.DataFrame, dict[str, int], list[dict]]:
    """Of what `tabulate_rows` returns the photos of this model, each once.

    They have the columns of PROBABILITY, UNKNOWN_SCORE and HASH. With them come the numbers of rows
    that are left out, by reason, and the rows with an error. Raises InputError if all rows are of
    other models.
    """
    own = rows[rows["model"] == (metadata.model or "")]
    left_out = {OTHER_MODEL: len(rows) - len(own)}
    if left_out[OTHER_MODEL] and own.empty:
        raise InputError(
            f"{printable(str(source))}: expected predictions of the model {metadata.model}. "
            f"Received: {len(rows):,} {OTHER_MODEL}. Run `pawprint predict` on these photos again."
        )
    has_label = own["label"] != ""
    names = [*(PROBABILITY + label for label in metadata.labels), UNKNOWN_SCORE, HASH]
    photos = own[has_label].reindex(columns=names)
    once = photos.drop_duplicates(HASH)
    left_out[COPY] = len(photos) - len(once)
    return once, left_out, own[~has_label].to_dict("records")


def monitor(
    metadata: Metadata, photos: pd.DataFrame, test: pd.DataFrame, confidence: float
) -> Monitored:
    """Compare photos, as `select` returns them, with the table PREDICTIONS of the test split.

    `confidence` is of the intervals.
    """
    of_photos, of_test = answers(photos, metadata), answers(test, metadata)
    tested = differences(of_photos, of_test)
    rows = _scores(of_photos, of_test, metadata.labels, confidence)
    scores = rows.merge(tested, left_on="score", right_index=True, how="left")
    return Monitored(verdict_of(tested), scores)


def answers(table: pd.DataFrame, metadata: Metadata) -> pd.DataFrame:
    """`class`, the index of the predicted one, and `confidence` of each row of a table.

    Of a model with an unknown threshold also `unknown`, bool, and `unknown_score`; of one that
    leaves images to a person `unsure`, bool.
    """
    probabilities = probabilities_in(table).round(DIGITS)
    classes = metadata.classes(probabilities)
    answered = pd.DataFrame(
        {"class": classes, "confidence": probabilities[np.arange(len(table)), classes]}
    )
    if metadata.min_confidence is not None:
        answered["unsure"] = ~metadata.are_decided(probabilities)
    if metadata.unknown_threshold is None:
        return answered
    scores = table[UNKNOWN_SCORE].to_numpy().round(DIGITS)
    return answered.assign(unknown=scores > metadata.unknown_threshold, unknown_score=scores)


def differences(photos: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """`difference`, `p_value` and `different` of each of LEAST, from what `answers` returns.

    A difference counts if it reaches LEAST and its p-value is below Holm's level. Tests are
    one-sided, in the direction of LEAST, except for `classes`, where there is none. Each photo is
    taken as independent. `unknown_score` and `confidence` are compared within the predicted
    classes, so that other proportions of the classes are no other images.
    """
    rows = {}
    if "unknown" in photos:
        pairs = [(int(table["unknown"].sum()), len(table)) for table in (photos, test)]
        difference = photos["unknown"].mean() - test["unknown"].mean()
        rows["unknown"] = difference, intervals.fisher(*pairs, alternative="greater")
        area, p_value = ranked_within(photos, test, "unknown_score")
        rows["unknown_score"] = area - 0.5, p_value
    classes = max(photos["class"].max(), test["class"].max()) + 1
    counts, of_test = (np.bincount(table["class"], minlength=classes) for table in (photos, test))
    moved = abs(counts / counts.sum() - of_test / of_test.sum()).sum() / 2
    rows["classes"] = moved, same_proportions(counts, of_test)
    _, p_value = ranked_within(test, photos, "confidence")  # that of test is higher
    of_class = photos["class"].map(test.groupby("class")["confidence"].mean())
    rows["confidence"] = (photos["confidence"] - of_class).mean(), p_value
    table = pd.DataFrame(rows, index=["difference", "p_value"]).T
    is_different = table["p_value"] < intervals.holm(table["p_value"].tolist(), ALPHA)
    is_different &= table["difference"] / table.index.map(LEAST) >= 1
    return table.assign(different=np.where(is_different, "yes", "no"))


def verdict_of(tested: pd.DataFrame) -> str:
    """LIKE, PROPORTIONS or OTHER, from what `differences` returns."""
    different = set(tested.index[tested["different"] == "yes"])
    return OTHER if different - {"classes"} else PROPORTIONS if different else LIKE


def _scores(
    photos: pd.DataFrame, test: pd.DataFrame, labels: list[str], confidence: float
) -> pd.DataFrame:
    """Monitored.scores without those of `differences`."""
    tables, rows = (photos, test), []
    if "unknown" in photos:
        refused, of_test = (_fraction(table["unknown"], confidence) for table in tables)
        rows.append(("unknown", "", *refused, *of_test))
        area, _ = ranked_within(photos, test, "unknown_score")
        low, high = intervals.roc_area_interval(area, len(photos), len(test), confidence)
        rows.append(("unknown_score", "", area, low, high, 0.5, np.nan, np.nan))
    if "unsure" in photos:
        unsure, of_test = (_fraction(table["unsure"], confidence) for table in tables)
        rows.append(("unsure", "", *unsure, *of_test))
    for index, label in enumerate(labels):
        predicted, of_test = (_fraction(table["class"] == index, confidence) for table in tables)
        if predicted[0] or of_test[0]:
            rows.append(("classes", label, *predicted, *of_test))
    mean, of_test = (_mean(table["confidence"], confidence) for table in tables)
    rows.append(("confidence", "", *mean, *of_test))
    return pd.DataFrame(rows, columns=COLUMNS)


def _fraction(is_true: pd.Series, confidence: float) -> tuple[float, float, float]:
    """And the ends of its interval."""
    number, images = int(is_true.sum()), len(is_true)
    return number / images, *intervals.fraction_interval(number, images, confidence)


def _mean(values: pd.Series, confidence: float) -> tuple[float, float, float]:
    """Of values up to 1, most of them near 1, and the ends of its interval."""
    low, high = intervals.mean_interval(1 - values.to_numpy(), confidence)
    return values.mean(), max(1 - high, 0.0), min(1 - low, 1.0)


def ranked_within(photos: pd.DataFrame, others: pd.DataFrame, column: str) -> tuple[float, float]:
    """The probability that a value of the column is above another one of its class, and the p-value
    that it is at most a half.

    Both have a column `class`; classes that only one has are left out. A half and 1 if they have
    none in common. The test is that of van Elteren, On the Combination of Independent Two Sample
    Tests of Wilcoxon, 1960: Mann and Whitney's of each class, with weights of 1 by its images and
    one.
    """
    areas, images, statistic, variance = [], [], 0.0, 0.0
    for index in np.intersect1d(photos["class"], others["class"]):
        pair = [table.loc[table["class"] == index, column] for table in (photos, others)]
        first, second = map(len, pair)
        total, ranks = first + second, rankdata(np.concatenate(pair))
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
    counts = np.array([images, others])
    method = MonteCarloMethod(intervals.RESAMPLES, rng=np.random.default_rng(0))
    table = counts[:, counts.any(axis=0)]
    return float(chi2_contingency(table, correction=False, method=method).pvalue)
