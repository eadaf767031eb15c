import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from pawprint.core.errors import InputError
from pawprint.core.params.augment import Augment
from pawprint.features.completion import complete, computer, index_of, require_space
from pawprint.features.reuse import Journal
from pawprint.features.store import Key, Row, key_of
from pawprint.images.archive import members, open_archive
from pawprint.images.warp import IDENTITY

IMAGES = pd.DataFrame(
    {
        "pixels_sha256": [f"{number:02x}" * 32 for number in range(8)],
        "split": ["train", "validation"] * 4,
    }
)
LAYERS = ["RandomFlip", "RandomRotation", "RandomTranslation", "RandomShear", "RandomZoom"]
ROTATE = Augment(
    **dict.fromkeys(LAYERS) | {"RandomRotation": {"factor": 0.1}},
    views=3,
    keep_original=True,
    seed=1,
)
KINDS = {"top": (2,)}


def keys(images: pd.DataFrame, augment: Augment = ROTATE) -> list[Key]:
    return [key_of(entry) for entry in index_of(images, augment, 96)]


def test_training_images_have_views_and_validation_images_are_as_they_are():
    index = index_of(IMAGES[::-1], ROTATE, 96)
    assert index["pixels_sha256"].tolist() == sorted(index["pixels_sha256"].tolist())
    for sha256, split in zip(IMAGES["pixels_sha256"], IMAGES["split"]):
        of_image = index[index["pixels_sha256"] == sha256.encode()]
        assert of_image["view"].tolist() == ([0, 1, 2] if split == "train" else [0])
        assert (of_image["transformation"][0] == IDENTITY).all()


def test_other_images_change_no_row():
    """Added, removed or moved to another split."""
    before = set(keys(IMAGES))
    assert set(keys(IMAGES[::3])) < before
    moved = IMAGES.assign(split=["validation", "train", *IMAGES["split"][2:]])
    both = before & set(keys(moved))
    # What moved keeps the image itself; nothing else changes.
    assert len(both) == 2 + len(keys(IMAGES[2:]))


@pytest.mark.parametrize(("keep_original", "new"), [(True, 2), (False, 3)])
def test_image_that_moves_to_training_needs_only_what_validation_did_not_have(keep_original, new):
    augment = ROTATE.model_copy(update={"keep_original": keep_original})
    images = IMAGES[1:2]
    before = set(keys(images, augment))
    assert len(set(keys(images.assign(split="train"), augment)) - before) == new


class Computed:
    """Computes a row from its key, and remembers which keys it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Key] = []

    def __call__(self, missing: dict[str, list[Key]]) -> Iterator[dict[Key, Row]]:
        for of_image in missing.values():
            self.asked += of_image
            yield {key: [np.array([hash(key) % 1000, 1], np.float16)] for key in of_image}


def test_each_row_is_computed_once_also_if_two_views_are_the_same(tmp_path):
    flips = ROTATE.model_copy(update={"RandomRotation": None})  # all views are the image itself
    wanted, compute = keys(IMAGES, flips), Computed()
    found, computed = complete(wanted, Journal(tmp_path / "rows", KINDS), [], compute)
    assert found.keys() == set(wanted)
    assert (len(compute.asked), computed) == (len(IMAGES), len(IMAGES))


def test_only_what_is_missing_is_computed_and_images_are_counted(tmp_path):
    first, more = Computed(), Computed()
    journal = Journal(tmp_path / "rows", KINDS)
    before, _ = complete(keys(IMAGES[:6]), journal, [], first)
    found, computed = complete(keys(IMAGES), journal, [], more)
    assert (set(more.asked), computed) == (set(keys(IMAGES[6:])), 2)
    assert all((found[key][0] == row[0]).all() for key, row in before.items())
    _, computed = complete(keys(IMAGES), journal, [], more)
    assert computed == 0


def test_features_that_float16_cannot_hold_are_one_line(monkeypatch, drawn_archive):
    def too_large(*_) -> list[Row]:
        raise OverflowError

    monkeypatch.setattr("pawprint.features.completion.row_function", lambda *_: too_large)
    with open_archive(drawn_archive) as archive:
        name = next(name for name in members(archive) if name.endswith("dog.1.jpg"))
        compute = computer(archive, {"aa": name}, None, "crop")
        with pytest.raises(InputError, match=r"^params.yaml: model.fine_tune_at: .*dog.1.jpg"):
            list(compute({"aa": keys(IMAGES[:1])[:1]}))


def test_features_too_large_for_the_disk_are_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match=r"features: expected 6,000,000,000 MB of free space"):
        require_space(tmp_path / "features", 10**15)


def test_size_is_printed_before_the_features_are_written(tmp_path, capsys):
    require_space(tmp_path / "features", math.prod((1000, 2, 1000)) + math.prod((500, 1000)))
    assert capsys.readouterr().out.startswith("features: 5 MB to write")
