"""Find photo series, such as the frames of a video, in file names and in metadata.csv.

Photos in a series are not independent: they are alike in more than their class. Series found here
are candidates, because names only suggest them; `train_extract` measures whether they matter.
"""

import re

import pandas as pd

from pawprint.base.errors import printable
from pawprint.data.folder_names import split_in_words

# Fraction of all images; random hexadecimal names have fewer in series. Edited copies may be few.
MIN_FRACTION = 0.4
WHOLE = 0.9  # minimum fraction of a class that seems to come from one series
# Endings of a path from its class folder on, with the end of the group for `split.group`: up to a
# number, such as the ones in a date and a time, and up to the file name.
UP_TO_NUMBER = ["[^0-9]*" + "[0-9]+[^0-9]+" * numbers + ")[0-9]" for numbers in range(8)]
FOLDER = ".*/)[^/]+$"
# The name without the mark of an edited copy, such as _aug3, -edited, (+2.0) or .rf.0f3a9c17.
WORDS = "aug|augmented|edited|original"
MARK = rf"(?:[ _-]?\([+-][0-9.]+\)|[ _-](?:{WORDS})[_-]?[0-9]*|\.rf\.[0-9A-Za-z]+)"
MARKED = rf"{MARK}\.[^./]+$"
WITHOUT_MARK = rf"(?:[^/]+/)*[^/]+?){MARK}*\.[^./]+$"


def find_series(images: pd.DataFrame) -> tuple[str, pd.Series]:
    """Return an expression for `split.group`, and the series that it finds in each path.

    `images` has the columns `path`, `label`, `archive_split` and `group`. Both are "" if the names
    suggest no series.
    """
    start, folders = _folders(images)
    found = {}
    for end in (*UP_TO_NUMBER, FOLDER, WITHOUT_MARK):
        expression = f"{start}({folders}{end}"
        keys = images["path"].str.extract(expression, expand=False)
        min_fraction = MIN_FRACTION
        if end == WITHOUT_MARK:  # the same name in two split folders is not an edited copy
            keys = keys.where(keys.isin(keys[images["path"].str.contains(MARKED)]))
            min_fraction = 0
        found[expression] = _series_among(keys, images, min_fraction)
    return _widest(found, images)


def find_metadata_series(images: pd.DataFrame, metadata: pd.DataFrame) -> tuple[str, pd.Series]:
    """Return a column in a METADATA table, such as patient, and each image's series in it."""
    found = {}
    for column, rows in metadata.groupby("column"):
        values = images["path"].map(rows.set_index("path")["value"])
        found[column] = _series_among(values, images, MIN_FRACTION)
    return _widest(found, images)


def _widest(found: dict[str, pd.Series], images: pd.DataFrame) -> tuple[str, pd.Series]:
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
    columns as in `find_series`.
    """
    start, folders = _folders(images)
    labels = images["label"]
    for end in UP_TO_NUMBER[1:]:
        keys = images["path"].str.extract(f"{start}{folders}({end}", expand=False).fillna("")
        most = keys.groupby(labels).agg(lambda values: values.mode()[0])
        numbers = most.str.extract("([0-9]+)[^0-9]*$", expand=False).fillna("")
        is_named = [number in label for label, number in numbers.items()]
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
    splits = {
        re.escape(folder)
        for path, split in zip(paths, images["archive_split"])
        for folder in path.split("/")[:-1]
        if split and split_in_words(folder) == split
    }
    start = f"^(?:.*/)?(?:{'|'.join(sorted(splits))})/" if splits else "^"
    folders = ""
    while True:
        deeper = paths.str.extract(f"{start}({folders}[^/]+/)", expand=False)
        if deeper.isna().any() or deeper.groupby(images["label"]).nunique().max() > 1:
            return start, folders
        folders += "[^/]+/"
