from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE_WEIGHTS

from pawprint.core.errors import InputError
from pawprint.core.params import Dense, Head
from pawprint.network.backbone import load_base, new_base
from pawprint.network.backend import keras, tf
from pawprint.network.cut import FoldedTail, cut_index, first_trained, split_at
from pawprint.network.head import build_head, gives_logits
from pawprint.network.model import build_whole, load_model, save_h5, save_model
from pawprint.serving.metadata import Meaning

MEANING = Meaning(labels=["cat", "dog"], resize="stretch", threshold=0.3)
HEAD = Head(dense=None, dropout=0.2, output="sigmoid")
PIXELS = np.random.default_rng(0).uniform(0, 255, (3, 96, 96, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def base():
    return load_base(0.35, 96, SAMPLE_WEIGHTS)


@pytest.fixture(scope="module")
def whole(base):
    return build_whole(base, build_head(HEAD), "average")


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


@pytest.mark.parametrize("alpha", [0.35, 1.0])
def test_part_before_the_cut_then_part_after_it_is_the_base_for_every_layer(alpha):
    keras.utils.set_random_seed(1)
    base = new_base(alpha, 32)
    for weight in base.weights:  # statistics other than 0 and 1, so that every layer matters
        if "moving" in weight.name:
            weight.assign(np.random.default_rng(0).uniform(0.5, 1.5, weight.shape))
    scaled = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    expected = base(scaled, training=False)
    assert np.abs(expected).max() > 0.01
    cuts = {cut_index(base, first) for first in range(len(base.layers) + 1)}
    assert len(cuts) > 70
    for cut in sorted(cuts):
        before, after = split_at(base, cut)
        difference = after(before(scaled, training=False), training=False) - expected
        assert np.abs(difference).max() < 1e-5, base.layers[cut].name


def test_first_trained_layer_counts_from_the_front_or_from_the_end(base):
    assert first_trained(base, 100, None) == 100
    assert first_trained(base, None, 100) == 54
    assert first_trained(base, 0, None) == first_trained(base, None, 154) == 0
    assert first_trained(base, 154, None) == first_trained(base, None, 0) == 154


def test_whole_model_takes_pixels_and_gives_probabilities(whole):
    assert whole.input_shape == (None, 96, 96, 3)
    probabilities = whole.predict(PIXELS, verbose=0)
    assert probabilities.shape == (3, 1)
    assert ((probabilities > 0) & (probabilities < 1)).all()


@pytest.fixture
def folded(base):
    """The tail of the base from layer 54 on as fine-tuning runs it, and that tail."""
    _, tail = split_at(base, cut_index(base, 54))
    inputs = keras.Input(tail.input_shape[1:])
    return keras.Model(inputs, FoldedTail(tail)(inputs)), tail


def features_for(tail: keras.Model, images: int) -> np.ndarray:
    shape = (images, *tail.input_shape[1:])
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("images", [1, 2, 5])
def test_folded_tail_gives_what_its_layers_give_one_by_one(folded, images):
    model, tail = folded
    features = features_for(tail, images)
    assert np.abs(model(features) - tail(features, training=False)).max() < 1e-4


def test_folded_tail_has_the_gradients_of_its_layers(folded):
    model, tail = folded
    features = features_for(tail, 4)
    gradients = []
    for network in (model, tail):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network(features, training=False) ** 2)
        gradients.append(tape.gradient(loss, [each.value for each in tail.trainable_variables]))
    assert [each.path for each in model.trainable_variables] == [
        each.path for each in tail.trainable_variables
    ]
    for folded_gradient, gradient in zip(*gradients):
        size = np.abs(gradient).max()
        assert np.abs(folded_gradient - gradient).max() <= 1e-3 * size + 1e-7


def test_batch_normalization_keeps_its_statistics_while_its_weights_are_trained(folded):
    """`base(x, training=False)` alone would not: `fit` overrides it inside functional models."""
    model, tail = folded
    features = features_for(tail, 8)
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


@pytest.mark.parametrize(
    ("params", "layers", "trained"),
    [
        (HEAD, ["dropout", "sigmoid"], 2),
        (Head(dense=None, dropout=0.0, output="logits"), ["logits"], 2),
        (
            Head(
                dense=Dense(units=16, l2=0.01, batch_normalization=True),
                dropout=0.5,
                output="sigmoid",
            ),
            ["dense", "batch_normalization", "dropout", "sigmoid"],
            6,
        ),
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


@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_model_on_logits_gives_the_probabilities_of_its_logits(base, pooling):
    head = build_head(Head(dense=None, dropout=0.0, output="logits"))
    whole = build_whole(base, head, pooling)
    maps = base(PIXELS / 127.5 - 1, training=False).numpy()
    pooled = maps.mean(axis=(1, 2)) if pooling == "average" else maps.reshape(len(maps), -1)
    logits = head(pooled).numpy()
    expected = 1 / (1 + np.exp(-logits))
    assert whole.predict(PIXELS, verbose=0) == pytest.approx(expected, abs=1e-5)


def save_untrained(model: keras.Model, path: Path) -> None:
    optimizer = keras.optimizers.Adam(name="adam")
    optimizer.build(model.trainable_variables)
    save_model(model, MEANING, path, optimizer)


def test_model_saved_twice_is_the_same_bytes_and_comes_back_with_its_description(whole, tmp_path):
    for name in ("a.keras", "b.keras"):
        save_untrained(whole, tmp_path / name)
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.keras", "b.keras"]
    loaded, meaning = load_model(tmp_path / "a.keras")
    assert meaning == MEANING
    assert np.array_equal(loaded.predict(PIXELS, verbose=0), whole.predict(PIXELS, verbose=0))


def test_same_network_built_again_is_the_same_bytes(tmp_path):
    """Keras names shared objects by their address in memory, which differs every time."""
    for name in ("a", "b"):
        keras.utils.clear_session()
        keras.utils.set_random_seed(1)
        model = build_whole(load_base(0.35, 96, SAMPLE_WEIGHTS), build_head(HEAD), "average")
        save_h5(model, tmp_path / f"{name}.h5")
        save_untrained(model, tmp_path / f"{name}.keras")
    for kind in ("h5", "keras"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


@pytest.mark.filterwarnings("error:.*optimizer:UserWarning")
def test_saved_model_is_loaded_by_plain_keras_and_goes_on_training(whole, tmp_path):
    save_untrained(whole, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded.predict(PIXELS, verbose=0), whole.predict(PIXELS, verbose=0))
    assert isinstance(loaded.optimizer, keras.optimizers.Adam)
    loaded.fit(PIXELS, np.array([0.0, 1.0, 0.0]), verbose=0)
    assert int(loaded.optimizer.iterations) == 1


def test_hdf5_file_is_loaded_by_plain_keras_with_the_same_probabilities(whole, tmp_path):
    save_h5(whole, tmp_path / "model.h5")
    loaded = keras.models.load_model(tmp_path / "model.h5", compile=False)
    difference = loaded.predict(PIXELS, verbose=0) - whole.predict(PIXELS, verbose=0)
    assert np.abs(difference).max() <= 1e-6


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_weights_of_another_width_are_refused_in_one_line(alpha):
    with pytest.raises(
        InputError, match=rf"expected weights of MobileNetV2 .*alpha {alpha}"
    ) as error:
        load_base(alpha, 96, SAMPLE_WEIGHTS)
    assert "\n" not in str(error.value)


def test_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"weights\.h5: expected weights of MobileNetV2"):
        load_base(0.35, 96, tmp_path / "weights.h5")


@pytest.mark.parametrize(("at", "last"), [(155, None), (None, 155)])
def test_layer_beyond_the_last_is_refused(base, at, last):
    with pytest.raises(InputError, match=r"fine_tune_.*: expected a number from 0 to 154.*155"):
        first_trained(base, at, last)
