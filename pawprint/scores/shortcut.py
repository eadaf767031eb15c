"""Whether properties of the files alone, without what the images show, tell a class."""

import warnings
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.tables import training_images

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
