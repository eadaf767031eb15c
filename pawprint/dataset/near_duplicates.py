"""Pairs of images that look alike."""

import itertools
import math
from functools import partial

import numpy as np
import pandas as pd

from pawprint.engine.threads import map_in_threads

BITS = 64
TILE = 65536  # distances in a core's cache at a time
COLUMNS = 4096  # of them, at most
PARTS = 64  # into which the comparison of all pairs is divided
# Nanoseconds, to choose a search: to sort a hash, to begin a bucket, to compare a pair.
SORT, BUCKET, PAIR = 40, 15_000, 0.6
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
    alike = first[search(distinct, max_distance, fastest(len(distinct), max_distance))]
    pairs = np.concatenate([same[same[:, 0] != same[:, 1]], np.sort(alike, axis=1)])
    frame = pd.DataFrame(pairs, columns=["first", "second"])
    return frame.assign(distance=np.bitwise_count(np.bitwise_xor(*values[pairs.T])).astype(int))


def search(hashes: np.ndarray, max_distance: int, shared: int) -> Pairs:
    """All pairs of distinct hashes, uint64, that differ in at most `max_distance` bits.

    The 64 bits are divided into `max_distance + shared` blocks. Two such hashes are equal in at
    least `shared` blocks. So for each subset of so many blocks, hashes that are equal in them form
    a bucket and are compared. With 0 shared blocks all pairs are compared.
    """
    blocks = _blocks(max_distance + shared)
    subsets = itertools.combinations(range(len(blocks)), shared)
    tasks = itertools.product(subsets, range(1 if shared else PARTS))
    found = map_in_threads(partial(_compare, hashes, max_distance, blocks), tasks)
    return np.concatenate([np.empty((0, 2), np.int64), *found])


def fastest(hashes: int, max_distance: int) -> int:
    """The number of shared blocks with which the search of so many hashes is fastest.

    It is estimated for hashes of random bits; 0 for few hashes and for large distances.
    """

    def cost(shared: int) -> float:
        blocks = max_distance + shared
        pairs = hashes**2 / 2 / 2 ** (BITS * shared / max(blocks, 1))
        buckets = min(2 ** (BITS * shared / max(blocks, 1)), pairs)  # of two hashes or more
        return math.comb(blocks, shared) * (hashes * SORT + buckets * BUCKET + pairs * PAIR)

    return min(range(BITS - max_distance + 1), key=cost)


def _blocks(number: int) -> list[int]:
    """Masks of so many blocks, of equal size up to one bit, that hold each of the bits once."""
    edges = [BITS * index // max(number, 1) for index in range(number + 1)]
    return [(1 << end) - (1 << start) for start, end in itertools.pairwise(edges)]


def _compare(
    hashes: np.ndarray,
    max_distance: int,
    blocks: list[int],
    task: tuple[tuple[int, ...], int],
) -> Pairs:
    """The pairs that are equal in a subset of the blocks, but for those of an earlier subset.

    `task` is the subset, and a part of the comparisons if it is empty.
    """
    subset, part = task
    parts = 1 if subset else PARTS
    mask = sum(blocks[block] for block in subset)
    position = np.argsort(hashes & mask)
    ordered = hashes[position]
    edges = np.flatnonzero(np.diff(ordered & mask)) + 1
    starts, ends = np.append(0, edges), np.append(edges, len(hashes))
    several = ends - starts > 1
    found = [np.empty((0, 2), np.int64)]
    for start, end in zip(starts[several].tolist(), ends[several].tolist()):
        width = min(end - start, COLUMNS)
        height = TILE // width
        for row in range(start + part * height, end, parts * height):
            rows = ordered[row : min(row + height, end), None]
            for column in range(row, end, width):
                columns = ordered[column : min(column + width, end)]
                distance = np.bitwise_count(rows ^ columns)
                close = np.flatnonzero(distance <= max_distance)
                if len(close):
                    one, other = np.divmod(close, len(columns))
                    found.append(np.column_stack([one + row, other + column]))
    one, other = np.concatenate(found).T
    difference = ordered[one] ^ ordered[other]
    is_wanted = one < other
    for block in set(range(max(subset, default=0))).difference(subset):
        is_wanted &= (difference & blocks[block]) != 0
    return np.column_stack([position[one[is_wanted]], position[other[is_wanted]]])


def nearest(pairs: pd.DataFrame) -> pd.DataFrame:
    """A row for each position in a pair, with the int64 columns `image`, `nearest`, `distance`.

    `nearest` is the position of the image at the smallest distance; of several, the lowest.
    """
    one_way = pairs.set_axis(["image", "nearest", "distance"], axis="columns")
    other_way = pairs.set_axis(["nearest", "image", "distance"], axis="columns")
    both = pd.concat([one_way, other_way]).sort_values(["image", "distance", "nearest"])
    return both.drop_duplicates("image")
