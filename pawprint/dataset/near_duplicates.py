"""Pairs of images that look alike."""

import numpy as np

from pawprint.core.params import Split

BLOCK = 1024  # rows of the matrix of distances at a time: 200 MB for 25,000 images


def near_duplicates(hashes: list[str], params: Split) -> np.ndarray:
    """int64 `(pairs, 3)`: two positions and the number of bits in which their hashes differ.

    `hashes` are of 64 bits, in hexadecimal. Pairs are those of at most
    `split.near_duplicate_distance`, the first position below the second.
    """
    values = np.array([int(value, 16) for value in hashes], np.uint64)
    found = [np.empty((0, 3), np.int64)]
    for start in range(0, len(values), BLOCK):
        rows = values[start : start + BLOCK, None]
        distance = np.bitwise_count(rows ^ values[None, start:])
        close = np.argwhere(np.triu(distance <= params.near_duplicate_distance, k=1))
        found.append(np.column_stack([close + start, distance[tuple(close.T)]]))
    return np.concatenate(found)


def nearest(pairs: np.ndarray) -> dict[int, tuple[int, int]]:
    """For each position in a pair the distance of its nearest and that one's position."""
    nearest: dict[int, tuple[int, int]] = {}
    for first, second, distance in pairs.tolist():
        for one, other in ((first, second), (second, first)):
            nearest[one] = min(nearest.get(one, (distance, other)), (distance, other))
    return nearest
