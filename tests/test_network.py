import json
import shutil
import zipfile

import numpy as np
import pytest
from conftest import SAMPLE_WEIGHTS

from stages.shared.backend import keras
from stages.shared.errors import InputError
from stages.shared.network import (
    InferenceMode,
    build_head,
    build_whole,
    cut_index,
    freeze,
    load_base,
    load_model,
    save_model,
    split_at,
)
from stages.shared.params import Model

SAMPLE = Model(alpha=0.35, image_size=96, fine_tune_at=100)
PIXELS = np.random.default_rng(0).uniform(0, 255, (3, 96, 96, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def base():
    return load_base(SAMPLE, SAMPLE_WEIGHTS)


@pytest.fixture(scope="module")
def whole(base):
    return build_whole(base, build_head(dropout=0.2))


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
def test_cut_is_the_last_layer_that_all_later_ones_are_reached_through(base, fine_tune_at, cut):
    name = base.layers[cut_index(base, fine_tune_at)].name
    assert name.startswith(cut)


def test_part_before_the_cut_then_part_after_it_is_the_base(base):
    scaled = PIXELS / 127.5 - 1
    expected = base(scaled, training=False)
    cuts = sorted({cut_index(base, fine_tune_at) for fine_tune_at in range(len(base.layers) + 1)})
    assert len(cuts) > 70
    for cut in cuts[::6]:
        before, after = split_at(base, cut)
        difference = after(before(scaled, training=False), training=False) - expected
        assert np.abs(difference).max() < 1e-4, base.layers[cut].name


def test_frozen_model_gives_the_same_outputs_for_batches_of_any_size(base):
    run = freeze(base)
    scaled = PIXELS / 127.5 - 1
    for batch in (scaled, scaled[:1]):
        (output,) = run(batch)
        assert np.abs(output - base(batch, training=False)).max() < 1e-4


def test_whole_model_takes_pixels_and_gives_probabilities(whole):
    assert whole.input_shape == (None, 96, 96, 3)
    probabilities = whole.predict(PIXELS, verbose=0)
    assert probabilities.shape == (3, 1)
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_batch_normalization_keeps_its_statistics_while_its_weights_are_trained(base):
    """`base(x, training=False)` alone would not: `fit` overrides it inside functional models."""
    _, tail = split_at(base, cut_index(base, 150))
    inputs = keras.Input(tail.input_shape[1:])
    model = keras.Model(inputs, InferenceMode(tail)(inputs))
    features = np.random.default_rng(0).normal(size=(8, *tail.input_shape[1:])).astype(np.float32)
    layer = next(
        layer for layer in tail.layers if isinstance(layer, keras.layers.BatchNormalization)
    )
    assert np.allclose(model(features, training=True), model(features, training=False))
    before = [weight.numpy() for weight in layer.weights]
    model.compile("sgd", "mse")
    model.fit(features, np.zeros((8, *tail.output_shape[1:])), verbose=0)
    after = {weight.name: weight.numpy() for weight in layer.weights}
    changed = {
        weight.name: not np.array_equal(old, after[weight.name])
        for weight, old in zip(layer.weights, before)
    }
    assert changed == {"gamma": True, "beta": True, "moving_mean": False, "moving_variance": False}


def test_model_saved_twice_is_the_same_bytes_and_comes_back_with_its_labels(whole, tmp_path):
    for name in ("a.keras", "b.keras"):
        save_model(whole, tmp_path / name, ["cat", "dog"])
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.keras", "b.keras"]
    loaded, labels = load_model(tmp_path / "a.keras")
    assert labels == ["cat", "dog"]
    assert np.array_equal(loaded.predict(PIXELS, verbose=0), whole.predict(PIXELS, verbose=0))


def test_same_network_built_again_is_the_same_bytes(tmp_path):
    """Keras names shared objects by their address in memory, which differs every time."""
    for name in ("a.keras", "b.keras"):
        keras.utils.clear_session()
        keras.utils.set_random_seed(1)
        head = build_head(dropout=0.2)
        save_model(
            build_whole(load_base(SAMPLE, SAMPLE_WEIGHTS), head), tmp_path / name, ["a", "b"]
        )
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()


def test_saved_model_is_loaded_by_plain_keras(whole, tmp_path):
    save_model(whole, tmp_path / "model.keras", ["cat", "dog"])
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded.predict(PIXELS, verbose=0), whole.predict(PIXELS, verbose=0))


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_weights_of_another_width_are_refused_in_one_line(alpha):
    other = SAMPLE.model_copy(update={"alpha": alpha})
    with pytest.raises(
        InputError, match=rf"expected weights of MobileNetV2 .*alpha {alpha}"
    ) as error:
        load_base(other, SAMPLE_WEIGHTS)
    assert "\n" not in str(error.value)


def test_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"weights\.h5: expected weights of MobileNetV2"):
        load_base(SAMPLE, tmp_path / "weights.h5")


def test_layer_beyond_the_last_is_refused():
    beyond = SAMPLE.model_copy(update={"fine_tune_at": 155})
    with pytest.raises(InputError, match=r"fine_tune_at: expected a layer from 0 to 154.*155"):
        load_base(beyond, SAMPLE_WEIGHTS)


def test_missing_model_says_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match=r"finetune\.keras: no such model\. Run `dvc repro`"):
        load_model(tmp_path / "finetune.keras")


def test_model_of_another_project_is_refused(whole, tmp_path):
    whole.save(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.keras") as archive:
        assert "labels" not in json.loads(archive.read("metadata.json"))
    shutil.copy(SAMPLE_WEIGHTS, tmp_path / "weights.keras")
    for name in ("other.keras", "weights.keras"):
        with pytest.raises(InputError, match=rf"{name}: expected a model of this project"):
            load_model(tmp_path / name)
