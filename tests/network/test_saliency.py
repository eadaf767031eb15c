import numpy as np
import pytest
from networks import EACH_HEAD, LOGITS, model_with, pixels, sample_backbone

from pawprint.network.head import build_head
from pawprint.network.model import build_model
from pawprint.network.saliency import grad_cam, overlay

PIXELS = pixels(1)[0]


@pytest.mark.parametrize("kind", EACH_HEAD)
def test_heat_is_a_map_of_the_image_between_0_and_1(kind):
    heat = grad_cam(model_with(kind), PIXELS, 1)
    assert (heat.shape, heat.dtype) == ((96, 96), np.float32)
    assert heat.min() >= 0
    assert heat.max() in (0, pytest.approx(1))


@pytest.mark.parametrize("classes", [2, 3])
def test_heat_is_where_the_deciding_feature_is(classes):
    """The last class uses only the feature that differs most between the image's halves."""
    backbone = sample_backbone()
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[:, 48:] = PIXELS[:, 48:]
    maps = backbone(picture[None] / np.float32(127.5) - 1, training=False).numpy()[0]
    channel = (maps[:, 2:].mean(axis=(0, 1)) - maps[:, :1].mean(axis=(0, 1))).argmax()
    head = build_head(LOGITS, classes)
    model = build_model("MobileNetV2", backbone, head, "average")
    last, units = classes - 1, head.output_shape[1]
    kernel = np.zeros((maps.shape[-1], units), np.float32)
    kernel[channel, -1] = 1
    head.layers[-1].set_weights([kernel, np.zeros(units)])
    heat = grad_cam(model, picture, last)
    assert heat[:, 64:].mean() > heat[:, :32].mean()
    # The feature is evidence for one class only, whichever of them the model predicts.
    assert not grad_cam(model, picture, 0).any()
    head.layers[-1].set_weights([-kernel, np.full(units, 1000)])
    assert not grad_cam(model, picture, last).any()
    assert grad_cam(model, picture, 0).any() == (classes == 2)


def test_overlay_is_brighter_where_the_heat_is_greater():
    heat = np.zeros((96, 96), np.float32)
    heat[:48] = 1
    picture = overlay(np.full((96, 96, 3), 100, np.uint8), heat)
    assert (picture.shape, picture.dtype) == ((96, 96, 3), np.uint8)
    assert picture[:48].mean() > picture[48:].mean() + 50
