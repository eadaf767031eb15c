"""Find pairs of images whose perceptual hashes differ in only a few bits."""

import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from pawprint.base.threads import map_in_threads

# A hash is a 16 x 16 square of bits: the signs of an image's lowest vertical (rows) and horizontal
# (columns) frequencies. Written in hexadecimal, each byte is half a row.
LOW_BYTES = slice(0, 16, 2)  # the 8 x 8 lowest frequencies
LOW_BITS = 64
# Mirroring an image changes the sign of every odd horizontal frequency.
MIRROR = np.uint64(0x5555_5555_5555_5555)
SHARED = 3  # minimum number of blocks that a pair shares
# If at most this many hashes have the same blocks, each hash is compared with all others. With few
# images, the limit is PAIRS divided by the number of hashes. Above the limit, each hash is compared
# with fewer others, so that time and memory do not grow quadratically.
COMPARED_WITH_ALL = 64
PAIRS = 2**24


def near_duplicates(hashes: pd.Series, max_distance: int) -> pd.DataFrame:
    """Find pairs of images whose perceptual hashes differ in few bits, including mirrored images.

    `hashes` have 256 bits each, as hexadecimal text. In a pair, at most `max_distance` of the 64
    low-frequency bits differ, and at most six times that number among all bits. The result has the
    int64 columns `first` and `second`, two positions with first < second, and `distance`, the
    number of differing bits among all 256. If several images have the same hash, each is paired
    with the first, and only the first is paired with images that have other hashes.

    The 64 bits are divided into `max_distance + 3` blocks. The hashes of a pair agree in at least
    three blocks. Therefore, for each combination of three blocks, hashes that agree in these blocks
    are compared. If the number of such hashes is above 64 and above 16,777,216 divided by the
    number of all hashes, each hash is compared only with the next ones when sorted by all bits.
    This misses some pairs if very many hashes are similar or share blocks with many others.
    """
    distinct, first, numbers = np.unique(
        hashes.to_numpy("S64"), return_index=True, return_inverse=True
    )
    digits = bytes.fromhex(distinct.tobytes().decode())
    content = np.frombuffer(digits, np.uint8).reshape(len(distinct), 32)
    blocks = max_distance + SHARED
    edges = [LOW_BITS * index // blocks for index in range(blocks + 1)]
    masks = [np.uint64((1 << end) - (1 << start)) for start, end in itertools.pairwise(edges)]
    close = map_in_threads(
        partial(_compare, content, max_distance, masks),
        itertools.combinations(range(blocks), SHARED),
    )
    same = np.column_stack([first[numbers], np.arange(len(hashes)), np.zeros(len(hashes), int)])
    alike = np.concatenate([np.empty((0, 3), np.int64), *close])
    alike[:, :2] = np.sort(first[alike[:, :2]], axis=1)
    pairs = np.concatenate([same[same[:, 0] != same[:, 1]], alike])
    frame = pd.DataFrame(pairs, columns=["first", "second", "distance"])
    return frame.sort_values(list(frame)).drop_duplicates(["first", "second"], ignore_index=True)


def _compare(
    content: np.ndarray, max_distance: int, masks: list[np.uint64], blocks: tuple[int, ...]
) -> np.ndarray:
    """Return int64 `(pairs, 3)`: two row numbers in `content`, and their distance.

    The two rows agree in these blocks, but not in an earlier combination of three blocks.
    """
    low = np.ascontiguousarray(content[:, LOW_BYTES]).view(np.uint64).ravel()
    mask = np.bitwise_or.reduce([masks[block] for block in blocks])
    key = np.minimum(low & mask, (low ^ MIRROR) & mask)  # equal for an image and its mirror image
    order = np.argsort(key, kind="stable")
    key = key[order]
    low = low[order]
    words = content.view(np.uint64)
    earlier = set(range(blocks[-1])).difference(blocks)
    pairs = [np.empty((0, 3), np.int64)]
    for one, offset in _equal_keys(key):
        difference = low[one] ^ low[one + offset]
        for flip in (np.uint64(0), MIRROR):
            close = np.flatnonzero(np.bitwise_count(difference ^ flip) <= max_distance)
            different = difference[close] ^ flip
            is_new = different & mask == 0
            for block in earlier:
                is_new &= different & masks[block] != 0
            pair = order[one[close[is_new], None] + [0, offset]]
            bits = np.bitwise_count(words[pair[:, 0]] ^ words[pair[:, 1]] ^ flip)
            pair = np.column_stack([pair, bits.sum(axis=1, dtype=np.int64)])
            pairs.append(pair[pair[:, 2] <= 6 * max_distance])
    return np.concatenate(pairs)


def _equal_keys(key: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Yield positions, and an offset; the sorted keys at both places are equal.

    All pairs are covered or, if there are very many, only the nearest ones.
    """
    one = np.arange(len(key))
    size = np.searchsorted(key, key, "right") - np.searchsorted(key, key)
    limit = max(COMPARED_WITH_ALL, PAIRS // max(len(key), 1))
    compared = np.maximum(limit**2 // size, 1)
    for offset in range(1, len(key)):
        one = one[: np.searchsorted(one, len(key) - offset)]
        one = one[(key[one] == key[one + offset]) & (compared[one] >= offset)]
        if not len(one):
            break
        yield one, offset


def nearest(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return each position's nearest neighbour, with int64 `image`, `nearest` and `distance`.

    Only positions that occur in a pair have a row. If several images are equally near, `nearest` is
    the lowest position.
    """
    one_way = pairs.set_axis(["image", "nearest", "distance"], axis="columns")
    other_way = pairs.set_axis(["nearest", "image", "distance"], axis="columns")
    both = pd.concat([one_way, other_way]).sort_values(["image", "distance", "nearest"])
    return both.drop_duplicates("image")
