"""Find photo series, such as video frames, by file name: their photos are not independent."""

import numpy as np
import pandas as pd

from pawprint.classes import SIGNIFICANT
from pawprint.errors import printable
from pawprint.scores.intervals import (
    paired_test,
)

# A pattern for `split.group`: the path up to the last number in the file name.
SERIES = "^(.*[^0-9])[0-9]+[^0-9/]*$"
MIN_SERIES = 5  # per class; equal to the number of folds
MIN_FRACTION = 0.5  # of all images
MAX_COUNTED = 0.1  # fraction of images with numbers that merely count photos
MIN_GAIN = 0.01  # difference in accuracy


def find_series(images: pd.DataFrame) -> pd.Series | None:
    """Return each image's series in a SPLIT table, or None if the names reveal no series.

    For example, `tracks/7_01.png` and `tracks/7_02.png` belong to the series `tracks/7_` if that
    series contains at most a fifth of its class (1 / MIN_SERIES) and the class has at least
    MIN_SERIES series. If the series is larger, the images in the class were merely numbered, as in
    `cat/001.jpg`. Merely numbered images and images without a number use their group instead of a
    series. The names reveal series if at least MIN_FRACTION of the images are in one, if at most
    MAX_COUNTED are merely numbered, and if the split divides at least one series.
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
    """Return each image's path up to its last number, and whether this prefix is a short series.

    A short series has at least two images, and at most a fifth of the class (1 / MIN_SERIES). A
    path without a number is returned unchanged.
    """
    label = images["label"]
    series = images["path"].str.extract(SERIES, expand=False).fillna(images["path"])
    size = series.groupby([label, series]).transform("size")
    return series, (size > 1) & (size * MIN_SERIES <= series.groupby(label).transform("size"))


def describe_divided_series(images: pd.DataFrame, near_duplicates: pd.DataFrame) -> str:
    """Return a sentence if photo series with near-duplicates are in several splits, otherwise "".

    `images` is a SPLIT table, and `near_duplicates` is a NEAR_DUPLICATES table. The names in a
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
        f"In {len(names)} series, such as {printable(names[0])}, some photos are near-duplicates "
        "of one another, and other photos of the same series are in other splits, so the scores "
        "may be too high for new photos. To keep each series in one split, see split.group."
    )


def independent(images: pd.DataFrame) -> pd.Series:
    """Return each image's series in a SPLIT table, or its group if the names reveal no series."""
    series = find_series(images)
    return images["group"] if series is None else series


def accuracy_by_series(together: np.ndarray, apart: np.ndarray, actual: np.ndarray) -> float | None:
    """Return the accuracy with `apart` if images are easier to predict from others in their series.

    In `together`, the images of a series are in different folds, and in `apart`, they are in the
    same fold. The series matters if the accuracy with `together` is significantly higher, by more
    than MIN_GAIN. Both arguments are probabilities `(images, classes)`, with NaN for images without
    a prediction. `actual` contains class indices.
    """
    is_judged = ~np.isnan(together + apart).any(axis=1)
    right, right_apart = (
        values[is_judged].argmax(axis=1) == actual[is_judged] for values in (together, apart)
    )
    differences = right.astype(float) - right_apart
    if not differences.sum() > MIN_GAIN * len(right):
        return None
    if paired_test(differences, np.arange(len(right))) >= SIGNIFICANT:
        return None
    return float(right_apart.mean())


def describe_series(images: pd.DataFrame, accuracy: float, by_series: float) -> str:
    """Return a sentence about `accuracy_by_series` and the accuracy with series in several folds.

    `images` is a SPLIT table in which `find_series` finds series.
    """
    series = independent(images)
    example = series[series != images["group"]].mode()[0]
    return (
        f"File names suggest series of photos, such as {printable(example)}: cross-validated "
        f"accuracy {accuracy:.1%}, and {by_series:.1%} with each series in one fold, as for "
        f"photos from new series. To keep each series in one split, set split.group: '{SERIES}'."
    )
