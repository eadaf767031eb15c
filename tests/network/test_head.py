import pytest
from networks import DENSE, LOGITS, PLAIN

from pawprint.network.model import build_head, gives_logits


@pytest.mark.parametrize(
    ("params", "layers", "trained"),
    [
        (PLAIN, ["dropout", "probabilities"], 2),
        (LOGITS, ["logits"], 2),
        (DENSE, ["dense", "batch_normalization", "dropout", "probabilities"], 6),
    ],
)
@pytest.mark.parametrize(("classes", "units"), [(2, 1), (3, 3), (40, 40)])
def test_head_has_the_layers_of_its_params(params, layers, trained, classes, units):
    head = build_head(params, classes)
    head.build((None, 8))
    assert [layer.name for layer in head.layers] == layers
    assert len(head.trainable_variables) == trained
    assert gives_logits(head) == (params.output == "logits")
    assert head.output_shape == (None, units)
    if params.dense:
        assert float(head.get_layer("dense").kernel_regularizer.l2) == pytest.approx(0.01)
