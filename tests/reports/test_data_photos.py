import numpy as np
import pandas as pd
import pytest

from pawprint.images.archive import members
from pawprint.images.augmentation import draw_transformation
from pawprint.images.decoder import open_image
from pawprint.images.pixels import resize, warp
from pawprint.reports.photos import draw_augmented


@pytest.fixture(scope="module")
def train(drawn_images) -> pd.DataFrame:
    paths = [name for name in members(drawn_images) if "validation" in name and ".0" in name]
    labels = [name.split("/")[2] for name in paths]
    table = pd.DataFrame({"path": paths, "label": labels, "split": "train"})
    return table.assign(pixels_sha256=[f"{number:064x}" for number in range(len(table))])


def shown(figure) -> list:
    return [axis for axis in figure.axes if axis.images]


def test_views_are_those_that_training_uses(params, drawn_images, train):
    augment = params.augment.model_copy(update={"views": 20, "keep_original": True})
    cells = shown(draw_augmented(drawn_images, train, augment, 224, "crop"))
    pixels = resize(open_image(drawn_images, train["path"][0]), 224, "crop")
    for view, axis in enumerate(cells):
        matrix = draw_transformation(augment, train["pixels_sha256"][0], view, 224)
        assert np.array_equal(axis.images[0].get_array(), warp(pixels, matrix))
    titles = ["view 0: original", *(f"view {view}" for view in range(1, 12))]
    assert [axis.get_title() for axis in cells] == titles
    augment = augment.model_copy(update={"views": 1, "keep_original": False})
    (cell,) = shown(draw_augmented(drawn_images, train, augment, 64, "crop"))
    assert cell.get_title() == "view 0"
