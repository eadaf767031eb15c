"""Remove images with the same pixels: keep one of them, or none if their labels differ."""

import numpy as np
import pandas as pd

from pawprint.classes import UNLABELLED
from pawprint.errors import printable


def without_duplicates(images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Remove exact duplicates from images. Also return a REJECTED row for each duplicate removed.

    `images` is sorted by path and has the columns `path`, `label`, `archive_split` and
    `pixels_sha256`.
    """
    paths = images["path"]
    # Copies usually have longer names, such as IMG_3 (1).jpg for IMG_3.jpg.
    keys = paths.str.len(), images["archive_split"] != "test", images["label"] == ""
    images = images.iloc[np.lexsort(keys)]  # the last key is the primary one
    images = images.assign(known=images["label"].where(images["label"] != ""))
    copies = images.groupby("pixels_sha256", sort=False)
    is_contradictory = copies["known"].transform("nunique") > 1
    is_repeated = images.duplicated("pixels_sha256")
    is_rejected = is_repeated | is_contradictory
    columns = ["path", "label"]
    # Each row is a duplicate of the first image in its group; that image duplicates the second one.
    twin = copies[columns].transform("first").where(is_repeated, copies[columns].shift(-1), axis=0)
    labels = images["label"].replace("", UNLABELLED)
    twin_labels = twin["label"].replace("", UNLABELLED)
    detail = labels + " with the pixels of " + twin["path"] + ", " + twin_labels
    rejected = pd.DataFrame(
        {
            "path": images["path"][is_rejected].map(printable),
            "reason": np.where(is_contradictory, "contradictory", "duplicate")[is_rejected],
            "detail": detail[is_rejected].map(printable),
        }
    )
    return images[~is_rejected].drop(columns="known").sort_values("path"), rejected
