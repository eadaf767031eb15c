import numpy as np
import pytest

from pawprint.core.errors import InputError
from pawprint.network.backbone import new_backbone
from pawprint.network.backend import keras
from pawprint.network.cut import cut_index, first_trained, split_at


@pytest.fixture(scope="module")
def backbone():
    return new_backbone(0.35, 32)


@pytest.mark.parametrize(
    ("fine_tune_at", "cut"),
    [
        (0, "input_layer"),
        (1, "input_layer"),
        (54, "block_5_add"),
        (100, "block_10_project_BN"),
        (101, "block_10_project_BN"),
        (154, "out_relu"),
    ],
)
def test_cut_is_the_last_layer_that_all_later_layers_depend_on(backbone, fine_tune_at, cut):
    name = backbone.layers[cut_index(backbone, fine_tune_at)].name
    assert name.startswith(cut)


@pytest.mark.parametrize("alpha", [0.35, 1.0])
def test_both_parts_in_order_give_the_output_of_the_backbone_for_every_cut(alpha):
    keras.utils.set_random_seed(1)
    backbone = new_backbone(alpha, 32)
    for weight in backbone.weights:  # statistics other than 0 and 1, so that every layer matters
        if "moving" in weight.name:
            weight.assign(np.random.default_rng(0).uniform(0.5, 1.5, weight.shape))
    scaled = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    expected = backbone(scaled, training=False)
    assert np.abs(expected).max() > 0.01
    cuts = {cut_index(backbone, first) for first in range(len(backbone.layers) + 1)}
    assert len(cuts) > 70
    for cut in sorted(cuts):
        before, after = split_at(backbone, cut)
        difference = after(before(scaled, training=False), training=False) - expected
        assert np.abs(difference).max() < 1e-5, backbone.layers[cut].name


def test_first_trained_layer_counts_from_the_first_or_from_the_last(backbone):
    assert first_trained(backbone, 100, None) == 100
    assert first_trained(backbone, None, 100) == 54
    assert first_trained(backbone, 0, None) == first_trained(backbone, None, 154) == 0
    assert first_trained(backbone, 154, None) == first_trained(backbone, None, 0) == 154


@pytest.mark.parametrize(("at", "last"), [(155, None), (None, 155)])
def test_layer_beyond_the_last_is_refused(backbone, at, last):
    with pytest.raises(InputError, match=r"fine_tune_.*: expected a number from 0 to 154.*155"):
        first_trained(backbone, at, last)
