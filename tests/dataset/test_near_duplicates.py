import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pawprint.dataset import near_duplicates as module
from pawprint.dataset.near_duplicates import fastest, near_duplicates, nearest, search

IMAGES = 250


def brute_force(values: np.ndarray, max_distance: int) -> pd.DataFrame:
    """All pairs of images, from the whole matrix of distances."""
    distance = np.bitwise_count(values[:, None] ^ values)
    close = np.argwhere(np.triu(distance <= max_distance, k=1))
    pairs = np.column_stack([close, distance[tuple(close.T)]]).astype(np.int64)
    return pd.DataFrame(pairs, columns=["first", "second", "distance"])


def groups(pairs: pd.DataFrame, images: int) -> np.ndarray:
    links = coo_array((np.ones(len(pairs)), (pairs["first"], pairs["second"])), (images, images))
    return connected_components(links, directed=False)[1]


def as_text(values: np.ndarray) -> pd.Series:
    return pd.Series([f"{value:016x}" for value in values.tolist()])


def clustered(seed: int, max_distance: int) -> np.ndarray:
    """Hashes around a few others: at distances on both sides of the limit, and equal ones."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 2**64, IMAGES // 10, np.uint64)
    for _ in range(IMAGES - len(values)):
        bits = random.choice(64, random.integers(0, min(max_distance + 3, 65)), replace=False)
        changed = random.choice(values) ^ np.bitwise_or.reduce(
            1 << bits.astype(np.uint64), initial=0
        )
        values = np.append(values, np.uint64(changed))
    return random.permutation(values)


def check(values: np.ndarray, max_distance: int) -> None:
    pairs, expected = (
        near_duplicates(as_text(values), max_distance),
        brute_force(values, max_distance),
    )
    records = list(map(tuple, pairs.to_numpy()))
    assert len(set(records)) == len(records)
    assert set(records) <= set(map(tuple, expected.to_numpy()))
    assert (groups(pairs, len(values)) == groups(expected, len(values))).all()
    assert (nearest(pairs).to_numpy() == nearest(expected).to_numpy()).all()


@pytest.mark.parametrize("max_distance", [*range(17), 24, 40, 63, 64])
def test_groups_neighbours_and_distances_are_those_of_all_pairs(max_distance):
    for seed in range(3):
        check(clustered(seed, max_distance), max_distance)


@pytest.mark.parametrize("shared", range(4))
def test_search_finds_each_pair_once_with_any_number_of_shared_blocks(shared):
    for max_distance in range(1, 17, 3):
        values = np.unique(clustered(7, max_distance))
        expected = brute_force(values, max_distance)[["first", "second"]].to_numpy().tolist()
        found = np.sort(search(values, max_distance, shared), axis=1)
        assert sorted(found.tolist()) == sorted(expected)


def test_many_hashes_share_more_blocks_and_large_distances_none():
    assert [fastest(10**6, distance) for distance in (4, 8, 12, 16)] == [1, 2, 2, 0]
    assert fastest(3000, 8) == fastest(10**6, 64) == 0


def test_pairs_are_found_across_the_tiles_of_a_bucket(monkeypatch):
    monkeypatch.setattr(module, "TILE", 35)
    monkeypatch.setattr(module, "COLUMNS", 7)
    for max_distance in (3, 8, 16):
        check(clustered(3, max_distance), max_distance)


def test_many_equal_hashes_make_few_pairs():
    values = np.repeat(np.random.default_rng(0).integers(0, 2**64, 3, np.uint64), 30_000)
    assert len(near_duplicates(as_text(values), 8)) == 3 * 29_999


@pytest.mark.parametrize("hashes", [[], ["0123456789abcdef"]])
def test_no_pairs_of_fewer_than_two_images(hashes):
    for max_distance in (0, 8, 64):
        assert len(near_duplicates(pd.Series(hashes, dtype=str), max_distance)) == 0


@pytest.mark.parametrize("max_distance", [0, 4, 8])
def test_a_hundred_thousand_hashes_hold_the_pairs_that_were_planted(max_distance):
    values = np.random.default_rng(0).integers(0, 2**64, 100_000, np.uint64)
    bits = np.uint64((1 << max_distance) - 1)
    values = np.concatenate([values, values[:500] ^ bits])
    planted = near_duplicates(as_text(values), max_distance)
    assert {(image, 100_000 + image) for image in range(500)} <= set(
        zip(planted["first"], planted["second"])
    )
