"""Whether photos without labels are like those of the test split, by what the model says of them.

The accuracy is not estimated: from confidences it would be too high for photos of another kind.
"""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.classes import UNKNOWN, UNSURE
from pawprint.dataset.user_tables import csv_rows
from pawprint.errors import InputError, printable
from pawprint.model.metadata import Metadata
from pawprint.project import PROBABILITY, UNKNOWN_SCORE
from pawprint.scores.intervals import (
    area_interval,
    fraction_interval,
    holm,
    linear_interval,
    two_sets_test,
)
from pawprint.tables import probabilities_in
from pawprint.tools.scoring import COPY

LIKE = "like the test photos"
PROPORTIONS, OTHER = "other proportions of the classes", "other images"
ALPHA = 0.05  # probability of a false alarm, at most: of all tests together
# The smallest difference that counts. Other photos of the same kind are called unknown somewhat
# more often than the test photos, and photos of other sources get a little less confidence. Photos
# of which the model is surer, such as training photos, are no other images.
MIN_DIFFERENCE = {"unknown": 0.03, "unknown_score": 0.1, "classes": 0.1, "confidence": -0.02}
HASH = "pixels_sha256"
OTHER_MODEL = "of another model"
TORN = "of rows that are not whole"
DIGITS = 4  # of the numbers that `predict` writes
FEW = 50  # photos, of which only a large difference is significant
COLUMNS = ["score", "label", "value", "low", "high", "test", "test_low", "test_high"]


class MonitorResult(NamedTuple):
    """`verdict` is LIKE, PROPORTIONS or OTHER.

    A row of `scores` has COLUMNS, `difference`, `p_value` and `different`. `unknown` is the
    fraction of photos called unknown, `unknown_score` the probability that a photo has a higher
    score than a test one of the same predicted class, `unsure` the fraction called unsure, which is
    not tested, `classes` the fraction of photos predicted as `label`, and `confidence` the mean
    probability of the predicted class. The difference of `classes`, the same in all its rows, is
    the fraction of photos that would have to be of another class.
    """

    verdict: str
    scores: pd.DataFrame


def read_photos(path: Path, metadata: Metadata) -> pd.DataFrame:
    """The rows of a table that `predict` or the service wrote, as `tabulate_rows` returns them.

    A row that is not whole, as after a power failure, has no label and the error TORN. Raises
    InputError if it is another table, or one of other labels.
    """
    where = printable(str(path))
    try:
        content, torn = without_torn_rows(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"{where}: expected a table that can be read. Received: {error.strerror}."
        ) from None
    names = [PROBABILITY + label for label in metadata.labels]
    if metadata.unknown_threshold is not None:
        names.append(UNKNOWN_SCORE)
    name_of = {name.lower(): name for name in names}
    expected = ("label", *name_of, HASH, "model")
    empty = dict.fromkeys((*expected, "line"), "")
    cells = [empty | {"path": f"line {line}", "error": TORN} for line in torn]
    for line, row in csv_rows(content, where, expected):
        error = "" if row["label"] else row.get("error") or "no label"
        cells.append({"path": f"line {line}"} | row | {"error": error, "line": line})
    rows = pd.DataFrame(cells, columns=["path", "error", *expected, "line"])
    rows = rows.map(lambda cell: printable(cell) if isinstance(cell, str) else cell)
    rows = rows.rename(columns=name_of)
    labelled = rows[rows["label"] != ""]
    # Spreadsheets in many languages write a comma for the point.
    decimal = labelled[names].replace(",", ".", regex=True)
    numbers = decimal.apply(pd.to_numeric, errors="coerce")
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


def without_torn_rows(content: bytes) -> tuple[bytes, list[int]]:
    """Empty the lines of a CSV that have fewer or more cells than the first, or repeat it.

    Returns the content and the numbers of the lines with other cells. Each row is on a line of its
    own, so that what one of them lacks, such as a quote, is not looked for in the next. A table in
    another encoding, or with another separator, is returned as it is.
    """
    lines = content.split(b"\n")
    expected = len(_cells_in(lines[0]))
    torn = []
    if expected < 2:
        return content, torn
    for number, line in enumerate(lines[1:], start=2):
        cells = _cells_in(line)
        is_whole = len(cells) >= expected and not any(cells[expected:])
        if line.strip() and not is_whole:
            torn.append(number)
        if not is_whole or line == lines[0]:
            lines[number - 1] = b""
    return b"\n".join(lines), torn


