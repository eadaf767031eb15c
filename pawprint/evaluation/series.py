"""Series of photos, such as the frames of a video, that the names of the files tell."""

import numpy as np
import pandas as pd

from pawprint.errors import printable
from pawprint.evaluation.intervals import mcnemar

# For `split.group`: the path up to the last number in the name of the file.
SERIES = "^(.*[^0-9])[0-9]+[^0-9/]*$"
MIN_SERIES = 5  # in a class, as many as the folds of a cross-validation
MIN_FRACTION = 0.5  # of the images
SIGNIFICANT, MIN_DIFFERENCE = 0.05, 0.01


def find_series(images: pd.DataFrame) -> pd.Series | None:
    """The series of each image of a table SPLIT, or None where the names tell none.

    The images of `tracks/7_01.png` and `tracks/7_02.png` are of the series `tracks/7_`. An image
    without a number in its name is alone. The names tell series if at least MIN_FRACTION of the
    images are in series of several images of their class, MIN_SERIES or more of these in a class,
    and if the groups of the split divide a series.
    """
    series = images["path"].str.extract(SERIES, expand=False).fillna(images["path"])
    is_of_several = series.groupby([images["label"], series]).transform("size") > 1
    number = series.where(is_of_several).groupby(images["label"]).transform("nunique")
    is_divided = images["group"].groupby(series).nunique().max() > 1
    is_told = (is_of_several & (number >= MIN_SERIES)).mean() >= MIN_FRACTION
    return series if is_divided and is_told else None


def independent(images: pd.DataFrame) -> pd.Series:
    """The series of each image of a table SPLIT where the names tell some, or else its group."""
    series = find_series(images)
    return images["group"] if series is None else series


def describe_series(
    together: np.ndarray, apart: np.ndarray, actual: np.ndarray, example: str
) -> str:
    """A sentence if images are predicted better by others of their series, or else "".

    That is if the accuracy of `together`, where images of one series are in several folds, is
    higher by more than MIN_DIFFERENCE than that of `apart`, where each series is in one fold, and
    McNemar's test rejects. Both are probabilities `(images, classes)`, NaN for an image that is not
    judged; `actual` holds class indices, `example` is the name of a series.
    """
    is_judged = ~np.isnan(together + apart).any(axis=1)
    right, right_apart = (
        each[is_judged].argmax(axis=1) == actual[is_judged] for each in (together, apart)
    )
    only = int((right & ~right_apart).sum()), int((right_apart & ~right).sum())
    difference = (only[0] - only[1]) / max(1, len(right))
    if difference <= MIN_DIFFERENCE or mcnemar(*only) >= SIGNIFICANT:
        return ""
    return (
        f"the names tell series of photos, such as {printable(example)}: cross-validated accuracy "
        f"{right.mean():.1%}, and {right_apart.mean():.1%} with each series in one fold, as for "
        f"photos of other series. To keep each series in one split, set split.group: '{SERIES}'"
    )
