"""What images look like: near-duplicates, and unusual ones, which are dark, blurred or empty.

Nothing is rejected for it. A person looks at unusual images.
"""

import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from PIL import Image

from pawprint.engine.mapping import map_in_threads

SIDE = 256  # pixels of the square that is measured, about what networks see
# Robust z-scores above 3.5 are potential outliers: Iglewicz and Hoaglin, How to Detect and Handle
# Outliers, 1993. Half of the values of a normal distribution lie within 0.6745 deviations.
MIN_SCORE = 3.5
QUARTILE = 0.6745
LOOKS = {  # how an image looks, by the measure and the direction in which it stands out
    ("brightness", -1): "dark",
    ("brightness", 1): "bright",
    ("contrast", -1): "pale",
    ("sharpness", -1): "blurred",
    ("entropy", -1): "empty",
}


def measure(grey: Image.Image) -> dict[str, float]:
    """Return what an image in grey, of any size, looks like.

    `brightness` is the mean of the square's values, and `contrast` their deviation, in [0, 255].
    `sharpness` is the variance of the Laplacian (Pech-Pacheco and others, Diatom autofocusing in
    brightfield microscopy, 2000), `entropy` is in bits, from 0 for one grey to 8. Sums are of whole
    numbers, so they are the same on every processor.
    """
    square = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.int64)
    inner = square[1:-1, 1:-1]
    around = square[:-2, 1:-1] + square[2:, 1:-1] + square[1:-1, :-2] + square[1:-1, 2:]
    counts = np.bincount(square.ravel(), minlength=256)
    part = counts[counts > 0] / square.size
    return {
        "brightness": round(int(square.sum()) / square.size, 1),
        "contrast": round(_variance(square) ** 0.5, 1),
        "sharpness": round(_variance(4 * inner - around), 1),
        "entropy": round(float(-(part * np.log2(part)).sum()), 2),
    }


def _variance(values: np.ndarray) -> float:
    """Return the variance of whole numbers."""
    total = int(values.sum())
    return (int((values**2).sum()) - total * total / values.size) / values.size


def find_unusual(images: pd.DataFrame) -> pd.DataFrame:
    """Return the images that stand out, the most unusual first: `path`, `looks` and `score`.

    `images` is a table IMAGES. The score is the robust z-score of a measure: the distance from the
    median, in deviations that the median of all distances tells. An image is listed once, by its
    largest score. Brightness is compared by its logit, contrast and sharpness by their logarithms,
    as a few images have many times as much as the others.
    """
    light = images["brightness"].clip(0.5, 254.5)
    measures = pd.DataFrame(
        {
            "brightness": np.log(light / (255 - light)),
            "contrast": np.log(images["contrast"] + 1),
            "sharpness": np.log(images["sharpness"] + 1),
            "entropy": images["entropy"].astype(float),
        }
    )
    distances = measures - measures.median()
    spread = distances.abs().median() / QUARTILE
    scores = distances[spread.index[spread > 0]] / spread[spread > 0]
    directed = {
        looks: direction * scores[name]
        for (name, direction), looks in LOOKS.items()
        if name in scores
    }
    if not directed:
        return pd.DataFrame({"path": [], "looks": [], "score": []}).astype({"score": float})
    table = pd.DataFrame(directed)
    found = pd.DataFrame(
        {"path": images["path"], "looks": table.idxmax(axis=1), "score": table.max(axis=1)}
    )
    found = found[found["score"] > MIN_SCORE]
    return found.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)


def describe_unusual(found: pd.DataFrame) -> str:
    """Return such as "3 images stand out: 2 blurred, 1 dark", or "" if none does."""
    if found.empty:
        return ""
    counts = ", ".join(
        f"{number:,} {looks}" for looks, number in found["looks"].value_counts().items()
    )
    return f"{len(found):,} images stand out: {counts}"


# A hash is a square of 16 x 16 bits: the signs of the lowest vertical (rows) and horizontal
# (columns) frequencies of an image. In hexadecimal, a byte is half a row.
LOW_BYTES = slice(0, 16, 2)  # the 8 x 8 lowest frequencies
LOW_BITS = 64
# Mirroring an image changes the sign of every odd horizontal frequency.
MIRROR = np.uint64(0x5555_5555_5555_5555)
SHARED = 3  # blocks
# Up to so many hashes with the same blocks are each compared with all others, and more if there are
# few images: up to PAIRS divided by the number of hashes. Of more, each is compared with fewer, so
# that time and memory do not grow by a square.
COMPARED_WITH_ALL = 64
PAIRS = 2**24


def near_duplicates(hashes: pd.Series, max_distance: int) -> pd.DataFrame:
    """Find pairs of images whose perceptual hashes differ in few bits, perhaps after mirroring one.

    `hashes` are 256 bits each, as hexadecimal text. Of the 64 bits of the lowest frequencies at
    most `max_distance` differ, and of all bits at most six times as many. The result has the int64
    columns `first` and `second`, two positions with first < second, and `distance`, the number of
    different bits of 256. Of images with the same hash, each is paired with the first one, and only
    the first one is paired with images of other hashes.

    The 64 bits are divided into `max_distance + 3` blocks, of which the hashes of a pair share
    three or more. So for each three blocks, hashes that are equal in them are compared. If these
    are more than 64, and than 16,777,216 divided by the number of hashes, each is compared only
    with the next ones in the order of all bits. So of very many hashes that are all alike, or that
    share blocks with many others, not every pair is found.
    """
    distinct, first, numbers = np.unique(
        hashes.to_numpy("S64"), return_index=True, return_inverse=True
    )
    content = np.frombuffer(bytes.fromhex(distinct.tobytes().decode()), np.uint8)
    content = content.reshape(len(distinct), 32)
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
    """Return int64 `(pairs, 3)`: two rows of `content`, and their distance.

    The rows of a pair share these blocks, and no three earlier ones.
    """
    low = np.ascontiguousarray(content[:, LOW_BYTES]).view(np.uint64).ravel()
    mask = np.bitwise_or.reduce([masks[block] for block in blocks])
    key = np.minimum(low & mask, (low ^ MIRROR) & mask)  # the same for the mirror image
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
    """Yield positions, and an offset at which the sorted keys are the same.

    These are all pairs or, of very many, the nearest.
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
    """Return a row for each position in a pair, with int64 `image`, `nearest` and `distance`.

    `nearest` is the position of the image at the smallest distance; of several, the lowest.
    """
    one_way = pairs.set_axis(["image", "nearest", "distance"], axis="columns")
    other_way = pairs.set_axis(["nearest", "image", "distance"], axis="columns")
    both = pd.concat([one_way, other_way]).sort_values(["image", "distance", "nearest"])
    return both.drop_duplicates("image")
