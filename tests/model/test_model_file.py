"""Test that damaged model files, served or exported, are reported in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import refused
from networks import colour_model, metadata, with_probabilities, write_colour_model

from pawprint.model.metadata import write_metadata
from pawprint.model.predictor import load_predictor
from pawprint.network.hardware import keras

SIZE = 32
METADATA = metadata(image_size=SIZE)


def write_onnx(model: keras.Model, folder: Path) -> Path:
    """Write a Keras model of pixels as ONNX, with metadata."""
    pytest.importorskip("tf2onnx")
    folder.mkdir()
    model(model.inputs)  # Keras only exports a model that has been called
    model.export(str(folder / "model.onnx"), format="onnx", verbose=False)
    write_metadata(folder, METADATA)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_colour_model(folder / "xml")
    write_onnx(with_probabilities(colour_model(SIZE)), folder / "onnx")
    return folder


@pytest.fixture
def model(made, tmp_path) -> Callable[[str], Path]:
    """Return a function that copies a good model, which can then be damaged."""
    return lambda form: shutil.copytree(made / form, tmp_path / form)


def test_model_without_the_score_that_its_threshold_needs_is_refused(model):
    folder = model("onnx")
    write_metadata(folder, METADATA.model_copy(update={"unknown_threshold": 0.5}))
    with refused("too few outputs: 1, not 2: probability, unknown_score"):
        load_predictor(folder)


@pytest.mark.parametrize(("form", "name"), [("xml", "model.bin"), ("onnx", "model.onnx")])
def test_model_with_one_other_bit_is_refused(model, form, name):
    path = model(form) / name
    *data, last = path.read_bytes()
    path.write_bytes(bytes([*data, last ^ 1]))
    with refused(f"{path}: expected the file that model.json lists. Received: another SHA-256"):
        load_predictor(path.parent)


def test_network_that_model_json_does_not_list_is_not_read(model):
    folder = model("onnx")
    (folder / "model.onnx").rename(folder / "other.onnx")
    write_metadata(folder, METADATA)
    (folder / "other.onnx").rename(folder / "model.onnx")
    with refused("other.onnx: expected the file that model.json lists. Received: no such file"):
        load_predictor(folder)
    (folder / "model.onnx").rename(folder / "other.onnx")
    with refused("other.onnx, only runs in other programs"):
        load_predictor(folder)


@pytest.mark.parametrize("name", ["model.xml", "model.bin", "model.onnx"])
def test_damaged_file_is_refused(model, name):
    path = model("onnx" if name == "model.onnx" else "xml") / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    write_metadata(path.parent, METADATA)
    named = path.with_name(name.replace("bin", "xml"))
    with refused(f"{named}: expected a served or exported model. Received: "):
        load_predictor(path.parent)


@pytest.mark.parametrize(
    ("shape", "units", "message"),
    [
        ((32, 16, 3), 1, ("input [", ",32,16,3], not (batch, 32, 32, 3)")),
        ((32, 32, 3), 2, ("output [1,2] for one image, not float32 (1, 1)",)),
    ],
)
def test_model_of_something_else_is_refused(tmp_path, shape, units, message):
    inputs = keras.Input(shape)
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    other = keras.Model(inputs, keras.layers.Dense(units)(pooled))
    folder = write_onnx(other, tmp_path / "other")
    with refused(*message):
        load_predictor(folder)
