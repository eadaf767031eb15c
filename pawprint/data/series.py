"""Find photo series, such as the frames of a video, in file names, metadata.csv and EXIF times.

Photos in a series are not independent: they are alike in more than their class. Series found here
are candidates, because names only suggest them; `train_extract` measures whether they matter.
"""

import re

import pandas as pd

from pawprint.base.columns import CROPS
from pawprint.base.errors import printable
from pawprint.given.names import split_in_words

# Fraction of all images; random hexadecimal names have fewer in series. Edited copies may be few.
MIN_FRACTION = 0.4
WHOLE = 0.9  # minimum fraction of a class that seems to come from one series
# Endings of a path from its class folder on, with the end of the group for `split.group`: up to a
# number, such as the ones in a date and a time, and up to the file name.
UP_TO_NUMBER = ["[^0-9]*" + "[0-9]+[^0-9]+" * numbers + ")[0-9]" for numbers in range(8)]
# Up to a number inclusive, if a separator and words follow, such as 0012 in inv_0012_front.jpg.
WITH_NUMBER = [end.replace(")[0-9]", "[0-9]+)[ _-]") for end in UP_TO_NUMBER]
FOLDER = ".*/)[^/]+$"
# The name without the mark of an edited copy, such as _aug3, -edited, (+2.0) or .rf.0f3a9c17.
WORDS = "aug|augmented|edited|original"
MARK = rf"(?:[ _-]?\([+-][0-9.]+\)|[ _-](?:{WORDS})[_-]?[0-9]*|\.rf\.[0-9A-Za-z]+)"
BURST = pd.Timedelta(seconds=2)  # between two photos of one camera
VALUES = range(3, 21)  # numbers of sites or devices that are measured
ENOUGH = 5  # for an interval of the score at a new one
MARKED = rf"{MARK}\.[^./]+$"
WITHOUT_MARK = rf"(?:[^/]+/)*[^/]+?){MARK}*\.[^./]+$"


Found = tuple[str, pd.Series]  # where series come from, and that of each image; "" if none


def find_candidates(images: pd.DataFrame, metadata: pd.DataFrame) -> dict[str, Found]:
    """Return the columns SERIES. `images` has columns of IMAGES, and `metadata` is METADATA."""
    widest, finest = find_series(images)
    return {
        "series": widest,
        "finer_series": finest,
        "metadata_series": find_metadata_series(images, metadata),
        "burst": find_bursts(images),
        "crossed": find_crossed(images, metadata),
    }


def find_series(images: pd.DataFrame) -> tuple[Found, Found]:
    """Return two expressions for `split.group`, and the series that each finds in the paths.

    The first keeps the most pairs of images together. The second finds the most series, and is ""
    if these are no more. `images` has the columns `path`, `label`, `archive_split` and `group`.
    """
    start, folders = _folders(images)
    found = {}
    for end in (*UP_TO_NUMBER, *WITH_NUMBER, FOLDER, WITHOUT_MARK):
        expression = f"{start}({folders}{end}"
        keys = images["path"].str.extract(expression, expand=False)
        min_fraction = MIN_FRACTION
        if end == WITHOUT_MARK:  # the same name in two split folders is not an edited copy
            keys = keys.where(keys.isin(keys[images["path"].str.contains(MARKED)]))
            min_fraction = 0
        found[expression] = _series_among(keys, images, min_fraction)
    widest = _widest(found, images)
    most = max(found, key=lambda expression: found[expression].nunique())
    is_finer = found[most].nunique() > widest[1].nunique()
    return widest, (most, found[most]) if is_finer else ("", pd.Series("", images.index))


def find_metadata_series(images: pd.DataFrame, metadata: pd.DataFrame) -> Found:
    """Return a column in a METADATA table, such as patient, and each image's series in it."""
    columns = _values_in_columns(images, metadata)
    found = {name: _series_among(keys, images, MIN_FRACTION) for name, keys in columns.items()}
    return _widest(found, images)


def find_crossed(images: pd.DataFrame, metadata: pd.DataFrame) -> Found:
    """Return the column, such as site or camera, whose few values mostly have several labels.

    Among several such columns, it is the one with the fewest values, if possible ENOUGH. Without a
    value that most of the images have, few are left to learn from.
    """
    found = {}
    for name, values in _values_in_columns(images, metadata).items():
        numbers = images.groupby(values)[["label", "group"]].nunique()
        has_labels = (numbers["label"] > 1).mean() > 0.5
        is_divided = (numbers["group"] > 1).any() and values.notna().mean() >= MIN_FRACTION
        is_even = 2 * values.value_counts().max() <= len(values)
        if len(numbers) in VALUES and has_labels and is_divided and is_even:
            found[name] = values.fillna("")
    numbers_of = {name: values[values != ""].nunique() for name, values in found.items()}
    name = min(found, key=lambda name: (numbers_of[name] < ENOUGH, numbers_of[name]), default="")
    return (name, found[name]) if name else ("", pd.Series("", images.index))