def _cells_in(line: bytes) -> list[str]:
    """Return the cells in a line of a CSV in UTF-8, none if it is another line."""
    try:
        return next(csv.reader([line.decode().rstrip("\r")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return []


def tabulate_rows(rows: Iterable[dict]) -> pd.DataFrame:
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
    whole = rows[rows["error"] != TORN]
    own = whole[whole["model"] == (metadata.model or "")]
    left_out = {TORN: len(rows) - len(whole), OTHER_MODEL: len(whole) - len(own)}
    if left_out[OTHER_MODEL] and own.empty:
        raise InputError(
            f"{printable(str(source))}: expected predictions of the model {metadata.model}. "
            f"Received: {len(whole):,} {OTHER_MODEL}. Run `pawprint predict` on these photos again."
        )
    has_label = own["label"] != ""
    names = [*(PROBABILITY + label for label in metadata.labels), UNKNOWN_SCORE, HASH]
    photos = own[has_label].reindex(columns=names)
    once = photos.drop_duplicates(HASH)
    left_out[COPY] = len(photos) - len(once)
    return once, left_out, own[~has_label].to_dict("records")


def monitor(
    metadata: Metadata, photos: pd.DataFrame, test: pd.DataFrame, confidence: float
) -> MonitorResult:
    """Compare photos, as `select` returns them, with the table PREDICTIONS of the test split.

    `confidence` is of the intervals.
    """
    of_both = (answers(table, metadata) for table in (photos, test))
    return compare_answers(*of_both, metadata.labels, confidence)


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


def compare_answers(
    photos: pd.DataFrame, test: pd.DataFrame, labels: list[str], confidence: float
) -> MonitorResult:
    """Compare what `answers` returns of photos and of the test split.

    A difference counts if it reaches MIN_DIFFERENCE and its p-value is below Holm's level. Tests
    are one-sided, in the direction of MIN_DIFFERENCE, except for `classes`, where there is none.
    Each photo is taken as independent. `unknown_score` and `confidence` are compared within the
    predicted classes, so that other proportions of the classes are no other images.
    """
    both, rows, tested = pd.concat([photos, test], ignore_index=True), [], {}
    each = np.arange(len(both))
    is_photo = each < len(photos)
    is_class = both["class"].to_numpy()[:, None] == np.arange(len(labels))

    def add_fraction(score: str, label: str, is_true: np.ndarray) -> float:
        """The row of a fraction; how much higher that of the photos is."""
        sides = [is_true[is_photo], is_true[~is_photo]]
        counts = ((int(side.sum()), len(side)) for side in sides)
        intervals = (fraction_interval(*of_side, confidence) for of_side in counts)
        means = [side.mean() for side in sides]
        row = (cell for mean, interval in zip(means, intervals) for cell in (mean, *interval))
        rows.append((score, label, *row))
        return means[0] - means[1]

    if "unknown" in both:
        is_unknown, ranks = both["unknown"].to_numpy(), rank_within(both, "unknown_score")
        difference = add_fraction("unknown", "", is_unknown)
        tested["unknown"] = difference, two_sets_test(is_unknown, is_photo, each, one_sided=True)
        area = area_interval(ranks, is_photo, each, confidence)
        rows.append(("unknown_score", "", *area, 0.5, np.nan, np.nan))
        p_value = two_sets_test(ranks, is_photo, each, one_sided=True)
        tested["unknown_score"] = area[0] - 0.5, p_value
    if "unsure" in both:
        add_fraction("unsure", "", both["unsure"].to_numpy())
    gaps = [
        add_fraction("classes", label, is_class[:, index])
        for index, label in enumerate(labels)
        if is_class[:, index].any()
    ]
    tested["classes"] = np.abs(gaps).sum() / 2, two_sets_test(is_class, is_photo, each)
    means = (_mean(side["confidence"].to_numpy(), confidence) for side in (photos, test))
    rows.append(("confidence", "", *(cell for mean in means for cell in mean)))
    of_class = photos["class"].map(test.groupby("class")["confidence"].mean())
    ranks = rank_within(both, "confidence")
    p_value = two_sets_test(ranks, ~is_photo, each, one_sided=True)  # those of test are higher
    tested["confidence"] = (photos["confidence"] - of_class).mean(), p_value
    table = pd.DataFrame(tested, index=["difference", "p_value"]).T
    is_different = table["p_value"] < holm(table["p_value"].tolist(), ALPHA)
    is_different &= table["difference"] / table.index.map(MIN_DIFFERENCE) >= 1
    table["different"] = np.where(is_different, "yes", "no")
    found = set(table.index[is_different])
    verdict = OTHER if found - {"classes"} else PROPORTIONS if found else LIKE
    scores = pd.DataFrame(rows, columns=COLUMNS)
    return MonitorResult(
        verdict, scores.merge(table, left_on="score", right_index=True, how="left")
    )


def rank_within(both: pd.DataFrame, column: str) -> np.ndarray:
    """The rank of each value among those of its class, from 0 to 1, `(images,)`."""
    of_class = both.groupby("class")[column]
    return ((of_class.rank() - 0.5) / of_class.transform("size")).to_numpy()


def _mean(values: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Of values from 0 to 1, and the ends of its interval."""
    each = np.arange(len(values))
    return values.mean(), *linear_interval(values, each * 0, each, confidence)
