"""Whether the images of the splits are of one kind, and independent.

Near-duplicates and series of photos, such as the frames of a video, are not independent.
"""

import warnings
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.errors import printable
from pawprint.project import SCORES
from pawprint.scores.intervals import (
    extend_to_zero,
    holm,
    linear_interval,
    paired_test,
    two_sets_test,
)
from pawprint.scores.metrics import APART, SLICE, fraction_cells
from pawprint.tables import training_images

MIN_IMAGES = 10  # of a slice
MAX_SLICES = 50  # of a column, the largest
DIFFERENCE = "slice_difference"


def measure_slices(test: pd.DataFrame, metadata: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Rows of SCORES, without `split`: for each slice its accuracy, and that minus the others'.

    `test` has the columns `path`, `correct` and `group`; `metadata` is a table METADATA. The others
    are the test images with another value in the column. A slice has MIN_IMAGES or more, and so
    have its others. Of two values the rarer is a slice, as both have the same test. The interval of
    the difference is extended to 0 where the test does not reject. The levels are Holm's, of all
    slices together.
    """
    slices = {}
    for column, of_column in test.merge(metadata, on="path").groupby("column"):
        groups = of_column["group"].to_numpy()
        values = of_column["value"].value_counts().index[:MAX_SLICES]
        for value in sorted(values if len(values) > 2 else values[1:]):
            is_in = of_column["value"] == value
            images, others = of_column[is_in], of_column[~is_in]
            if min(len(images), len(others)) >= MIN_IMAGES:
                tested = (of_column["correct"].to_numpy(), is_in.to_numpy(), groups)
                difference = images["correct"].mean() - others["correct"].mean()
                # DVC's plots are HTML.
                name = printable(f"{column}: {value}").replace("<", " ")
                slices.setdefault(name, (images, tested, difference, two_sets_test(*tested)))
    rows, levels = [], holm([p_value for *_, p_value in slices.values()], 1 - confidence)
    for level, (name, (images, tested, difference, p_value)) in zip(levels, slices.items()):
        interval = linear_interval(*tested, 1 - level, weights=(-1, 1))
        low, high = extend_to_zero(interval, p_value < level)
        correct, groups = images["correct"].to_numpy(), images["group"].to_numpy()
        rows.append((name, SLICE, *fraction_cells(correct, groups, confidence)))
        rows.append((name, DIFFERENCE, difference, low, high, len(images)))
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def describe_slices(scores: pd.DataFrame) -> list[str]:
    """A sentence for each slice in a table SCORES that is significantly worse than its others."""
    accuracy = scores[scores["score"] == SLICE].set_index("label")
    worse = scores[(scores["score"] == DIFFERENCE) & (scores["high"] < 0)]
    return [
        f"Of the {row.images:,} test images with {row.label}, {accuracy.loc[row.label].value:.1%} "
        f"are right, {-100 * row.value:.1f} points fewer than of the others "
        f"({-100 * row.high:.1f} to {-100 * row.low:.1f})."
        for row in worse.itertuples()
    ]


DIFFERENCES = {  # scores of SCORES, in words
    "accuracy_difference": "accuracy",
    "refused_difference": "images labelled unknown",
    "confidence_difference": "mean probability of the predicted class",
}
ALPHA = 0.05  # probability of a false alarm, at most: of the three by Bonferroni
# Validation decides which epoch is kept, and so is a little better than other images.
MIN_DIFFERENCE = 0.01


def measure_apart(
    test: pd.DataFrame, near_duplicates: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    """The test accuracy without images that look like one of another split: a row of SCORES.

    Empty if there is none such, or no other. `test` has the columns `path`, `group` and `correct`,
    `near_duplicates` is a table NEAR_DUPLICATES.
    """
    split_of = near_duplicates.set_index("path")["split"]
    is_divided = near_duplicates.groupby("group")["split"].transform("nunique") > 1
    is_divided |= near_duplicates["nearest"].map(split_of) != near_duplicates["split"]
    is_apart = ~test["path"].isin(near_duplicates["path"][is_divided])
    rows = []
    if 0 < is_apart.sum() < len(test):
        apart = test[is_apart]
        correct, groups = apart["correct"].to_numpy(), apart["group"].to_numpy()
        rows = [("", APART, *fraction_cells(correct, groups, confidence))]
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def compare_splits(validation: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Test minus validation: the rows DIFFERENCES of SCORES, without `split`.

    A row of a table is an image, with `group`, `correct`, `refused` as unknown, and `confidence`,
    the probability of the predicted class. Images of a group are not independent. The interval is
    extended to 0 where the test does not reject.
    """
    alpha, rows = ALPHA / len(DIFFERENCES), []
    both, is_test = (
        pd.concat([test, validation]),
        np.arange(len(test) + len(validation)) < len(test),
    )
    groups = both["group"].to_numpy()
    for score, column in zip(DIFFERENCES, ("correct", "refused", "confidence")):
        tested = both[column].to_numpy(float), is_test, groups
        interval = linear_interval(*tested, 1 - alpha, weights=(-1, 1))
        low, high = extend_to_zero(interval, two_sets_test(*tested) < alpha)
        difference = test[column].mean() - validation[column].mean()
        rows.append(("", score, difference, low, high, len(test)))
    return pd.DataFrame(rows, columns=list(SCORES)[1:])


def describe_shift(scores: pd.DataFrame) -> str:
    """A sentence on the rows of `compare_splits` in a table if one is an alarm, or else "".

    An alarm is an interval without 0 of a difference of at least MIN_DIFFERENCE.
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
        f"{differences}. Its images are of another kind, or of other proportions of the classes, "
        "or validation has near-duplicates of training images. Look at plots/errors.png and "
        "data/split/near_duplicates.csv."
    )


# For `split.group`: the path up to the last number in the name of the file.
SERIES = "^(.*[^0-9])[0-9]+[^0-9/]*$"
MIN_SERIES = 5  # in a class, as many as the folds of a cross-validation
MIN_FRACTION = 0.5  # of the images
MAX_COUNTED = 0.1  # of the images, with the numbers of another count
MIN_GAIN = 0.01  # of the accuracy


def find_series(images: pd.DataFrame) -> pd.Series | None:
    """The series of each image of a table SPLIT, or None where the names tell none.

    The images of `tracks/7_01.png` and `tracks/7_02.png` are of the series `tracks/7_`, if it has
    at most a fifth of its class (1 / MIN_SERIES), and the class has MIN_SERIES or more such. More
    of a class are images that somebody counted, as in `cat/001.jpg`. They, and images without a
    number, have their group in place of a series. The names tell series if at least MIN_FRACTION
    of the images are in one and at most MAX_COUNTED are counted otherwise, and if the groups of
    the split divide a series.
    """
    label, (series, is_short) = images["label"], _short_series(images)
    size = series.groupby([label, series]).transform("size")
    is_told = is_short & (series.where(is_short).groupby(label).transform("nunique") >= MIN_SERIES)
    if is_told.mean() < MIN_FRACTION or ((size > 1) & ~is_told).mean() > MAX_COUNTED:
        return None
    series = series.where(is_told, images["group"])
    return series if images["group"].groupby(series).nunique().max() > 1 else None


def _short_series(images: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The path of each image up to its last number, or all of it; whether that is a short series,
    of two images or more and at most a fifth of the class (1 / MIN_SERIES).
    """
    label = images["label"]
    series = images["path"].str.extract(SERIES, expand=False).fillna(images["path"])
    size = series.groupby([label, series]).transform("size")
    return series, (size > 1) & (size * MIN_SERIES <= series.groupby(label).transform("size"))


def describe_divided_series(images: pd.DataFrame, near_duplicates: pd.DataFrame) -> str:
    """A sentence if series of photos, of which some are near-duplicates, are in several splits.

    Or else "". `images` is a table SPLIT, `near_duplicates` a table NEAR_DUPLICATES. A series is of
    names that differ in the last number only, with at most a fifth of its class (1 / MIN_SERIES).
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
    """The series of each image of a table SPLIT where the names tell some, or else its group."""
    series = find_series(images)
    return images["group"] if series is None else series


def accuracy_by_series(together: np.ndarray, apart: np.ndarray, actual: np.ndarray) -> float | None:
    """The accuracy of `apart`, if images are predicted better by others of their series.

    That is if the accuracy of `together`, where images of one series are in several folds, is
    higher by more than MIN_GAIN than that of `apart`, where each series is in one fold, and the
    test rejects. Both are probabilities `(images, classes)`, NaN for an image that is not
    judged; `actual` holds class indices.
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
    """What `accuracy_by_series` is beside the accuracy where series are in several folds.

    `images` are those of a table SPLIT for training and validation, in which `find_series` finds
    some.
    """
    series = find_series(images)
    example = series[series != images["group"]].mode()[0]
    return (
        f"The names tell series of photos, such as {printable(example)}: cross-validated accuracy "
        f"{accuracy:.1%}, and {by_series:.1%} with each series in one fold, as for photos of other "
        f"series. To keep each series in one split, set split.group: '{SERIES}'."
    )


MAX_IMAGES = 500  # training images that are looked at
MIN_OF_CLASS = 10  # of them of a class
# Recall of the class, minus the fraction of the others that are taken for it. Planted borders and
# sizes have 0.82 to 1; brightness, which is content of satellite images, has 0.55 to 0.69.
MIN_KNOWN = 0.75
MIN_OF_RANGE = 0.5  # fraction of a class in a range of a property, minus that of the others
MIN_IMPORTANCE = 0.2  # of a property that is named


class Shortcut(NamedTuple):
    """A class, its recall by these properties alone, and the properties, the first the best."""

    label: str
    recall: float
    properties: list[str]


def find_shortcut(images: pd.DataFrame) -> Shortcut | None:
    """Return the class that a small tree knows best in folds, if it knows one.

    `images` has a row of each image: those of the tables SPLIT and IMAGES. The model may know such
    a class by how its photos were made, also if that says nothing of other classes.
    """
    table = training_images(images, MAX_IMAGES)
    label, values = table["label"].to_numpy(), _properties(table)
    if not _may_have_shortcut(label, values):
        return None
    # These take longer to import than the rest of the report takes.
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=4, min_samples_leaf=5, random_state=0)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    with warnings.catch_warnings(action="ignore"):  # of classes with fewer images than folds
        try:
            predicted = cross_val_predict(tree, values, label, groups=table["group"], cv=folds)
        except ValueError:  # too few images or groups
            return None
    best, most = None, MIN_KNOWN
    for name, number in table["label"].value_counts().items():
        of_class, of_others = (
            (predicted[side] == name).mean() for side in (label == name, label != name)
        )
        if number >= MIN_OF_CLASS and of_class - of_others >= most:
            best, most, recall = name, of_class - of_others, of_class
    if best is None:
        return None
    weights = tree.fit(values, label == best).feature_importances_
    order = np.argsort(-weights, kind="stable")
    seen = [values.columns[index] for index in order if weights[index] >= MIN_IMPORTANCE]
    return Shortcut(best, float(recall), seen)


