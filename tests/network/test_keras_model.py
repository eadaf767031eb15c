from pathlib import Path

import numpy as np
import pytest
from conftest import refused
from networks import DENSE, PLAIN, model_with, pixels
from scipy.special import expit, softmax

from pawprint.commands.export_formats import for_export
from pawprint.model.unknown_score import fit_detector
from pawprint.network import keras_model
from pawprint.network.hardware import keras

PIXELS = pixels(3).astype(np.float32)


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    return expit(logits) if logits.shape[1] == 1 else softmax(logits, axis=1)


@pytest.mark.parametrize(
    ("params", "pooling", "classes"),
    [(PLAIN, "average", 3), (DENSE.model_copy(update={"output": "logits"}), "flatten", 2)],
)
def test_outputs_are_those_of_backbone_pooling_and_head_in_inference_mode(params, pooling, classes):
    """This holds for the model, for the one with logits and features, and for the exported one."""
    model = model_with(params, pooling, classes)
    _, backbone, _, head = keras_model.parts(model)
    maps = backbone(PIXELS / 127.5 - 1, training=False).numpy()
    means, flat = maps.mean(axis=(1, 2)), maps.reshape(len(maps), -1)
    of_head = head(flat if pooling == "flatten" else means, training=False).numpy()
    logits, features = keras_model.with_features(model).predict(PIXELS, verbose=0)
    logits = logits.astype(np.float64)
    assert np.ptp(logits, axis=0).min() > 0.01
    assert features == pytest.approx(means, abs=1e-5)
    probabilities = probabilities_of(logits)
    expected = logits if params.output == "logits" else probabilities
    assert of_head == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert model.predict(PIXELS, verbose=0) == pytest.approx(probabilities, abs=1e-5)

    detector = fit_detector(np.random.default_rng(0).uniform(0, 1, (9, features.shape[1])))
    for temperature, fitted in ((1.0, None), (2.5, detector)):
        outputs = for_export(model, temperature, fitted).predict(PIXELS, verbose=0)
        expected = {"probability": probabilities_of(logits / temperature)}
        if fitted:
            expected["unknown_score"] = detector.score(features)[:, None]
        assert outputs.keys() == expected.keys()
        for name, values in expected.items():
            assert outputs[name] == pytest.approx(values, abs=1e-5)


@pytest.mark.filterwarnings("error:.*optimizer:UserWarning")
@pytest.mark.parametrize("classes", [2, pytest.param(3, marks=pytest.mark.extended)])
def test_saved_model_is_loaded_by_plain_keras_and_continues_training(tmp_path, classes):
    inputs = keras.Input((32, 32, 3))
    backbone = keras.Model(inputs, keras.layers.Conv2D(8, 3)(inputs), name="backbone")
    model = keras_model.build_model(
        "MobileNetV2", backbone, keras_model.build_head(PLAIN, classes), "average"
    )
    optimizer = keras.optimizers.Adam(name="adam")
    optimizer.build(model.trainable_variables)
    keras_model.save_model(model, tmp_path / "model.keras", optimizer)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images = pixels(2, 32).astype(np.float32)
    assert np.array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
    assert isinstance(loaded.optimizer, keras.optimizers.Adam)
    loaded.fit(images, np.array([0.0, classes - 1]), verbose=0)
    assert int(loaded.optimizer.iterations) == 1


def save_lambda(path: Path) -> None:
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.Lambda(lambda maps: maps)(inputs)).save(path)


def cut_off(path: Path) -> None:
    keras_model.save_model(model_with(), path)
    path.write_bytes(path.read_bytes()[:-100])


OTHER_FILES = {
    "missing": (lambda path: None, "no such model. Run `dvc repro`"),
    "cut off": (cut_off, "expected a model of this project"),
    "with code": (save_lambda, "Lambda"),
}


@pytest.mark.parametrize("file", OTHER_FILES)
def test_file_that_holds_no_model_of_this_project_is_one_line(tmp_path, file):
    path, (write, message) = tmp_path / "model.keras", OTHER_FILES[file]
    write(path)
    with refused(f"{path}: ", message):
        keras_model.load_model(path)