def _values_in_columns(images: pd.DataFrame, metadata: pd.DataFrame) -> dict[str, pd.Series]:
    """Return each image's value, or NaN, in each column of a METADATA table."""
    return {
        str(column): images["path"].map(rows.set_index("path")["value"])
        for column, rows in metadata.groupby("column")
        if column not in ("confidence", CROPS)  # what `crop` writes about a box
    }


def find_bursts(images: pd.DataFrame) -> Found:
    """Return "EXIF", and for each photo of a burst by one camera, the first photo's path."""
    first = first_of_bursts(images[images["camera"] != ""], ["camera"]).reindex(images.index)
    return _widest({"EXIF": _series_among(first, images, MIN_FRACTION)}, images)


def first_of_bursts(photos: pd.DataFrame, source: list[str]) -> pd.Series:
    """Return the path of the first photo in each photo's burst, without photos that have no time.

    Photos of a burst have the same values in the columns `source`, such as the camera.
    """
    rows = photos[photos["taken"] != ""]
    rows = rows.assign(time=pd.to_datetime(rows["taken"], format="ISO8601", errors="coerce"))
    rows = rows.sort_values([*source, "time", "path"])
    is_next = rows.groupby(source)["time"].diff() <= BURST
    return rows["path"].mask(is_next).ffill()


def _widest(found: dict[str, pd.Series], images: pd.DataFrame) -> Found:
    """Return the name and the series that keep the most pairs of images together."""
    pairs = {name: (each[each != ""].value_counts() ** 2).sum() for name, each in found.items()}
    name = max(pairs, key=pairs.__getitem__, default="")
    return (name, found[name]) if pairs.get(name) else ("", pd.Series("", images.index))


def _series_among(keys: pd.Series, images: pd.DataFrame, min_fraction: float) -> pd.Series:
    """Return the key of each image that is in a series, and "" for other images.

    A series consists of several images, at most half of its class, which has two or more series.
    All are "" if less than `min_fraction` of the images are in series, if most series have several
    labels, as cameras do, or if the groups keep each series together.
    """
    labels = images["label"]
    keys = keys.fillna("")
    is_several = (keys != "") & keys.duplicated(keep=False)
    if not is_several.any() or is_several.mean() < min_fraction:  # as below, but in less time
        return pd.Series("", keys.index, name=keys.name)
    size = keys.groupby([labels, keys]).transform("size")
    is_series = (keys != "") & (size > 1) & (2 * size <= keys.groupby(labels).transform("size"))
    is_series &= keys.where(is_series).groupby(labels).transform("nunique") > 1
    numbers = images.groupby(keys.where(is_series))[["label", "group"]].nunique()
    has_one_label = (numbers["label"] == 1).mean() > 0.5
    is_found = is_series.mean() >= min_fraction and has_one_label and (numbers["group"] > 1).any()
    return keys.where(is_series & is_found, "")


def describe_single(images: pd.DataFrame) -> str:
    """Return a sentence if each class seems to have one series with a number, otherwise "".

    The numbers differ between the classes, but are not part of their names. `images` has the same
    columns as in `find_series`, and `series`: nothing is said if names suggest several series.
    """
    if (images["series"] != "").any():
        return ""
    start, folders = _folders(images)
    labels = images["label"]
    for end in UP_TO_NUMBER[1:]:
        keys = images["path"].str.extract(f"{start}{folders}({end}", expand=False).fillna("")
        most = keys.groupby(labels).agg(lambda values: values.mode()[0])
        numbers = most.str.extract("([0-9]+)[^0-9]*$", expand=False).fillna("")
        is_named = [(each.lstrip("0") or each[-1:]) in label for label, each in numbers.items()]
        if (keys == labels.map(most)).mean() >= WHOLE and most.is_unique and not any(is_named):
            return (
                f"in each class, the names suggest a single series, such as "
                f"{printable(most.iloc[0])}, so no score tells how well photos from new series are "
                "recognised. Add photos from other series"
            )
    return ""


def _folders(images: pd.DataFrame) -> tuple[str, str]:
    """Return expressions for the folders that are not series: up to the split, and of the class."""
    paths = images["path"]
    split_of = {*zip(paths.str.rpartition("/")[0], images["archive_split"])}
    splits = {
        re.escape(name)
        for folder, split in split_of
        for name in folder.split("/")
        if split and split_in_words(name) == split
    }
    start = f"^(?:.*/)?(?:{'|'.join(sorted(splits))})/" if splits else "^"
    folders = ""
    while True:
        deeper = paths.str.extract(f"{start}({folders}[^/]+/)", expand=False)
        if deeper.isna().any() or deeper.groupby(images["label"]).nunique().max() > 1:
            return start, folders
        folders += "[^/]+/"
