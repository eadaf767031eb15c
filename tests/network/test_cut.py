import numpy as np
import pytest
from networks import model_params

from pawprint.base.errors import InputError
from pawprint.network.hardware import keras
from pawprint.network.keras_backbone import application
from pawprint.network.keras_model import cut_index, first_trained, split_before


@pytest.fixture(scope="module")
def backbone():
    return application("MobileNetV2", 0.35, 32)


@pytest.mark.parametrize(
    ("fine_tune_at", "cut"),
    [(0, "input_layer"), (54, "block_5_add"), (101, "block_10_project_BN"), (154, "out_relu")],
)
def test_cut_is_the_last_layer_that_all_later_layers_depend_on(backbone, fine_tune_at, cut):
    name = backbone.layers[cut_index(backbone, fine_tune_at)].name
    assert name.startswith(cut)


@pytest.mark.parametrize(
    ("alpha", "step"), [(0.35, 9), pytest.param(1.0, 1, marks=pytest.mark.extended)]
)
def test_both_parts_in_order_give_the_output_of_the_backbone_for_every_cut(alpha, step):
    keras.utils.set_random_seed(1)
    backbone = application("MobileNetV2", alpha, 32)
    for weight in backbone.weights:  # with statistics other than 0 and 1, every layer matters
        if "moving" in weight.name:
            weight.assign(np.random.default_rng(0).uniform(0.5, 1.5, weight.shape))
    scaled = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    expected = backbone(scaled, training=False)
    assert np.abs(expected).max() > 0.01
    cuts = {cut_index(backbone, first): first for first in range(len(backbone.layers) + 1)}
    assert len(cuts) > 70
    for cut, first in sorted(cuts.items())[::step]:
        at_cut = keras.Model(backbone.input, [backbone.operations[cut].output])(scaled)
        tail, _ = split_before(backbone, first)
        (maps,) = keras.tree.flatten(tail(keras.tree.flatten(at_cut)[0], training=False))
        assert np.abs(maps - expected).max() < 1e-5, backbone.layers[cut].name


def first(backbone, at: int | str) -> int:
    return first_trained(model_params(fine_tune_at=at), backbone)


def test_first_trained_layer_is_an_index_from_either_end_or_a_name(backbone):
    assert first(backbone, 100) == 100
    assert first(backbone, -100) == 54
    assert backbone.layers[first(backbone, "block_11_expand")].name == "block_11_expand"
    assert first(backbone, 0) == first(backbone, -154) == 0
    assert first(backbone, 154) == 154


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (155, r"fine_tune_at: expected auto, .* layer number from -154 to 154.* Received: 155"),
        (-155, r"fine_tune_at: expected auto, .* layer number from -154 to 154.* Received: -155"),
        ("blok_9_add", r"for example block_9_add\. Received: blok_9_add"),
    ],
)
def test_layer_that_the_backbone_does_not_have_is_refused_in_one_line(backbone, at, message):
    with pytest.raises(InputError, match=message):
        first(backbone, at)
