"""Test training in mixed precision, on the CPU, without a GPU."""

import numpy as np
import pytest
from networks import epochs_of, sample_backbone, write_features

from pawprint.base.columns import SPLIT
from pawprint.base.tables import read_table, write_table
from pawprint.network.hardware import keras, make_deterministic
from pawprint.network.keras_model import build_head, build_model, load_model, save_model
from pawprint.network.store import stored_examples
from pawprint.network.training import Phase, fine_tune, open_batches, train_head
from pawprint.pipeline.params.model import Dense, Head

LABELS = ["cat", "dog"]
TRAIN = epochs_of(10, learning_rate=2e-3, learning_rate_decay="cosine", batch_size=8)
HEAD = Head(dense=Dense(units=8), dropout=0.0, output="probabilities")
FIRST = 150  # first trained layer: the last convolution


@pytest.fixture
def features(tmp_path):
    """Return training inputs at the cut and the top, half of whose channels reveal the label."""
    labels, kinds = np.arange(32) % 2, {}
    for kind, shape in (("cut", (3, 3, 112)), ("top", (1280,))):
        maps = np.random.default_rng(0).uniform(0, 1, (32, 1, *shape))
        maps[..., ::2] += labels.reshape(-1, 1, *[1] * len(shape))
        kinds[kind] = maps.astype(np.float16)
    write_table(tmp_path / "split.csv", write_features(tmp_path, labels, **kinds), SPLIT)
    return tmp_path


def trained(features, precision="float32"):
    """Return the model after both phases, its optimizer, its last accuracy, and all losses."""
    make_deterministic(1)
    split = read_table(features / "split.csv", SPLIT)
    examples, phase = stored_examples(features, split, LABELS), Phase("", TRAIN, precision)
    data = open_batches(examples, ("top",), TRAIN)
    arrays, *_, first = train_head(build_head(HEAD, 2), data, phase)
    head = build_head(HEAD, 2)
    model = build_model("MobileNetV2", sample_backbone(), head, "average")
    head.set_weights(arrays)
    data = open_batches(examples, ("cut",), TRAIN)
    optimizer, second, *_ = fine_tune(model, FIRST, data, phase)
    accuracy = second["validation_accuracy"].iloc[-1]
    return model, optimizer, accuracy, [*first["loss"], *second["loss"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "precision", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.extended)]
)
def test_mixed_precision_learns_and_saves_a_model_in_float32(features, tmp_path, precision):
    model, optimizer, accuracy, losses = trained(features, precision)
    assert accuracy == 1.0
    _, _, _, exact = trained(features)
    # Rounding errors add up in the longer second phase.
    assert losses[: TRAIN.number] == pytest.approx(exact[: TRAIN.number], rel=0.05)
    assert losses[-1] < losses[TRAIN.number]
    assert losses != exact
    assert isinstance(optimizer, keras.optimizers.Adam)
    path = tmp_path / "model.keras"
    save_model(model, path, optimizer)
    assert {layer.compute_dtype for layer in load_model(path).layers} == {"float32"}
