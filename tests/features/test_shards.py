import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused

from pawprint.features import shards as module
from pawprint.features.rows import Row
from pawprint.features.shards import (
    HELD_OUT,
    ShardComputer,
    Task,
    held_out_views,
    require_space,
    tasks,
    training_views,
    write_shards,
)
from pawprint.features.store import INDEX, Shard, open_features, shard_path
from pawprint.images.augmentation import LAYERS
from pawprint.images.formats import IDENTITY, View
from pawprint.params.data import Augment

ROTATE = Augment(
    **dict.fromkeys(LAYERS) | {"RandomRotation": {"factor": 0.1}},
    views=3,
    keep_original=True,
    seed=1,
)
KINDS = {"cut": (2, 2), "top": (3,)}
IMAGES = pd.DataFrame(
    {
        "pixels_sha256": [f"{32 * number:02x}".ljust(64, "0") for number in range(8)],
        "split": ["train", "validation"] * 4,
        "path": [f"{number}.jpg" for number in range(8)],
    }
)


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path) -> None:
    """Four images in a shard, of an image that is its path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pawprint.features.store.IMAGES_PER_SHARD", 4)
    monkeypatch.setattr(module, "open_image", lambda archive, path, side: path)


class Computed(ShardComputer):
    """Computes a row from the image and the view, and remembers which it was asked for."""

    def __init__(self, augment: Augment = ROTATE, largest: float = 0, **options) -> None:
        self.asked = asked = []

        def rows_of(read: Callable[[int], str], views: list[View]) -> list[Row]:
            path = read(192)
            asked.extend((path, str(view)) for view in views)
            number = int(path.split(".")[0])
            values = [number + view.transformation[0, 2] / 3 + largest for view in views]
            return [
                [np.full(shape, value, np.float32) for shape in KINDS.values()] for value in values
            ]

        super().__init__(None, rows_of, KINDS, training_views(augment, 96), **options)


def written(folder: Path, images: pd.DataFrame, earlier=(), augment: Augment = ROTATE) -> Computed:
    computer = Computed(augment)
    folder = folder.absolute()
    computer.images = len(write_shards(computer, tasks(images, folder, list(earlier)), folder))
    return computer


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def paths_in(folder: Path) -> list[str]:
    return [str(shard_path(folder, number)) for number in range(len(list(folder.iterdir())))]


def test_training_images_have_views_and_validation_images_are_as_they_are(tmp_path):
    written(tmp_path / "2", IMAGES[::-1])
    index = Shard(shard_path(tmp_path / "2", 0)).read("index")
    assert index["pixels_sha256"].tolist() == sorted(index["pixels_sha256"].tolist())
    for sha256, split in zip(IMAGES["pixels_sha256"][:4], IMAGES["split"]):
        of_image = index[index["pixels_sha256"] == sha256.encode()]
        assert of_image["view"].tolist() == ([0, 1, 2] if split == "train" else [0])
        assert of_image["drawn"][0] == np.array(IDENTITY, INDEX["drawn"])
    stored = open_features(tmp_path / "2", ["top"], IMAGES["pixels_sha256"][1::2])
    assert (stored[np.arange(4), np.zeros(4, int)][:, 0] == [1, 3, 5, 7]).all()


@pytest.mark.parametrize("before", [3, 5, 7])
def test_only_what_is_missing_is_computed_also_with_another_number_of_shards(tmp_path, before):
    """Three images are in one shard, five and more in two."""
    first = written(tmp_path / "before", IMAGES[:before])
    more = written(tmp_path / "after", IMAGES, [paths_in(tmp_path / "before")])
    again = written(tmp_path / "less", IMAGES[:before], [paths_in(tmp_path / "after")])
    assert {path for path, _ in more.asked} == set(IMAGES["path"][before:])
    assert (first.images, more.images, again.images) == (before, 8 - before, 0)
    written(tmp_path / "nothing", IMAGES)
    assert content(tmp_path / "after") == content(tmp_path / "nothing")
    assert content(tmp_path / "less") == content(tmp_path / "before")


def test_file_of_another_format_with_the_same_pixels_is_computed(tmp_path):
    """A large JPEG is decoded to other pixels than the same photo as PNG."""
    written(tmp_path / "before", IMAGES)
    changed = IMAGES.assign(path=["0.png", *IMAGES["path"][1:]])
    more = written(tmp_path / "after", changed, [paths_in(tmp_path / "before")])
    assert {path for path, _ in more.asked} == {"0.png"}


@pytest.mark.parametrize(("keep_original", "new"), [(True, 2), (False, 3)])
def test_image_that_moves_to_training_needs_only_new_views(tmp_path, keep_original, new):
    augment = ROTATE.model_copy(update={"keep_original": keep_original})
    written(tmp_path / "before", IMAGES, augment=augment)
    moved = IMAGES.assign(split=["train", "train", *IMAGES["split"][2:]])
    more = written(tmp_path / "after", moved, [paths_in(tmp_path / "before")], augment)
    assert (len(more.asked), more.images) == (new, 1)


def test_views_with_the_same_draws_are_taken_over(tmp_path):
    written(tmp_path / "before", IMAGES)
    for layer, arguments, new in [
        ("RandomGrayscale", {"factor": 0.0}, [0]),
        ("RandomBrightness", {"factor": 0.5}, [8]),
        ("RandomErasing", {"factor": 1.0}, range(1, 8)),  # of half of the views
    ]:
        augment = Augment.model_validate(ROTATE.model_dump() | {layer: arguments})
        more = written(tmp_path / layer, IMAGES, [paths_in(tmp_path / "before")], augment)
        assert len(more.asked) in new, layer


def test_no_damaged_shard_is_taken_over(tmp_path):
    """Whichever byte changes: of the headers, the checksums, the index or the features."""
    written(tmp_path / "before", IMAGES[:2])
    path = shard_path(tmp_path / "before", 0)
    whole = path.read_bytes()
    flipped = (
        whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        for place in [*range(0, len(whole), 13), len(whole) - 1]
    )
    for data in (b"", whole[:150], whole[:-1], *flipped):
        path.write_bytes(data)
        written(tmp_path / "after", IMAGES[:2], [[str(path)]])
        assert content(tmp_path / "after") == {path.name: whole}
        shutil.rmtree(tmp_path / "after")


def test_features_that_float16_cannot_hold_are_one_line(tmp_path):
    task = Task(str(tmp_path / "shard-0.npy"), [tuple(IMAGES.iloc[0])], [])
    with refused("model.fine_tune_at: ", "0.jpg"):
        Computed(largest=70_000)(task)
    Computed(largest=70_000, dtype=HELD_OUT)(task)
    with refused("model.fine_tune_at: ", "0.jpg"):  # nor are they taken over
        Computed(largest=70_000)(Task(str(tmp_path / "new.npy"), task.images, [task.path]))


def write_held_out(folder: Path, images: pd.DataFrame, earlier=(), **options) -> Computed:
    computer = Computed(dtype=HELD_OUT)
    views_of = held_out_views(96, **{"is_mirrored": True} | options)
    object.__setattr__(computer, "views_of", views_of)
    write_shards(computer, tasks(images, folder, list(earlier)), folder)
    return computer


def test_held_out_images_have_their_mirror_image_and_training_images_not(tmp_path):
    write_held_out(tmp_path / "both", IMAGES)
    index = Shard(shard_path(tmp_path / "both", 0)).read("index")
    views = {sha.decode(): (index["pixels_sha256"] == sha).sum() for sha in index["pixels_sha256"]}
    for sha256, split in zip(IMAGES["pixels_sha256"][:4], IMAGES["split"]):
        assert views[sha256] == (1 if split == "train" else 2)
    write_held_out(tmp_path / "one", IMAGES, is_mirrored=False)
    assert len(Shard(shard_path(tmp_path / "one", 0)).read("index")) == 4


def test_rows_of_more_digits_serve_training_and_not_the_other_way(tmp_path):
    """So a validation image passes the network once for both folders."""
    validation = IMAGES[1::2]
    write_held_out(tmp_path / "held_out", validation)
    held_out = paths_in(tmp_path / "held_out")
    taken = written(tmp_path / "training", validation, [held_out])
    assert taken.asked == []
    written(tmp_path / "computed", validation)
    assert content(tmp_path / "training") == content(tmp_path / "computed")
    training = paths_in(tmp_path / "training")
    again = write_held_out(tmp_path / "again", validation, [training])
    assert len(again.asked) == 8
    assert content(tmp_path / "again") == content(tmp_path / "held_out")


def test_features_too_large_for_the_disk_are_refused_before_any_work(tmp_path, capsys):
    with refused("features: expected 4,000,000,000 MB of free space"):
        require_space(tmp_path / "features", 2 * 10**15)
    require_space(tmp_path / "features", 5_000_000)
    assert capsys.readouterr().out.endswith("features: 5 MB to write, and as much in DVC's cache\n")
