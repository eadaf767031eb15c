"""Test that every Keras application can be the backbone."""

from typing import get_args

import numpy as np
import pytest
from conftest import refused
from networks import PLAIN, epochs_of, metadata, model_params, pixels
from PIL import Image

from pawprint.base.runtime import compile_for_cpu
from pawprint.model.predictor import load_predictor
from pawprint.model.served_model import write_served_model
from pawprint.network import keras_model
from pawprint.network.hardware import keras, make_deterministic
from pawprint.network.keras_backbone import application, build_extractor
from pawprint.network.keras_model import cut_index, first_trained, with_blocks
from pawprint.network.training import Batches, Data, Phase, fine_tune
from pawprint.pipeline.params.model import Backbone

SIZE = 32
TESTED = {
    "MobileNetV2": 0.35,
    "MobileNetV3Small": 0.75,
    "EfficientNetV2B0": None,
    "EfficientNetLite0": None,
    "ResNet50": None,
    "DenseNet121": None,
    "ConvNeXtTiny": None,
}
# The other tests use MobileNetV2.
EACH = [
    pytest.param(name, id=name, marks=() if name == "MobileNetV3Small" else pytest.mark.extended)
    for name in TESTED
]


@pytest.mark.parametrize("name", get_args(Backbone))
def test_preprocessing_is_that_of_the_application(name):
    images = pixels(2, SIZE).astype(np.float32)
    expected = keras_model.find_application(name).preprocess_input(images.copy())
    assert keras_model.preprocessing(name)(images).numpy() == pytest.approx(expected, abs=1e-4)


def test_size_that_a_backbone_cannot_take_is_one_line():
    with refused("model.image_size: expected a size that Xception supports. Received: 64"):
        application("Xception", None, 64, "imagenet")


@pytest.mark.parametrize("name", EACH)
def test_backbone_goes_from_weights_to_the_served_model(name, tmp_path):
    make_deterministic(1)
    served, alpha = tmp_path / "served", TESTED[name]
    params = model_params(backbone=name, alpha=alpha, image_size=SIZE)
    keras_model.save_model(application(name, alpha, SIZE), tmp_path / "backbone.keras")
    backbone = keras_model.load_model(tmp_path / "backbone.keras")
    first = first_trained(params.model_copy(update={"fine_tune_at": "auto"}), backbone)
    assert 0.5 < first / len(backbone.layers) < 0.8

    labels = (np.arange(8) % 2).astype(np.float32)
    images = (pixels(8, SIZE) * np.where(labels, 1, 0.3)[:, None, None, None]).astype(np.uint8)
    cut = cut_index(backbone, first)
    whole = with_blocks(backbone)
    extractor, kinds = build_extractor(name, whole, "average", cut)
    assert kinds == ["cut", "blocks", "top"]
    run = compile_for_cpu(keras_model.convert(extractor))
    features = [np.stack(rows) for rows in zip(*map(run, images))]
    for stored, of_keras in zip(features, extractor(images.astype(np.float32), training=False)):
        assert np.abs(stored - of_keras).max() < 1e-4 * np.abs(of_keras).max()

    at_cut, blocks, _ = (array[:, None].astype(np.float16) for array in features)
    model = keras_model.build_model(name, whole, keras_model.build_head(PLAIN, 2), "average")
    _, backbone, *_ = keras_model.parts(model)
    before = {layer.name: layer.get_weights() for layer in backbone.layers}
    train = Batches(at_cut, labels, 4, "one", seed=1, blocks=blocks)
    data = Data(train, Batches(at_cut, labels, 4, blocks=blocks))
    phase = Phase("", epochs_of(2, learning_rate=1e-3))
    optimizer, history, *_ = fine_tune(model, first, data, phase)
    changed = {
        each.name
        for each in backbone.layers
        if not all(map(np.array_equal, each.get_weights(), before[each.name]))
    }
    normalizations = {
        each.name for each in backbone.layers if isinstance(each, keras.layers.BatchNormalization)
    }
    assert changed
    assert changed <= {each.name for each in backbone.layers[first:]} - normalizations
    keras_model.save_model(model, tmp_path / "b.keras", optimizer)
    model = keras_model.load_model(tmp_path / "b.keras")
    expected = model.predict(images.astype(np.float32), verbose=0)[:, 0]
    losses = -np.log(np.where(labels, expected, 1 - expected).astype(np.float64))
    measured = history["validation_loss"].iloc[-1]  # in float16
    assert measured == pytest.approx(losses.mean(), rel=2e-3, abs=1e-6)

    network = keras_model.convert(keras_model.with_features(model))
    write_served_model(network, metadata(image_size=SIZE), None, served, is_mirrored=False)
    predictor = load_predictor(served)
    predicted = [predictor.predict(Image.fromarray(image)) for image in images]
    assert [answer.probabilities[1] for answer in predicted] == pytest.approx(expected, abs=1e-4)
