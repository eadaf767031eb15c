"""Measure how much photo series, such as the frames of a video, raise the accuracy."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.classes import SIGNIFICANT
from pawprint.errors import printable
from pawprint.scores.intervals import holm, paired_test

# The path up to the last number in the file name.
SERIES = "^(.*[^0-9])[0-9]+[^0-9/]*$"
MIN_SERIES = 5  # per class
MIN_FALL = 0.01  # in accuracy


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


def independent(images: pd.DataFrame, choices: Mapping) -> pd.Series:
    """Return each image's series in a SPLIT table if series matter, otherwise its group.

    `choices` is the content of data/cross_validation.json. Its entry `series`, if any, is a column
    of SPLIT. Images without a series keep their group.
    """
    if "series" not in choices:
        return images["group"]
    series = images[choices["series"]]
    return series.where(series != "", images["group"])


class Comparison(NamedTuple):
    """The p-value of the fall in accuracy with each series in one fold, and that accuracy."""

    p_value: float
    accuracy: float


def compare_folds(together: np.ndarray, apart: np.ndarray, actual: np.ndarray) -> Comparison:
    """Compare the accuracy with series in several folds and with each series in one fold.

    `together` and `apart` are the probabilities of the two, `(images, classes)`, with NaN for
    images without a prediction. `actual` contains class indices. The p-value is 1 unless the
    accuracy falls by more than MIN_FALL.
    """
    is_judged = ~np.isnan(together + apart).any(axis=1)
    if not is_judged.any():
        return Comparison(1, 1)
    right, right_apart = (
        values[is_judged].argmax(axis=1) == actual[is_judged] for values in (together, apart)
    )
    differences = right.astype(float) - right_apart
    falls = differences.mean() > MIN_FALL
    p_value = paired_test(differences, np.arange(len(right))) if falls else 1.0
    return Comparison(p_value, float(right_apart.mean()))


def lowest(compared: Mapping[str, Comparison]) -> str | None:
    """Return the key with the lowest accuracy among the significant falls, or None."""
    levels = holm([comparison.p_value for comparison in compared.values()], SIGNIFICANT)
    told = [name for name, level in zip(compared, levels) if compared[name].p_value < level]
    return min(told, key=lambda name: compared[name].accuracy, default=None)


def describe_series(images: pd.DataFrame, accuracy: float, choices: Mapping) -> str:
    """Return a sentence about the effect of series on the cross-validated accuracy.

    `images` is a SPLIT table, and `choices` is the content of data/cross_validation.json with its
    entries for series.
    """
    series = images[choices["series"]]
    example = printable(series[series != ""].mode()[0])
    origin = printable(choices["series_from"])
    if choices["series"] == "series":
        named = f"series, which file names suggest, such as {example}"
        advice = f"set split.group: '{origin}'"
    else:
        named = f"values of {origin} in metadata.csv, such as {example}"
        advice = f"rename the column {origin} to group"
    return (
        f"Will new photos come from new {named}? If so, expect an accuracy of "
        f"{choices['accuracy_by_series']:.1%} instead of {accuracy:.1%}: the first is "
        f"cross-validated with each of these in one fold. To keep each in one split, {advice}, and "
        "if the archive has its own splits, set split.use_archive_split: false."
    )
