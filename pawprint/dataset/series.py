"""Find photo series, such as the frames of a video, in file names and in metadata.csv.

Photos in a series are not independent: they are alike in more than their class. Series found here
are candidates, because names only suggest them; `train_extract` measures whether they matter.
"""

import re

import pandas as pd

from pawprint.dataset.folder_names import split_in_words
from pawprint.errors import printable

MIN_FRACTION = 0.5  # of all images, and of all values
WHOLE = 0.9  # minimum fraction of a class that seems to come from one series
# Endings of a path from its class folder on, with the end of the group for `split.group`: up to a
# number, such as the ones in a date and a time, and up to the file name.
UP_TO_NUMBER = ["[^0-9]*" + "[0-9]+[^0-9]+" * numbers + ")[0-9]" for numbers in range(8)]
FOLDER = ".*/)[^/]+$"
# The name without the mark of an edited copy, such as _aug3, -edited, (+2.0) or .rf.0f3a9c17.
WORDS = "aug|augmented|edited|original"
MARK = rf"(?:[ _-]?\([+-][0-9.]+\)|[ _-](?:{WORDS})[_-]?[0-9]*|\.rf\.[0-9A-Za-z]+)"
WITHOUT_MARK = rf"(?:[^/]+/)*[^/]+?){MARK}*\.[^./]+$"


def find_series(images: pd.DataFrame) -> tuple[str, pd.Series]:
    """Return an expression for `split.group`, and the series that it finds in each path.

    `images` has the columns `path`, `label`, `archive_split` and `group`. Of all expressions that
    find series (see `series_among`), the one with the fewest series is returned, because it keeps
    the most images together. If there is none, the expression and all series are "". Names of
    edited copies are an exception: they may be few.
    """
    start, folders = _folders(images)
    found = {}
    for end in (*UP_TO_NUMBER, FOLDER, WITHOUT_MARK):
        expression = f"{start}({folders}{end}"
        keys = images["path"].str.extract(expression, expand=False)
        found[expression] = series_among(keys, images, 0 if end == WITHOUT_MARK else MIN_FRACTION)
    return _fewest(found, images)


def find_metadata_series(images: pd.DataFrame, metadata: pd.DataFrame) -> tuple[str, pd.Series]:
    """Return a column in a METADATA table, such as patient, and its series, as `find_series` does.

    Most values of the column belong to one class.
    """
    found = {}
    for column, cells in metadata.groupby("column"):
        values = images["path"].map(cells.set_index("path")["value"])
        if (images["label"].groupby(values).nunique() == 1).mean() > MIN_FRACTION:
            found[column] = series_among(values, images)
    return _fewest(found, images)


def series_among(
    keys: pd.Series, images: pd.DataFrame, min_fraction: float = MIN_FRACTION
) -> pd.Series:
    """Return the key of each image that is in a series, and "" for other images.

    A series consists of several images, at most half of its class, which has two or more series.
    All are "" if at most `min_fraction` of the keys or fewer of the images are in series, or if
    each series is in one group.
    """
    labels = images["label"]
    keys = keys.fillna("")
    size = keys.groupby([labels, keys]).transform("size")
    is_series = (keys != "") & (size > 1) & (2 * size <= keys.groupby(labels).transform("size"))
    is_series &= keys.where(is_series).groupby(labels).transform("nunique") > 1
    are_several = keys[keys != ""].value_counts() > 1
    is_divided = (images["group"].groupby(keys.where(is_series)).nunique() > 1).any()
    is_found = is_series.mean() >= min_fraction and are_several.mean() > min_fraction
    return keys.where(is_series & is_divided & is_found, "")


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
    """Return expressions for the folders that are no series: up to the split, and of the class."""
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


def _fewest(found: dict[str, pd.Series], images: pd.DataFrame) -> tuple[str, pd.Series]:
    numbers = {name: series[series != ""].nunique() for name, series in found.items()}
    names = sorted((name for name in found if numbers[name]), key=numbers.__getitem__)
    return (names[0], found[names[0]]) if names else ("", pd.Series("", images.index))
