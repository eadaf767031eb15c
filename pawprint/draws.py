"""Draw with a hash, so that draws depend on the images and not on their number or order.

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
