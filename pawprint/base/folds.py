"""Join images to groups, and draw folds and splits with a hash instead of by their order.

A generator with a fixed seed draws by position, so adding or removing an image changes nearly every
draw. Here, images or groups are sorted by a hash of their keys, and the order is cut at certain
ranks, so that adding or removing an image only changes draws at the cuts. Keys are `pixels_sha256`,
so a new name or path changes nothing. Each purpose has its own order.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd


def hash_keys(keys: Iterable[object], purpose: str) -> np.ndarray:
    """Return a hash of the text of each key, uint64 `(keys,)`, the same on every platform."""
    digests = (hashlib.sha256(f"{purpose}:{key}".encode()).digest() for key in keys)
    return np.fromiter((int.from_bytes(digest[:8]) for digest in digests), np.uint64)


def smallest_keys(groups: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return the smallest key in each group, in the order of `np.unique(groups)`."""
    return pd.Series(keys).groupby(groups).min().to_numpy()


def draw_places(strata: np.ndarray, keys: Iterable[object], purpose: str) -> np.ndarray:
    """Return the position of each key in its stratum, float64 `(keys,)` in [0, 1).

    It is the rank of the hash, counted from 0, divided by the number of keys. The keys with a
    position below a fraction are therefore this fraction of each stratum, and at least one key.
    """
    hashes = pd.Series(hash_keys(keys, purpose)).groupby(strata)
    return ((hashes.rank(method="first") - 1) / hashes.transform("size")).to_numpy()


FOLDS = 5
STEPS = 1024  # resolution for the position of a class's first cut


def draw_folds(labels: np.ndarray, groups: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return the fold of each image, int64 `(images,)` in [0, FOLDS), the same in a group.

    The groups of each class are sorted by their hashes and cut into FOLDS parts of equal size, up
    to one group. A class with two groups is in two folds. The key of a group is the smallest of its
    images' `keys`. A group counts for the class that most of its images belong to, or for the first
    one in case of a tie. If no class has two groups, all groups are cut together.

    Adding, removing or changing a group moves at most FOLDS - 1 other groups in each class that it
    counts for, and none in other classes, unless no class has two groups.
    """
    group = np.unique(groups, return_inverse=True)[1]
    label = _label_of_groups(group, labels)
    names, classes = np.unique(label, return_inverse=True)
    if len(names) == len(label):
        classes = np.zeros(len(label), int)
    hashes = pd.Series(hash_keys(smallest_keys(group, keys), "folds")).groupby(classes)
    rank = hashes.rank(method="first").astype(int) - 1
    # If FOLDS does not divide the number of groups, the larger folds differ between classes.
    start = (hash_keys(names, "first fold") % STEPS).astype(int)[classes]
    fold = FOLDS * (STEPS * rank + start) // (STEPS * hashes.transform("size"))
    return fold.to_numpy()[group]


def _label_of_groups(group: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the class that each group counts for, `(groups,)`."""
    sizes = pd.DataFrame({"group": group, "label": labels}).groupby(["group", "label"]).size()
    return sizes.groupby("group").idxmax().str[1].to_numpy()


def join_keys(one: pd.Series, other: pd.Series) -> pd.Series:
    """Return each image's group, or "": all images that share a text of either key are in one.

    A group has the name of its first text, so that it keeps its rank if others get another key.
    """
    # The same text may mean different things in both keys. A NUL would be lost, except in Arrow.
    one = one.mask((one != "") & one.isin(other), "\1" + one)
    codes, texts = pd.concat([one, other]).factorize(sort=True)
    of_one, of_other = np.split(codes, 2)
    joined = list(range(len(texts)))
    has_both = (one != "") & (other != "")
    for pair in zip(of_one[has_both].tolist(), of_other[has_both].tolist()):
        first, second = sorted(find(joined, text) for text in pair)
        joined[second] = first
    own = np.where(other == "", of_one, of_other)
    return pd.Series(texts[[find(joined, text) for text in own.tolist()]], one.index)


def find(joined: list[int], group: int) -> int:
    """Return the representative of a group and all groups joined with it, and shorten its path."""
    while joined[group] != group:
        joined[group] = joined[joined[group]]
        group = joined[group]
    return group
