import numpy as np
import pandas as pd
import pytest
from conftest import refused

from pawprint.network import store

SHA256 = pd.Series([f"{value:016x}".ljust(64, "0") for value in range(0, 2**64, 2**58)])
KINDS = {"cut": (2, 3), "top": (1,)}
VIEWS = 2


def features(kind: str) -> np.ndarray:
    """Return distinct numbers for each image and view."""
    shape = (len(SHA256), VIEWS, *KINDS[kind])
    return np.arange(np.prod(shape)).reshape(shape).astype(np.float16)


def write(folder, shards: int) -> None:
    shard = store.shard_of(SHA256, shards)
    for number in range(shards):
        images = np.flatnonzero(shard == number)
        names = [(SHA256[image].encode(), b".jpg") for image in images]
        index = [(*name, view, 0) for name in names for view in range(VIEWS)]
        columns = {
            kind: np.concatenate([features(kind)[:0, 0], *features(kind)[images]]) for kind in KINDS
        }
        store.write_shard(
            store.shard_path(folder, number), {"index": np.array(index, store.INDEX)} | columns
        )


@pytest.mark.parametrize("shards", [1, 2, 4, 8, 128])  # with 128 shards, some have no images
def test_features_come_in_the_order_that_is_asked_for(tmp_path, shards):
    write(tmp_path, shards)
    order = np.random.default_rng(0).permutation(len(SHA256))[:40]
    image, view = np.arange(40), np.arange(40) % VIEWS
    for kind in KINDS:
        stored = store.open_features(tmp_path, [kind], SHA256[order])
        assert stored.shape == (40, VIEWS, *KINDS[kind])
        assert stored[image, view].dtype == np.float16
        assert (stored[image, view] == features(kind)[order[image], view]).all()
        assert (stored[:, 0] == features(kind)[order, 0]).all()
        assert (stored[image[::-1], view] == features(kind)[order[image[::-1]], view]).all()
    both = store.open_features(tmp_path, list(KINDS), SHA256[order])
    side_by_side = [features(kind)[order].reshape(40, VIEWS, -1) for kind in KINDS]
    assert both.shape == (40, VIEWS, 7)
    assert (both[image, view] == np.concatenate(side_by_side, axis=2)[image, view]).all()


def test_what_training_reads_is_checked_and_no_other_column(tmp_path):
    write(tmp_path, 1)
    path = store.shard_path(tmp_path, 0)
    data = path.read_bytes()
    start = store.Shard(path).places["top"][0]
    path.write_bytes(data[:start] + bytes([data[start] ^ 1]) + data[start + 1 :])
    store.open_features(tmp_path, ["cut"], SHA256)
    with refused("shard-0.npy: expected the bytes"):
        store.open_features(tmp_path, ["cut", "top"], SHA256)


def test_small_set_has_shards_for_several_threads_and_a_huge_one_not_too_many_files():
    assert store.count_shards(200) >= 4 and store.count_shards(10**8) == 4096
