"""Training on several devices and in mixed precision, on the CPU: no GPU is needed."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import PROJECT, SAMPLE_WEIGHTS

from stages.shared.backend import keras, make_deterministic, tf
from stages.shared.hardware import computing_in, training_on
from stages.shared.meaning import Meaning
from stages.shared.network import (
    build_head,
    build_whole,
    load_base,
    load_model,
    save_model,
)
from stages.shared.params import Dense, Hardware, Head, Train
from stages.train_finetune import train_finetune

TRAIN = Train(
    epochs=4,
    optimizer="adam",
    learning_rate=1e-3,
    learning_rate_decay="cosine",
    batch_size=8,
    views_per_epoch="one",
    early_stopping=None,
    reduce_lr_on_plateau=None,
    seed=1,
)
# No dropout: each device would drop other units.
HEAD = Head(dense=Dense(units=8), dropout=0.0, output="sigmoid")
MEANING = Meaning(labels=["cat", "dog"], resize="crop", threshold=0.5)
FIRST = 150  # of the layers trained: the last convolution and what follows it


@pytest.fixture
def features(tmp_path):
    """Feature maps at the cut, of which one channel tells the label."""
    labels = np.arange(32) % 2
    for name in ("train", "validation"):
        maps = np.random.default_rng(0).uniform(0, 1, (32, 1, 3, 3, 112))
        maps[..., 0] += 3 * labels[:, None, None, None]
        np.save(tmp_path / f"{name}_cut.npy", maps.astype(np.float16))
        np.save(tmp_path / f"{name}_labels.npy", labels.astype(np.float32))
    return tmp_path


def fine_tuned(features, precision="float32"):
    """A model after fine-tuning, with its optimizer and its history."""
    make_deterministic(1)
    model = build_whole(load_base(0.35, 96, SAMPLE_WEIGHTS), build_head(HEAD), "average")
    optimizer, metrics, history = train_finetune(model, TRAIN, precision, FIRST, 0, features)
    return model, optimizer, metrics, history


# What main of a stage does, on two devices in place of GPUs; prints the losses and saves the model.
ON_TWO_DEVICES = """
import json, sys
from pathlib import Path
from stages.shared.backend import tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from stages.shared.hardware import mirrored
from stages.shared.network import save_model
from test_hardware import MEANING, fine_tuned
strategy = mirrored(tf.config.list_logical_devices("CPU"))
assert strategy.num_replicas_in_sync == 2
with strategy.scope():
    model, optimizer, _, history = fine_tuned(Path(sys.argv[1]))
save_model(model, MEANING, Path(sys.argv[2]), optimizer)
print(json.dumps([row["loss"] for row in history]))
"""


def test_two_devices_share_each_batch_and_learn_what_one_learns(features, tmp_path):
    path = tmp_path / "model.keras"
    result = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES, features, path],
        cwd=PROJECT,
        env={"PYTHONPATH": f"{PROJECT}:{PROJECT / 'tests'}"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    alone, _, _, history = fine_tuned(features)
    losses = json.loads(result.stdout.splitlines()[-1])
    assert losses == pytest.approx([row["loss"] for row in history], rel=1e-2)
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 96, 96, 3)).astype(np.float32)
    assert np.abs(load_model(path)[0](pixels) - alone(pixels)).max() < 1e-2


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns_and_saves_a_model_in_float32(features, tmp_path, precision):
    model, optimizer, metrics, history = fine_tuned(features, precision)
    assert metrics["validation"]["accuracy"] == 1.0
    _, _, _, exact = fine_tuned(features)
    losses = [[row["loss"] for row in each] for each in (history, exact)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]
    assert isinstance(optimizer, keras.optimizers.Adam)
    path = tmp_path / "model.keras"
    save_model(model, MEANING, path, optimizer)
    assert {layer.compute_dtype for layer in load_model(path)[0].layers} == {"float32"}


def test_layers_compute_in_the_precision_inside_and_in_float32_after():
    layer = keras.layers.Dense(2)
    with computing_in("mixed_float16", [layer]):
        assert layer(np.ones((1, 2))).dtype == tf.float16
        assert layer.kernel.dtype == "float32"
    assert layer(np.ones((1, 2))).dtype == tf.float32


@pytest.mark.parametrize(
    ("precision", "trained_in"), [("auto", "float32"), ("mixed_bfloat16", "mixed_bfloat16")]
)
def test_cpu_trains_in_float32_unless_told_otherwise(precision, trained_in):
    with training_on(Hardware(devices="cpu", precision=precision)) as chosen:
        assert chosen == trained_in
        assert tf.distribute.get_strategy().num_replicas_in_sync == 1
        assert tf.config.get_visible_devices("GPU") == []
