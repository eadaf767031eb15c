"""Pairs of images that look alike."""

import numpy as np
import pandas as pd

BLOCK = 1024  # rows of the distance matrix in memory at a time: 200 MB for 25,000 images


def near_duplicates(hashes: pd.Series, max_distance: int) -> pd.DataFrame:
    """Pairs of images whose perceptual hashes differ in at most `max_distance` bits.

    `hashes` are 64 bits each, as hexadecimal text. The result has the int64 columns `first` and
    `second`, two positions with first < second, and `distance`, the number of different bits.
    """
    values = np.array([int(value, 16) for value in hashes], np.uint64)
    found = [np.empty((0, 3), np.int64)]
    for start in range(0, len(values), BLOCK):
        rows = values[start : start + BLOCK, None]
        distance = np.bitwise_count(rows ^ values[None, start:])
        close = np.argwhere(np.triu(distance <= max_distance, k=1))
        found.append(np.column_stack([close + start, distance[tuple(close.T)]]))
    return pd.DataFrame(np.concatenate(found), columns=["first", "second", "distance"])


def nearest(pairs: pd.DataFrame) -> pd.DataFrame:
    """A row for each position in a pair, with the int64 columns `image`, `nearest`, `distance`.

    `nearest` is the position of the image at the smallest distance; of several, the lowest.
    """
    one_way = pairs.set_axis(["image", "nearest", "distance"], axis="columns")
    other_way = pairs.set_axis(["nearest", "image", "distance"], axis="columns")
    both = pd.concat([one_way, other_way]).sort_values(["image", "distance", "nearest"])
    return both.drop_duplicates("image")
