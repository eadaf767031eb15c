import numpy as np
import pandas as pd
import pytest
from conftest import line_of

from pawprint.core.errors import InputError
from pawprint.features.reader import open_features
from pawprint.features.store import INDEX, count_shards, shard_of, write_shard

SHA256 = pd.Series([f"{value:016x}".ljust(64, "0") for value in range(0, 2**64, 2**58)])
KINDS = {"cut": (2, 3), "top": (1,)}
VIEWS = 2


def features(kind: str) -> np.ndarray:
    """Of each image and view, with numbers that tell them apart."""
    shape = (len(SHA256), VIEWS, *KINDS[kind])
    return np.arange(np.prod(shape)).reshape(shape).astype(np.float16)


def write(folder, shards: int) -> None:
    shard = shard_of(SHA256, shards)
    for number in range(shards):
        at = [(image, v) for image in np.flatnonzero(shard == number) for v in range(VIEWS)]
        index = np.array([(SHA256[i].encode(), v, 0, b"") for i, v in at], INDEX)
        rows = [[features(kind)[place] for kind in KINDS] for place in at]
        write_shard(folder, number, index, rows, KINDS)


@pytest.mark.parametrize(
    ("images", "shards"),
    [(0, 1), (1, 1), (4096, 1), (4097, 2), (8192, 2), (8193, 4), (10**6, 256)],
)
def test_number_of_shards_grows_in_powers_of_two(images, shards):
    assert count_shards(images) == shards


@pytest.mark.parametrize("shards", [1, 2, 4, 8])
def test_features_come_in_the_order_that_is_asked_for(tmp_path, shards):
    write(tmp_path, shards)
    assert sorted(set(shard_of(SHA256, shards))) == list(range(shards))
    order = np.random.default_rng(0).permutation(len(SHA256))[:40]
    image, view = np.arange(40), np.arange(40) % VIEWS
    for kind in KINDS:
        stored = open_features(tmp_path, kind, SHA256[order])
        assert stored.shape == (40, VIEWS, *KINDS[kind])
        assert stored[image, view].dtype == np.float16
        assert (stored[image, view] == features(kind)[order[image], view]).all()
        assert (stored[:, 0] == features(kind)[order, 0]).all()
        assert all(isinstance(shard, np.memmap) for shard in stored.shards)


def test_files_are_as_numpy_writes_them(tmp_path):
    write(tmp_path, 1)
    for path in list(tmp_path.iterdir()):
        np.save(tmp_path / "copy.npy", np.load(path))
        assert (tmp_path / "copy.npy").read_bytes() == path.read_bytes()


def test_shard_without_images_is_written_and_read(tmp_path):
    write(tmp_path, 2)
    write_shard(tmp_path, 1, np.empty(0, INDEX), [], KINDS)
    chosen = SHA256[shard_of(SHA256, 2) == 0]
    assert open_features(tmp_path, "cut", chosen).shape == (len(chosen), VIEWS, 2, 3)


def test_missing_image_is_one_line(tmp_path):
    write(tmp_path, 2)
    with pytest.raises(InputError, match=line_of("from 0 to 2 views")):
        open_features(tmp_path, "cut", pd.Series([*SHA256, "f" * 64]))
