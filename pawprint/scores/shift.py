"""Test whether the splits are independent, and whether new photos resemble the test photos.

Near-duplicates and series of photos, such as the frames of a video, are not independent.
"""

from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.columns import SCORES
from pawprint.errors import printable
from pawprint.scores.intervals import (
    extend_to_zero,
    holm,
    linear_interval,
    paired_test,
    two_sets_test,
)
from pawprint.scores.metrics import APART, SLICE, Predictions, fraction_cells

MIN_IMAGES = 10  # in a slice
MAX_SLICES = 50  # per column, the largest ones
DIFFERENCE = "slice_difference"


class _Slice(NamedTuple):
    """The images of a slice, their difference from the other images, and its p-value.

    `tested` covers both. It says whether each image is correct and whether it is in the slice (both
    bool), and gives its group; all are `(images,)`.
    """

    images: pd.DataFrame
    tested: tuple[np.ndarray, np.ndarray, np.ndarray]
    difference: float
    p_value: float


def measure_slices(test: pd.DataFrame, metadata: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return rows of SCORES without `split`: the accuracy of each slice, and its difference.

    The difference is the accuracy of the slice minus that of the other test images, which have
    another value in the column. `test` has the columns `path`, `correct` and `group`, and
    `metadata` is a table METADATA. Both a slice and its complement have at least MIN_IMAGES images.
    If a column has two values, only the rarer one is a slice, because both would give the same
    test. If the difference is not significant, its interval is extended to 0. Holm's correction
    covers all slices together.
    """
    slices: dict[str, _Slice] = {}
    for column, of_column in test.merge(metadata, on="path").groupby("column"):
        groups = of_column["group"].to_numpy()
        values = of_column["value"].value_counts().index[:MAX_SLICES]
        for value in sorted(values if len(values) > 2 else values[1:]):
            is_in = of_column["value"] == value
            images = of_column[is_in]
            others = of_column[~is_in]
            if min(len(images), len(others)) >= MIN_IMAGES:
                tested = (of_column["correct"].to_numpy(), is_in.to_numpy(), groups)
                difference = images["correct"].mean() - others["correct"].mean()
                # DVC's plots are HTML.
                name = printable(f"{column}: {value}").replace("<", " ")
                slices.setdefault(name, _Slice(images, tested, difference, two_sets_test(*tested)))
    rows = []
    levels = holm([each.p_value for each in slices.values()], 1 - confidence)
    for level, (name, (images, tested, difference, p_value)) in zip(levels, slices.items()):
        interval = linear_interval(*tested, 1 - level, weights=(-1, 1))
        low, high = extend_to_zero(interval, p_value < level)
        is_right = images["correct"].to_numpy()
        groups = images["group"].to_numpy()
        rows.append((name, SLICE, *fraction_cells(is_right, groups, confidence)))
        rows.append((name, DIFFERENCE, difference, low, high, len(images)))
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def describe_slices(scores: pd.DataFrame) -> list[str]:
    """Return a sentence for each slice in a table SCORES that is significantly worse."""
    accuracy = scores[scores["score"] == SLICE].set_index("label")
    worse = scores[(scores["score"] == DIFFERENCE) & (scores["high"] < 0)]
    return [
        f"The model is correct on {accuracy.loc[row.label].value:.1%} of the {row.images:,} test "
        f"images with {row.label}, {-100 * row.value:.1f} points fewer than on the others "
        f"({-100 * row.high:.1f} to {-100 * row.low:.1f})."
        for row in worse.itertuples()
    ]


DIFFERENCES = {  # scores in SCORES, and their description
    "accuracy_difference": "accuracy",
    "refused_difference": "images labelled unknown",
    "confidence_difference": "mean probability of the predicted class",
}
# Maximum probability of a false alarm in any of the three, with Bonferroni's correction.
ALPHA = 0.05
# Validation determines which epoch is kept, so its score is slightly optimistic.
MIN_DIFFERENCE = 0.01


def measure_apart(
    test: pd.DataFrame, near_duplicates: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    """Return a row of SCORES: test accuracy without images that resemble those in other splits.

    The result is empty if there are no such images, or if all are. `test` has the columns `path`,
    `group` and `correct`, and `near_duplicates` is a table NEAR_DUPLICATES.
    """
    split_of = near_duplicates.set_index("path")["split"]
    is_divided = near_duplicates.groupby("group")["split"].transform("nunique") > 1
    is_divided |= near_duplicates["nearest"].map(split_of) != near_duplicates["split"]
    is_apart = ~test["path"].isin(near_duplicates["path"][is_divided])
    rows = []
    if 0 < is_apart.sum() < len(test):
        apart = test[is_apart]
        is_right = apart["correct"].to_numpy()
        rows = [("", APART, *fraction_cells(is_right, apart["group"].to_numpy(), confidence))]
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def compare_splits(validation: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Return test minus validation: the rows DIFFERENCES of SCORES, without `split`.

    Each row in a table is an image, with `group`, `correct`, `refused` (as unknown), and
    `confidence`, the probability of the predicted class. Images in a group are not independent. If
    a difference is not significant, its interval is extended to 0.
    """
    alpha = ALPHA / len(DIFFERENCES)
    rows = []
    both = pd.concat([test, validation])
    is_test = np.arange(len(both)) < len(test)
    groups = both["group"].to_numpy()
    for score, column in zip(DIFFERENCES, ("correct", "refused", "confidence")):
        tested = both[column].to_numpy(float), is_test, groups
        interval = linear_interval(*tested, 1 - alpha, weights=(-1, 1))
        low, high = extend_to_zero(interval, two_sets_test(*tested) < alpha)
        difference = test[column].mean() - validation[column].mean()
        rows.append(("", score, difference, low, high, len(test)))
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def describe_shift(scores: pd.DataFrame) -> str:
    """Return a sentence about the rows from `compare_splits` if one is an alarm, otherwise "".

    An alarm is a difference of at least MIN_DIFFERENCE with an interval that excludes 0.
    """
    rows = scores[scores["score"].isin(DIFFERENCES)]
    is_alarm = (rows["low"] > 0) | (rows["high"] < 0)
    if not (is_alarm & (rows["value"].abs() >= MIN_DIFFERENCE)).any():
        return ""
    differences = ", ".join(
        f"{DIFFERENCES[row.score]} {100 * row.value:+.1f} points ({100 * row.low:+.1f} to "
        f"{100 * row.high:+.1f})"
        for row in rows[is_alarm].itertuples()
    )
    return (
        f"The test set differs from the validation set by more than sampling explains: "
        f"{differences}. Its images are of another kind, or in other proportions of the classes, "
        "or validation has near-duplicates of training images. Look at plots/errors.png and "
        "data/split/near_duplicates.csv."
    )


LIKE = "like the test photos"
PROPORTIONS = "other proportions of the classes"
OTHER = "other images"
# The smallest differences that count. Even new photos of the same kind are flagged as unknown
# slightly more often than the test photos, and photos from other sources have slightly lower
# confidence. Photos on which the model is more confident, such as training photos, do not count as
# different.
SMALLEST = {"called unknown": 0.03, "predicted classes": 0.1, "mean confidence": -0.02}


class Likeness(NamedTuple):
    """Unlabelled photos compared with the test photos.

    `verdict` is LIKE, PROPORTIONS or OTHER, and `different` lists the keys of SMALLEST that led to
    it. Each row of `scores` has `score` and `label`; `value`, `low` and `high` for the photos; and
    `test`, `test_low` and `test_high`.
    """

    verdict: str
    different: list[str]
    scores: pd.DataFrame


def compare_photos(photos: Predictions, test: Predictions, confidence: float) -> Likeness:
    """Compare a model's predictions for unlabelled photos with those for test images.

    A difference counts if it is at least as large as in SMALLEST and its p-value is below Holm's
    level.
    """
    sides = [_measure(side) for side in (photos, test)]
    rows = []
    for (score, label), values in sides[0].items():
        beside = sides[1][score, label]
        if not label or values.any() or beside.any():  # the class is predicted at least once
            cells = (_mean_with_interval(side, confidence) for side in (values, beside))
            rows.append((score, label, *chain(*cells)))
    found = _differences(photos, test)
    levels = holm([p_value for _, p_value in found.values()], ALPHA)
    different = [
        name
        for level, (name, (difference, p_value)) in zip(levels, found.items())
        if p_value < level and difference / SMALLEST[name] >= 1
    ]
    verdict = PROPORTIONS if different else LIKE
    if {*different} - {"predicted classes"}:
        verdict = OTHER
    names = ("score", "label", "value", "low", "high", "test", "test_low", "test_high")
    return Likeness(verdict, different, pd.DataFrame(rows, columns=names))


def _measure(predictions: Predictions) -> dict[tuple[str, str], np.ndarray]:
    """Return the values to average by score and class, `(images,)`, as bool or as confidences."""
    predicted = predictions.predicted
    measured = {}
    if predictions.is_unknown is not None:
        measured["called unknown", ""] = predictions.is_unknown
    if predictions.is_decided is not None:
        measured["called unsure", ""] = ~predictions.is_decided
    for index, label in enumerate(predictions.labels):
        measured["predicted", label] = predicted == index
    return measured | {("mean confidence", ""): _confidence(predictions)}


def _confidence(predictions: Predictions) -> np.ndarray:
    """Return the probability of each predicted class, `(images,)`."""
    return predictions.probabilities[np.arange(len(predictions.predicted)), predictions.predicted]


def _differences(photos: Predictions, test: Predictions) -> dict[str, tuple[float, float]]:
    """Return the difference and the p-value for each key of SMALLEST.

    The tests are one-sided, in the direction of SMALLEST, except for the predicted classes, which
    have no direction. Their difference is the fraction of photos that would have to change class.
    Confidences are compared within each predicted class, so that different proportions of the
    classes do not count as different images. Each photo is treated as independent.
    """
    predicted = np.concatenate([photos.predicted, test.predicted])
    each = np.arange(len(predicted))
    is_photo = each < len(photos.predicted)
    is_class = predicted[:, None] == np.arange(len(photos.labels))
    gaps = is_class[is_photo].mean(axis=0) - is_class[~is_photo].mean(axis=0)
    found = {"predicted classes": (abs(gaps).sum() / 2, two_sets_test(is_class, is_photo, each))}
    confidence = np.concatenate([_confidence(photos), _confidence(test)])
    by_class = pd.Series(confidence[~is_photo]).groupby(test.predicted).mean()
    difference = np.nanmean(confidence[is_photo] - by_class.reindex(photos.predicted).to_numpy())
    lower = two_sets_test(confidence, ~is_photo, each, predicted, one_sided=True)
    found["mean confidence"] = float(difference), lower
    if photos.is_unknown is not None and test.is_unknown is not None:
        is_unknown = np.concatenate([photos.is_unknown, test.is_unknown])
        higher = two_sets_test(is_unknown, is_photo, each, one_sided=True)
        found["called unknown"] = photos.is_unknown.mean() - test.is_unknown.mean(), higher
    return found


def _mean_with_interval(values: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Return the mean of bools, or of values from 0 to 1, `(images,)`, and its interval."""
    each = np.arange(len(values))
    if values.dtype == bool:
        return fraction_cells(values, each, confidence)[:3]
    return values.mean(), *linear_interval(values, np.zeros(len(values)), each, confidence)


# A pattern for `split.group`: the path up to the last number in the file name.
SERIES = "^(.*[^0-9])[0-9]+[^0-9/]*$"
MIN_SERIES = 5  # per class, which is also the number of folds in cross-validation
MIN_FRACTION = 0.5  # of all images
MAX_COUNTED = 0.1  # of all images, whose numbers merely count photos
MIN_GAIN = 0.01  # in accuracy


def find_series(images: pd.DataFrame) -> pd.Series | None:
    """Return the series of each image in a table SPLIT, or None if the names reveal no series.

    For example, `tracks/7_01.png` and `tracks/7_02.png` belong to the series `tracks/7_` if it
    contains at most a fifth of its class (1 / MIN_SERIES) and the class has at least MIN_SERIES
    series. If it contains more, the class was merely numbered, as in `cat/001.jpg`. Numbered images
    and images without a number use their group instead of a series. The names reveal series if at
    least MIN_FRACTION of the images are in one, if at most MAX_COUNTED are merely numbered, and if
    the split divides at least one series.
    """
    label = images["label"]
    series, is_short = _short_series(images)
    size = series.groupby([label, series]).transform("size")
    is_told = is_short & (series.where(is_short).groupby(label).transform("nunique") >= MIN_SERIES)
    if is_told.mean() < MIN_FRACTION or ((size > 1) & ~is_told).mean() > MAX_COUNTED:
        return None
    series = series.where(is_told, images["group"])
    return series if images["group"].groupby(series).nunique().max() > 1 else None


def _short_series(images: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the path of each image up to its last number, and whether it is a short series.

    A short series has at least two images, and at most a fifth of the class (1 / MIN_SERIES). A
    path without a number is returned unchanged.
    """
    label = images["label"]
    series = images["path"].str.extract(SERIES, expand=False).fillna(images["path"])
    size = series.groupby([label, series]).transform("size")
    return series, (size > 1) & (size * MIN_SERIES <= series.groupby(label).transform("size"))


def describe_divided_series(images: pd.DataFrame, near_duplicates: pd.DataFrame) -> str:
    """Return a sentence if series of photos with near-duplicates are in several splits, or "".

    `images` is a table SPLIT, and `near_duplicates` is a table NEAR_DUPLICATES. The names in a
    series differ only in the last number, and the series contains at most a fifth of its class (1 /
    MIN_SERIES).
    """
    series, is_short = _short_series(images)
    series = series.where(is_short).set_axis(images["path"])
    own, nearest = (near_duplicates[name].map(series) for name in ("path", "nearest"))
    shared = own[own == nearest]
    splits = images["split"].set_axis(images["path"]).groupby(series[series.isin(shared)]).nunique()
    names = splits.index[splits > 1]
    if names.empty:
        return ""
    return (
        f"Some photos of {len(names)} series, such as {printable(names[0])}, are "
        "near-duplicates of one another, and others of each series are in other splits: the scores "
        "may be too high for new photos. To keep a series in one split, see split.group."
    )


def independent(images: pd.DataFrame) -> pd.Series:
    """Return the series of each image in a table SPLIT, or its group if the names reveal none."""
    series = find_series(images)
    return images["group"] if series is None else series


def accuracy_by_series(together: np.ndarray, apart: np.ndarray, actual: np.ndarray) -> float | None:
    """Return the accuracy of `apart` if other images in a series make an image easier to predict.

    In `together`, the images of a series are in different folds, and in `apart`, they are in the
    same fold. The series matters if the accuracy of `together` is significantly higher, by more
    than MIN_GAIN. Both are probabilities `(images, classes)`, with NaN for images without a
    prediction. `actual` contains class indices.
    """
    is_judged = ~np.isnan(together + apart).any(axis=1)
    right, right_apart = (
        values[is_judged].argmax(axis=1) == actual[is_judged] for values in (together, apart)
    )
    differences = right.astype(float) - right_apart
    if not differences.sum() > MIN_GAIN * len(right):
        return None
    if paired_test(differences, np.arange(len(right))) >= ALPHA:
        return None
    return float(right_apart.mean())


def describe_series(images: pd.DataFrame, accuracy: float, by_series: float) -> str:
    """Return a sentence on `accuracy_by_series`, and on the accuracy with series in several folds.

    `images` is a table SPLIT in which `find_series` finds series.
    """
    series = independent(images)
    example = series[series != images["group"]].mode()[0]
    return (
        f"File names suggest series of photos, such as {printable(example)}: cross-validated "
        f"accuracy {accuracy:.1%}, and {by_series:.1%} with each series in one fold, as for "
        f"photos of other series. To keep each series in one split, set split.group: '{SERIES}'."
    )
