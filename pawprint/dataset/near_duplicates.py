"""Pairs of images that look alike."""

import itertools
import math
from functools import partial

import numpy as np
import pandas as pd

from pawprint.images.threads import map_in_threads

BITS = 64
ROWS, COLUMNS = 16, 4096  # of the distance matrix in a core's cache
# Nanoseconds, to choose a search: per hash and sort, per pair of a bucket, per pair of all pairs.
SORT, BUCKET_PAIR, PAIR = 25, 10, 0.6
MIXER = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hashing: 2**64 / golden ratio
Pairs = np.ndarray  # int64 `(pairs, 2)`, positions


def near_duplicates(hashes: pd.Series, max_distance: int) -> pd.DataFrame:
    """Pairs of images whose perceptual hashes differ in at most `max_distance` bits.

    `hashes` are 64 bits each, as hexadecimal text. The result has the int64 columns `first` and
    `second`, two positions with first < second, and `distance`, the number of different bits. Of
    images with the same hash, each is paired with the first one, and only the first one is paired
    with images of other hashes.
    """
    values = np.array([int(value, 16) for value in hashes], np.uint64)
    distinct, first, of_image = np.unique(values, return_index=True, return_inverse=True)
    same = np.column_stack([first[of_image], np.arange(len(values))])
    alike = first[search(distinct, max_distance)]
    pairs = np.concatenate([same[same[:, 0] != same[:, 1]], np.sort(alike, axis=1)])
    frame = pd.DataFrame(pairs, columns=["first", "second"])
    return frame.assign(distance=np.bitwise_count(np.bitwise_xor(*values[pairs.T])).astype(int))


def search(hashes: np.ndarray, max_distance: int) -> Pairs:
    """All pairs of distinct hashes, uint64, that differ in at most `max_distance` bits.

    Of b blocks of bits, hashes that differ in d bits share at least b - d. So for each subset of
    b - d blocks, the hashes that are equal in them are compared. b is chosen by the expected time;
    for a large d and few hashes all pairs are compared.
    """
    pairs = len(hashes) ** 2 / 2

    def cost(shared: int) -> float:
        blocks = max_distance + shared
        in_buckets = pairs / 2 ** (BITS * shared / blocks)
        return math.comb(blocks, shared) * (len(hashes) * SORT + in_buckets * BUCKET_PAIR)

    shared = min(range(1, BITS - max_distance + 1), key=cost, default=0)
    if not shared or cost(shared) > pairs * PAIR:
        tiles = range(0, len(hashes), ROWS)
        found = map_in_threads(partial(_compare_all, hashes, max_distance), tiles)
    else:
        subsets = itertools.combinations(range(max_distance + shared), shared)
        blocks = _blocks(max_distance + shared)
        found = map_in_threads(partial(_compare_buckets, hashes, max_distance, blocks), subsets)
    return np.concatenate([np.empty((0, 2), np.int64), *found])


def _blocks(number: int) -> list[np.uint64]:
    """Masks of so many blocks, of equal size up to one bit, that hold each of the bits once."""
    edges = [BITS * index // number for index in range(number + 1)]
    return [np.uint64((1 << end) - (1 << start)) for start, end in itertools.pairwise(edges)]


def _compare_buckets(
    hashes: np.ndarray, max_distance: int, blocks: list[np.uint64], subset: tuple[int, ...]
) -> Pairs:
    """The pairs that are equal in a subset of the blocks, but for those of an earlier subset."""
    mask = np.bitwise_or.reduce([blocks[block] for block in subset])
    low = np.uint64(len(hashes).bit_length())
    # The mixed bits of the subset, and below them the position, which the sort takes along. Other
    # bits may be mixed to the same, which makes more pairs to compare, but none is missed.
    keys = np.sort(
        ((hashes & mask) * MIXER >> low << low) | np.arange(len(hashes), dtype=np.uint64)
    )
    position = (keys & np.uint64((1 << int(low)) - 1)).astype(np.int64)
    keys >>= low
    ordered = hashes[position]
    found = [np.empty((0, 2), np.int64)]
    start = np.arange(len(keys))
    for step in itertools.count(1):
        start = start[: np.searchsorted(start, len(keys) - step)]
        start = start[keys[start] == keys[start + step]]
        if not len(start):
            break
        difference = ordered[start] ^ ordered[start + step]
        close = np.flatnonzero(np.bitwise_count(difference) <= max_distance)
        one, difference = start[close], difference[close]
        is_first = (difference & mask) == 0
        for block in set(range(subset[-1])).difference(subset):
            is_first &= (difference & blocks[block]) != 0
        one = one[is_first]
        found.append(np.column_stack([position[one], position[one + step]]))
    return np.concatenate(found)


def _compare_all(hashes: np.ndarray, max_distance: int, row: int) -> Pairs:
    """The pairs of a tile of rows and of the columns from there on."""
    found = [np.empty((0, 2), np.int64)]
    rows = hashes[row : row + ROWS, None]
    for column in range(row, len(hashes), COLUMNS):
        columns = hashes[column : column + COLUMNS]
        distance = np.bitwise_count(rows ^ columns)
        one, other = np.divmod(np.flatnonzero(distance <= max_distance), len(columns))
        pairs = np.column_stack([one + row, other + column])
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found)


def nearest(pairs: pd.DataFrame) -> pd.DataFrame:
    """A row for each position in a pair, with the int64 columns `image`, `nearest`, `distance`.

    `nearest` is the position of the image at the smallest distance; of several, the lowest.
    """
    one_way = pairs.set_axis(["image", "nearest", "distance"], axis="columns")
    other_way = pairs.set_axis(["nearest", "image", "distance"], axis="columns")
    both = pd.concat([one_way, other_way]).sort_values(["image", "distance", "nearest"])
    return both.drop_duplicates("image")
