"""Measure how much photo series, such as the frames of a video, and more images raise a score."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.base.columns import LEARNING_CURVE, SPLITS
from pawprint.base.errors import printable
from pawprint.base.folds import join_keys
from pawprint.base.imbalance import headline_strata
from pawprint.base.labels import kind_of
from pawprint.scores import intervals

MIN_FALL = 0.01  # in accuracy


def with_groups(images: pd.DataFrame, choices: Mapping) -> pd.DataFrame:
    """Return a SPLIT table in which images of different groups are independent.

    If series matter, images that share a series or a group are in one `group`. `choices` is the
    content of data/cross_validation.json; its entry `series`, if any, is the column of SPLIT that
    matters.
    """
    if "series" not in choices:
        return images
    return images.assign(group=join_keys(images["group"], images[choices["series"]]))


class Comparison(NamedTuple):
    """The p-value of the fall in accuracy with each series in one fold, and that accuracy."""

    p_value: float
    accuracy: float


def compare_folds(
    together: np.ndarray, apart: np.ndarray, actual: np.ndarray, groups: np.ndarray
) -> Comparison:
    """Compare the accuracy with series in several folds and with each series in one fold.

    `together` and `apart` are the probabilities of the two, `(images, classes)`, with NaN for
    images without a prediction. `actual` contains encoded labels, and `groups` contains the groups
    that the images have without these series. The p-value is 1 unless the accuracy falls by more
    than MIN_FALL.
    """
    is_predicted = ~np.isnan(together + apart).any(axis=1)
    if not is_predicted.any():
        return Comparison(1, 1)
    kind = kind_of(actual)
    actual = actual[is_predicted]
    right = kind.are_right(actual, together[is_predicted], actual)
    right_apart = kind.are_right(actual, apart[is_predicted], actual)
    differences = right.astype(float) - right_apart
    falls = differences.mean() > MIN_FALL
    p_value = intervals.paired_test(differences, groups[is_predicted]) if falls else 1.0
    return Comparison(p_value, float(right_apart.mean()))


def significant(compared: Mapping[str, Comparison]) -> list[str]:
    """Return the keys of the significant falls, the lowest accuracy first."""
    p_values = [comparison.p_value for comparison in compared.values()]
    levels = intervals.holm(p_values, intervals.SIGNIFICANT)
    told = [name for name, level in zip(compared, levels) if compared[name].p_value < level]
    return sorted(told, key=lambda name: compared[name].accuracy)


def describe_series(images: pd.DataFrame, accuracy: float, choices: Mapping) -> str:
    """Return a sentence about the effect of series on the cross-validated accuracy.

    `images` is a SPLIT table, and `choices` is the content of data/cross_validation.json with its
    entries for series. If the entry `group_from` is not "", it names the table that has a column
    `group`, and the advice is to add the series to this column.
    """
    name = choices["series"]
    series = images[name]
    groups = series.where(series != "")
    example = _example(series)
    origin = printable(choices["series_from"])
    if name == "burst":
        named = f"bursts of one camera, such as from {example} on"
        advice = "copy the column burst of data/split/images.csv to a column group of metadata.csv"
    elif name in ("series", "finer_series"):
        named = f"series, which file names suggest, such as {example}"
        groups = images["path"].str.extract(choices["series_from"], expand=False)
        advice = f"set split.group: '{origin}'"
    else:
        named = f"values of {origin} in metadata.csv, such as {example}"
        advice = f"rename the column {origin} to group"
    if choices["group_from"]:
        advice = (
            f"give its photos the same text in the column group of {choices['group_from']}, as in "
            f"the column {name} of data/split/images.csv"
        )
    tail = ", and if the archive has its own splits, set split.use_archive_split: false"
    remedy = f"To keep each in one split, {advice}{tail}"
    if not _are_enough(groups, images):
        remedy = "They are too few to keep each in one split: add photos of new ones"
        is_path = name == "series" and not choices["group_from"]
        finer = is_path and choices.get("finer_series_from")
        if finer and _are_enough(images["path"].str.extract(finer, expand=False), images):
            parts = f"their parts, such as {_example(images['finer_series'])}, together"
            remedy += f". To keep {parts}, set split.group: '{printable(finer)}'{tail}"
    return (
        f"Will new photos come from new {named}? If so, expect to be right on "
        f"{choices['accuracy_by_series']:.1%} instead of {accuracy:.1%}: the first is "
        f"cross-validated with each of these in one fold. {remedy}."
    )


def _example(series: pd.Series) -> str:
    return printable(series[series != ""].mode()[0])


def _are_enough(groups: pd.Series, images: pd.DataFrame) -> bool:
    """Return whether most classes, and two or more, have a group for each split.

    A group counts for the class that most of its images have. Images without one are their own.
    """
    own = groups.fillna(images["path"])
    label_of = images["label"].groupby(own).agg(lambda labels: labels.mode()[0])
    numbers = label_of.value_counts().reindex(images["label"].unique(), fill_value=0)
    have_each = numbers >= len(SPLITS)
    return have_each.mean() > 0.5 and have_each.sum() > 1


def tabulate_curve(
    actual: np.ndarray, groups: np.ndarray, curve: dict[int, np.ndarray]
) -> pd.DataFrame:
    """Return a LEARNING_CURVE table for the images that every fit predicts; it may be empty.

    `curve` maps the number of images in a fit to cross-validated probabilities `(images, classes)`,
    and `actual` contains encoded labels. Images in the same one of the `groups` count as one.
    """
    is_predicted = np.ones(len(actual), bool)
    for probabilities in curve.values():
        is_predicted &= ~np.isnan(probabilities).any(axis=1)
    if not is_predicted.any():
        return pd.DataFrame(columns=list(LEARNING_CURVE))
    actual = actual[is_predicted]
    groups = groups[is_predicted]
    right: np.ndarray | None = None
    score, strata = headline_strata(actual, kind_of(actual))
    weights = 1 / np.bincount(strata)[strata]
    rows = []
    for images, probabilities in curve.items():
        before = right
        right = kind_of(actual).are_right(actual, probabilities[is_predicted], actual)
        row = {"images": images, "accuracy": right.mean(), "score": score}
        if before is not None:
            gains = right.astype(float) - before
            interval = intervals.paired_interval(gains, strata, groups)
            p_value = intervals.paired_test(gains * weights, groups)
            low, high = intervals.extend_to_zero(interval, p_value < 1 - intervals.CONFIDENCE)
            row |= {"gain": np.average(gains, weights=weights), "low": low, "high": high}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(LEARNING_CURVE))