def _may_have_shortcut(label: np.ndarray, values: pd.DataFrame) -> bool:
    """Whether a range of one property holds much more of a class than of the others."""
    for name, number in zip(*np.unique(label, return_counts=True)):
        is_class = label == name
        if MIN_OF_CLASS <= number < len(label):
            weight = np.where(is_class, 1 / number, -1 / (len(label) - number))
            for _, column in values.items():
                sums = pd.Series(weight).groupby(column.to_numpy()).sum().cumsum().to_numpy()
                before = np.minimum.accumulate(np.append(0, sums[:-1]))
                if (sums - before).max() >= MIN_OF_RANGE:
                    return True
    return False


def _properties(images: pd.DataFrame) -> pd.DataFrame:
    """Return numbers from which a class should not be known, a column each."""
    suffixes = [PurePosixPath(path).suffix.lower() for path in images["path"]]
    columns = {
        "aspect ratio": images["width"] / images["height"],
        "file format": np.unique(suffixes, return_inverse=True)[1],
        "border": _brightness_of_borders(images["perceptual_hash"]),
    }
    return images[["width", "height", "brightness"]].assign(**columns)


def _brightness_of_borders(hashes: pd.Series) -> np.ndarray:
    """Return int64 `(images,)`: 0 for a dark border, 14 for a bright one, and about 5 for none.

    A border that is darker than what it surrounds lowers all even frequencies of rows and of
    columns, a brighter one raises them. The hash has 16 x 16 bits, which say whether a frequency is
    above the median.
    """
    content = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)
    bits = np.unpackbits(content, axis=1).reshape(len(hashes), 16, 16)
    return bits[:, 2::2, 0].sum(axis=1, dtype=int) + bits[:, 0, 2::2].sum(axis=1, dtype=int)
