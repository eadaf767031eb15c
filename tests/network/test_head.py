import pytest
from networks import DENSE, LOGITS, PLAIN

from pawprint.network.head import build_head, gives_logits


@pytest.mark.parametrize(
    ("params", "layers", "trained"),
    [
        (PLAIN, ["dropout", "sigmoid"], 2),
        (LOGITS, ["logits"], 2),
        (DENSE, ["dense", "batch_normalization", "dropout", "sigmoid"], 6),
    ],
)
def test_head_has_the_layers_of_its_params(params, layers, trained):
    head = build_head(params)
    head.build((None, 8))
    assert [layer.name for layer in head.layers] == layers
    assert len(head.trainable_variables) == trained
    assert gives_logits(head) == (params.output == "logits")
    if params.dense:
        assert float(head.get_layer("dense").kernel_regularizer.l2) == pytest.approx(0.01)
