import numpy as np
import pytest
from conftest import SAMPLE_WEIGHTS

from pawprint.core.params import Dense, Head
from pawprint.network.backbone import load_base
from pawprint.network.head import build_head
from pawprint.network.model import build_whole
from pawprint.network.saliency import grad_cam, overlay

PIXELS = pixels(1)[0]


@pytest.mark.parametrize("output", ["sigmoid", "logits"])
@pytest.mark.parametrize("dense", [None, Dense(units=4, batch_normalization=True)])
@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_heat_is_a_map_of_the_image_between_0_and_1(output, dense, pooling):
    head = build_head(Head(dense=dense, dropout=0.2, output=output))
    heat = grad_cam(build_whole(load_base(0.35, 96, SAMPLE_WEIGHTS), head, pooling), PIXELS)
    assert (heat.shape, heat.dtype) == ((96, 96), np.float32)
    assert heat.min() >= 0
    assert heat.max() in (0, pytest.approx(1))


def test_heat_is_where_the_feature_that_decides_is():
    """A head that asks only for the feature that answers to the image's right half."""
    base = load_base(0.35, 96, SAMPLE_WEIGHTS)
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[:, 48:] = PIXELS[:, 48:]
    maps = base(picture[None] / np.float32(127.5) - 1, training=False).numpy()[0]
    channel = (maps[:, 2:].mean(axis=(0, 1)) - maps[:, :1].mean(axis=(0, 1))).argmax()
    head = build_head(Head(dense=None, dropout=0.0, output="logits"))
    model = build_whole(base, head, "average")
    kernel = np.zeros((maps.shape[-1], 1), np.float32)
    kernel[channel] = 1
    head.layers[-1].set_weights([kernel, np.zeros(1)])
    heat = grad_cam(model, picture)
    assert heat[:, 64:].mean() > heat[:, :32].mean()
    # The other way round nothing speaks for the class that is likelier.
    head.layers[-1].set_weights([-kernel, np.ones(1) * 1000])
    assert not grad_cam(model, picture).any()


def test_overlay_is_brighter_where_it_is_hot():
    heat = np.zeros((96, 96), np.float32)
    heat[:48] = 1
    picture = overlay(np.full((96, 96, 3), 100, np.uint8), heat)
    assert (picture.shape, picture.dtype) == ((96, 96, 3), np.uint8)
    assert picture[:48].mean() > picture[48:].mean() + 50
