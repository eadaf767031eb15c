import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from scipy.fft import dctn

from pawprint.data import near_duplicates as module
from pawprint.data.near_duplicates import near_duplicates
from pawprint.given.decoding.content import perceptual_hash

ODD_COLUMNS = np.arange(16) % 2 == 1


def as_text(bits: np.ndarray) -> pd.Series:
    """Return bool `(images, 16, 16)` as hashes in the format of `clean`."""
    return pd.Series([np.packbits(image).tobytes().hex() for image in bits], dtype=str)


def brute_force(bits: np.ndarray, max_distance: int) -> dict[tuple[int, int], int]:
    """Return the distance of every pair by comparing all images."""
    distances = {}
    for first, second in zip(*np.triu_indices(len(bits), 1)):
        for other in (bits[second], bits[second] ^ ODD_COLUMNS):
            different = bits[first] ^ other
            distance = int(different.sum())
            if different[:8, :8].sum() <= max_distance and distance <= 6 * max_distance:
                pair = int(first), int(second)
                distances[pair] = min(distance, distances.get(pair, 256))
    return distances


def clustered(seed: int, max_distance: int) -> np.ndarray:
    """Return distinct hashes with distances below and above both limits, some of them mirrored."""
    random, images = np.random.default_rng(seed), 80
    bits = random.random((images, 16, 16)) < 0.5
    low = np.add.outer(np.arange(8) * 16, np.arange(8)).ravel()
    high = np.setdiff1d(np.arange(256), low)
    for index in range(images // 8, images):
        flat = bits[random.integers(index)].ravel().copy()
        flat[random.choice(low, random.integers(max_distance + 3), replace=False)] ^= True
        flat[random.choice(high, random.integers(5 * max_distance + 3), replace=False)] ^= True
        bits[index] = flat.reshape(16, 16) ^ (ODD_COLUMNS & (random.random() < 0.5))
    return random.permutation(np.unique(bits, axis=0))


@pytest.mark.parametrize("max_distance", [1, 4, 8, 16])
def test_all_pairs_are_found_once_with_their_distances(max_distance):
    for seed in range(3):
        bits = clustered(seed, max_distance)
        pairs = near_duplicates(as_text(bits), max_distance)
        expected = brute_force(bits, max_distance)
        assert not pairs.duplicated(["first", "second"]).any()
        assert dict(zip(zip(pairs["first"], pairs["second"]), pairs["distance"])) == expected
        assert len(expected) > 20


def test_equal_hashes_are_paired_with_the_first_alone():
    bits = np.repeat(np.random.default_rng(0).random((3, 16, 16)) < 0.5, 4, axis=0)
    pairs = near_duplicates(as_text(bits), 0)
    expected = [[first, first + more, 0] for first in (0, 4, 8) for more in (1, 2, 3)]
    assert pairs.to_numpy().tolist() == expected


def hash_of(image: Image.Image) -> str:
    return perceptual_hash(np.asarray(image))


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (30, 20), (500, 375), (2600, 1900)])
def test_hash_is_nearly_that_of_imagehash(size):
    """Its `phash(image, hash_size=16)` resizes by Lanczos: a few of 256 bits differ."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    square = image.convert("L").resize((64, 64), Image.Resampling.LANCZOS)
    lowest = dctn(np.asarray(square))[:16, :16]
    expected = as_text([lowest > np.median(lowest)])[0]
    assert (int(hash_of(image), 16) ^ int(expected, 16)).bit_count() <= 8


def test_hash_of_one_colour_is_not_decided_by_rounding():
    assert hash_of(Image.new("RGB", (50, 70), (1, 90, 200))) == "8" + "0" * 63


def test_mirror_image_is_a_near_duplicate():
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC)
    hashes = [hash_of(view) for view in (image, ImageOps.mirror(image))]
    assert hashes[0] != hashes[1]
    assert len(near_duplicates(pd.Series(hashes), 2)) == 1


def test_of_many_that_are_alike_each_is_paired_with_some(monkeypatch):
    monkeypatch.setattr(module, "COMPARED_WITH_ALL", 10)
    monkeypatch.setattr(module, "PAIRS", 1)
    bits = np.zeros((200, 16, 16), bool)
    bits[np.arange(200), 8 + np.arange(200) // 32, np.arange(200) % 16] = True
    bits[np.arange(200), 15, np.arange(200) // 16] ^= True
    pairs = near_duplicates(as_text(bits), 8)
    assert set(pairs[["first", "second"]].to_numpy().ravel()) == set(range(200))
    assert len(pairs) < 200 * 199 / 4
