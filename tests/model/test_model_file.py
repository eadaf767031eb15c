"""Model files in every format that `predict` reads: good ones predict, others are one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from networks import colour_model, metadata, with_probabilities, write_colour_model
from PIL import Image

from pawprint.errors import InputError
from pawprint.model.metadata import write_metadata
from pawprint.model.predictor import load_predictor
from pawprint.network.hardware import keras

SIZE = 32
METADATA = metadata(image_size=SIZE)
# The file of each format that a damage is done to.
FORMATS = {"xml": "model.xml", "onnx": "model.onnx"}
FORMATS |= {"tflite": "model.tflite", "saved_model": "saved_model.pb"}
EACH_FORMAT = [
    pytest.param(form, marks=() if form in ("xml", "onnx") else pytest.mark.extended)
    for form in FORMATS
]
KERAS_FORMATS = {"tflite": "litert", "onnx": "onnx", "saved_model": "tf_saved_model"}
PACKAGES = {"onnx": "tf2onnx", "tflite": "ai_edge_litert"}
RED = Image.new("RGB", (SIZE, SIZE), (110, 0, 100))


def write(form: str, model: keras.Model, folder: Path) -> Path:
    """A Keras model of pixels as a format of FORMATS, with metadata."""
    folder.mkdir(parents=True)
    model(model.inputs)  # Keras exports only what was called
    target = folder if form == "saved_model" else folder / FORMATS[form]
    model.export(str(target), format=KERAS_FORMATS[form], verbose=False)
    write_metadata(folder, METADATA)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[[str], Path]:
    """The folder of one good model in each format, made on first use."""
    folder = tmp_path_factory.mktemp("made")

    def in_format(form: str) -> Path:
        if form in PACKAGES:
            pytest.importorskip(PACKAGES[form])
        target = folder / form
        if form == "xml" and not target.exists():
            write_colour_model(target)
        elif not target.exists():
            write(form, with_probabilities(colour_model(SIZE)), target)
        return target

    return in_format


@pytest.fixture
def model(made, tmp_path) -> Callable[[str], Path]:
    """A copy of a good model, to damage."""
    return lambda form: shutil.copytree(made(form), tmp_path / form)


def refusal(folder: Path) -> str:
    """The one line that says why a folder holds no model."""
    with pytest.raises(InputError) as raised:
        load_predictor(folder)
    message = str(raised.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("form", EACH_FORMAT)
def test_good_model_predicts(model, form):
    second = 0.7310586
    predicted = load_predictor(model(form)).predict(RED)
    assert predicted.probabilities == pytest.approx([1 - second, second], abs=1e-5)
    assert (predicted.features is None) == (form != "xml")


@pytest.mark.parametrize("form", EACH_FORMAT[1:])
def test_model_without_the_score_that_its_threshold_needs_is_refused(model, form):
    folder = model(form)
    write_metadata(folder, METADATA.model_copy(update={"unknown_threshold": 0.5}))
    assert "number of outputs 1, less than 2: probability, unknown_score" in refusal(folder)


@pytest.mark.parametrize("form", EACH_FORMAT)
def test_damaged_file_is_refused(model, form):
    path = model(form) / FORMATS[form]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"{path}: expected a served or exported model. Received: " in refusal(path.parent)


@pytest.mark.parametrize("end", [None, 0, -1])
def test_network_with_too_few_weights_is_refused(model, end):
    path = model("xml") / "model.bin"
    data = path.read_bytes()
    path.unlink()
    if end is not None:
        path.write_bytes(data[:end])
    assert "model.xml: expected a served or exported model" in refusal(path.parent)


@pytest.mark.parametrize("form", EACH_FORMAT[1:])
@pytest.mark.parametrize(
    ("shape", "units", "message"),
    [
        ((32, 16, 3), 1, r"input \[.*,32,16,3\], not \(batch, 32, 32, 3\)"),
        ((32, 32, 3), 2, r"output \[1,2\] of one image, not \(1, 1\)"),
    ],
)
def test_model_of_something_else_is_refused(made, tmp_path, form, shape, units, message):
    made(form)  # skips a format whose packages are missing
    inputs = keras.Input(shape)
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    other = keras.Model(inputs, keras.layers.Dense(units)(pooled))
    with pytest.raises(InputError, match=message):
        load_predictor(write(form, other, tmp_path / "other"))
