import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, SAMPLE_WEIGHTS, run
from pawprint.serving.classifier import load_classifier

from pawprint.cli.export import export, names_of, read_images, require_same_meaning
from pawprint.cli.formats import FORMATS, require_modules
from pawprint.cli.predict import predict
from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.files import write_csv
from pawprint.core.params import Head
from pawprint.images.archive import members, open_archive
from pawprint.network.backbone import load_base
from pawprint.network.backend import keras, tf
from pawprint.network.head import build_head
from pawprint.network.model import build_whole, load_model, save_model
from pawprint.serving.metadata import Meaning, write_labels

pytestmark = pytest.mark.slow
MEANING = Meaning(labels=["cat", "dog"], resize="crop", threshold=0.5)
# How far probabilities may be from Keras': float32 is rounding, the others have fewer bits.
TOLERANCE = {"litert float16": 0.05, "litert int8": 0.4}
MISSING = {
    name: [module for module in form.modules if importlib.util.find_spec(module) is None]
    for name, form in FORMATS.items()
}
EACH_FORMAT = [
    pytest.param(
        name, marks=pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")
    )
    for name, absent in MISSING.items()
]
PREDICTED = [param for param in EACH_FORMAT if param.values[0] != "h5"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, drawn_archive) -> Path:
    """A folder with drawn images, their split, and a model that tells most of them apart."""
    folder = tmp_path_factory.mktemp("workspace")
    archive = folder / paths.RAW_IMAGES
    archive.parent.mkdir(parents=True)
    shutil.copy(drawn_archive, archive)
    with open_archive(archive) as opened:
        names = [name for name in members(opened) if re.search(r"\.\d{4}\.jpg$", name)]
        for name in names:
            photo = folder / "photos" / name.replace("/", "-")
            photo.parent.mkdir(exist_ok=True)
            photo.write_bytes(opened.read(name))
    rows = [
        {
            "path": name,
            "label": "cat" if "/cats/" in name else "dog",
            "split": "train" if "/train/" in name else "test",
        }
        for name in names
    ]
    write_csv(folder / paths.SPLIT_IMAGES, ["path", "label", "split"], rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pixels, labels = read_images("train", 96, "crop")
    model = whole_model(pixels, np.array(labels) == "dog")
    save_model(model, MEANING, folder / paths.CALIBRATED_MODEL)
    return folder


def whole_model(pixels: np.ndarray, is_dog: np.ndarray) -> keras.Model:
    """A head that asks to which of the two classes' mean features an image is nearer."""
    head = build_head(Head(dense=None, dropout=0, output="sigmoid"))
    model = build_whole(load_base(0.35, 96, SAMPLE_WEIGHTS), head, "average")
    features = keras.Model(model.input, model.get_layer("pooling").output)(pixels).numpy()
    cat, dog = features[~is_dog].mean(axis=0), features[is_dog].mean(axis=0)
    scale = 4 / np.sum((dog - cat) ** 2)
    kernel = scale * (dog - cat)[:, None]
    head.layers[-1].set_weights([kernel, -(kernel.T @ (cat + dog) / 2)])
    return model


@pytest.fixture(scope="module")
def table(workspace) -> dict[str, list[str]]:
    """What the command prints for every format whose packages are here, by format."""
    names = [name for name, absent in MISSING.items() if not absent]
    formats = sorted({name.split()[0] for name in names})
    command = ["python", "-m", "pawprint", "export", "--format", *formats]
    if "litert" in formats:
        command += ["--quantize", "none", "float16", "int8"]
    result = run(*command, cwd=workspace, PYTHONPATH=str(PROJECT))
    assert (result.returncode, result.stderr) == (0, "")
    heading, *rows = (re.split(r" {2,}", line) for line in result.stdout.splitlines())
    assert heading == ["format", "MB", "largest difference", "accuracy", "ms per image"]
    assert [row[0] for row in rows] == ["keras", *names_of(formats, ["none", "float16", "int8"])]
    return {row[0]: row for row in rows}


def exported(workspace: Path, name: str) -> Path:
    return workspace / paths.EXPORT / FORMATS[name].file


@pytest.mark.parametrize("name", EACH_FORMAT)
def test_format_gives_the_probabilities_of_keras_in_its_own_runtime(workspace, table, name):
    _, megabytes, difference, accuracy, _ = table[name]
    assert exported(workspace, name).exists()
    assert 0.1 < float(megabytes) < 10
    assert float(difference) <= TOLERANCE.get(name, 1e-4)
    assert accuracy.endswith("/10)")
    if name not in TOLERANCE:
        assert accuracy == table["keras"][3]


@pytest.mark.parametrize("name", EACH_FORMAT)
def test_exported_model_takes_a_batch_of_any_size(workspace, table, name):
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 96, 96, 3)).astype(np.float32)
    path = exported(workspace, name)
    if path.suffix == ".tflite":
        from ai_edge_litert.interpreter import Interpreter

        (output,) = Interpreter(str(path)).get_signature_runner()(pixels=pixels).values()
    else:
        output = FORMATS[name].open(path)(pixels)
    assert output.shape == (3, 1)


def test_labels_and_threshold_lie_beside_the_models(workspace, table):
    written = json.loads((workspace / paths.EXPORT / "labels.json").read_text())
    assert written == {"labels": ["cat", "dog"], "resize": "crop", "threshold": 0.5}


def test_nothing_but_the_models_and_their_labels_is_left(workspace, table):
    names = {FORMATS[name].file for name, absent in MISSING.items() if not absent}
    assert {path.name for path in (workspace / paths.EXPORT).iterdir()} == {*names, "labels.json"}


@pytest.fixture(scope="module")
def labels_of_keras(workspace) -> dict[Path, str]:
    photos = sorted((workspace / "photos").iterdir())
    rows = predict(load_classifier(workspace / paths.CALIBRATED_MODEL), photos)
    return dict(zip(photos, (row["label"] for row in rows)))


@pytest.mark.parametrize("name", PREDICTED)
def test_predict_gives_the_labels_of_keras(workspace, table, labels_of_keras, name):
    assert set(labels_of_keras.values()) == {"cat", "dog"}
    rows = predict(load_classifier(exported(workspace, name)), list(labels_of_keras))
    assert [row["label"] for row in rows] == list(labels_of_keras.values())


def test_command_predicts_with_an_exported_model(workspace, table):
    result = run(
        *("python", "-m", "pawprint", "predict", "--model", "models/export/saved_model", "photos"),
        cwd=workspace,
        PYTHONPATH=str(PROJECT),
    )
    assert (result.returncode, result.stderr) == (0, "")
    photos = sorted((workspace / "photos").iterdir())
    lines = result.stdout.splitlines()
    assert [line.split()[-1] for line in lines] == [f"photos/{photo.name}" for photo in photos]


@pytest.fixture
def copy(workspace, table, tmp_path) -> Path:
    """The exported models, to damage."""
    shutil.copytree(workspace / paths.EXPORT, tmp_path / "export")
    return tmp_path / "export"


def refusal(path: Path) -> str:
    """The one line that says why there is no classifier in the file."""
    with pytest.raises(InputError) as raised:
        load_classifier(path)
    message = str(raised.value)
    assert len(message.splitlines()) == 1
    return message


def test_model_that_is_not_there_is_one_line(tmp_path):
    assert "no such model. Run `python export.py`" in refusal(tmp_path / "pawprint.onnx")


def test_missing_labels_are_one_line(copy):
    (copy / "labels.json").unlink()
    assert "labels.json: no such file" in refusal(copy / "saved_model")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"labels": ["cat", "dog"]}',
        '{"labels": ["cat"], "resize": "crop", "threshold": 0.5}',
        '{"labels": ["cat", "a\\nb"], "resize": "crop", "threshold": 0.5}',
        '{"labels": ["cat", "dog"], "resize": "crop", "threshold": "0.5"}',
        '{"labels": ["cat", "dog"], "resize": "bend", "threshold": 0.5}',
        '{"labels": ["cat", "dog"], "resize": "crop", "threshold": NaN}',
        '{"labels": ["cat", "dog"], "resize": "crop", "threshold": 0.5, "size": 96}',
    ],
)
def test_labels_that_are_none_are_one_line(copy, text):
    (copy / "labels.json").write_text(text)
    assert 'labels.json: expected {"labels": [two names]' in refusal(copy / "saved_model")


@pytest.mark.parametrize("damage", ["half", "empty", "text"])
@pytest.mark.parametrize("name", PREDICTED)
def test_damaged_model_is_one_line(copy, name, damage):
    path = copy / FORMATS[name].file
    for file in [path / "saved_model.pb"] if path.is_dir() else [path]:
        data = file.read_bytes()
        damaged = {"half": data[: len(data) // 2], "empty": b"", "text": b"a model, once"}
        file.write_bytes(damaged[damage])
    assert f"{path}: expected a model that export.py wrote. Received: " in refusal(path)


def test_saved_model_with_other_bytes_among_its_weights_is_refused(copy):
    for file in sorted((copy / "saved_model" / "variables").iterdir()):
        data = file.read_bytes()
        middle = len(data) // 2
        file.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        assert "expected a model that export.py wrote" in refusal(copy / "saved_model")
        file.write_bytes(data)
    load_classifier(copy / "saved_model")


def test_model_of_something_else_is_refused(tmp_path):
    write_labels(tmp_path, MEANING)
    for shape, units in (((96, 80, 3), 1), ((96, 96, 1), 1), ((96, 96, 3), 2), ((None, 96, 3), 1)):
        pixels = keras.Input(shape)
        pooled = keras.layers.GlobalAveragePooling2D()(pixels)
        model = keras.Model(pixels, keras.layers.Dense(units)(pooled))
        model.export(tmp_path / "saved_model", verbose=False)
        assert ", not (" in refusal(tmp_path / "saved_model")


class Reader(tf.Module):
    """Gives the length of a file of this machine as a probability."""

    @tf.function(input_signature=[tf.TensorSpec((None, 96, 96, 3))])
    def serve(self, pixels):
        length = tf.strings.length(tf.io.read_file(str(PROJECT / "params.yaml")))
        return tf.reduce_mean(pixels, (1, 2, 3))[:, None] + tf.cast(length, tf.float32)


def test_model_that_reads_files_is_refused(tmp_path):
    write_labels(tmp_path, MEANING)
    reader = Reader()
    tf.saved_model.save(reader, tmp_path / "saved_model", signatures=reader.serve)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved_model"))
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    (tmp_path / "reader.tflite").write_bytes(converter.convert())
    assert "ReadFile" in refusal(tmp_path / "saved_model")
    assert "ReadFile" in refusal(tmp_path / "reader.tflite")


@pytest.mark.parametrize("outside", ["/weights.bin", "../weights.bin"])
def test_onnx_with_weights_from_elsewhere_on_this_machine_is_refused(tmp_path, outside):
    onnx = pytest.importorskip("onnx", reason="not installed: onnx")
    (tmp_path / "weights.bin").write_bytes(bytes(12))
    location = outside if outside.startswith("..") else str(tmp_path / "weights.bin")
    weights = onnx.TensorProto(
        name="weights", data_type=onnx.TensorProto.FLOAT, dims=[3],
        data_location=onnx.TensorProto.EXTERNAL,
    )  # fmt: skip
    weights.external_data.add(key="location", value=location)
    pixels = onnx.helper.make_tensor_value_info("pixels", 1, ["batch", 96, 96, 3])
    output = onnx.helper.make_tensor_value_info("output", 1, ["batch", 96, 96, 3])
    node = onnx.helper.make_node("Add", ["pixels", "weights"], ["output"])
    graph = onnx.helper.make_graph([node], "graph", [pixels], [output], [weights])
    write_labels(tmp_path / "model", MEANING)
    (tmp_path / "model" / "a.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    assert "outside the base directory" in refusal(tmp_path / "model" / "a.onnx")


def test_missing_package_is_one_line_that_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)  # as if it were not installed
    with pytest.raises(InputError, match=r"^onnx: expected the package tf2onnx .* Run `pip ") as e:
        require_modules("onnx")
    assert len(str(e.value).splitlines()) == 1


class Inverse(keras.layers.Layer):
    """An operation that LiteRT has not."""

    def call(self, inputs):
        return tf.math.erfinv(inputs)


def test_failed_conversion_leaves_what_was_there(tmp_path):
    pixels = keras.Input((96, 96, 3))
    output = Inverse()(keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(pixels)))
    target = tmp_path / "pawprint.tflite"
    target.write_text("the model of yesterday")
    images = np.zeros((1, 96, 96, 3), np.uint8)
    with pytest.raises(InputError, match="expected a model that litert can hold") as raised:
        export("litert", keras.Model(pixels, output), target, images[:0], images, np.zeros(1))
    assert len(str(raised.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pawprint.tflite"]
    assert target.read_text() == "the model of yesterday"


def test_model_that_came_out_different_is_not_kept(tmp_path):
    pixels = keras.Input((96, 96, 3))
    model = keras.Model(
        pixels, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(pixels))
    )
    images = np.zeros((2, 96, 96, 3), np.uint8)
    with pytest.raises(InputError, match=r"within 0\.001\. Received: a difference of 0\.5000"):
        export("h5", model, tmp_path / "pawprint.h5", images[:0], images, np.array([0, 0.5]))
    assert list(tmp_path.iterdir()) == []


def test_models_of_other_classes_do_not_come_under_these_labels(tmp_path):
    write_labels(tmp_path, MEANING)
    require_same_meaning(tmp_path, MEANING)
    for changes in ({"labels": ["hotdog", "other"]}, {"threshold": 0.4}, {"resize": "stretch"}):
        with pytest.raises(InputError, match="its models are of another one"):
            require_same_meaning(tmp_path, MEANING.model_copy(update=changes))


@pytest.mark.parametrize(
    "arguments, line",
    [
        (("--format", "h5"), "expected test images of hotdog and other, the classes of"),
        (("--format", "h5", "--model", "no.keras"), "no.keras: no such model"),
        (("--format", "h5", "--quantize", "int8"), "--quantize: expected --format litert with it"),
    ],
)
def test_mistake_of_the_user_is_told_in_one_line(workspace, tmp_path, arguments, line):
    shutil.copytree(workspace / "data", tmp_path / "data")
    model, meaning = load_model(workspace / paths.CALIBRATED_MODEL)
    others = meaning.model_copy(update={"labels": ["hotdog", "other"]})
    save_model(model, others, tmp_path / paths.CALIBRATED_MODEL)
    command = ("python", "-m", "pawprint", "export", *arguments)
    result = run(*command, cwd=tmp_path, PYTHONPATH=str(PROJECT))
    assert result.returncode != 0
    assert line in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / paths.EXPORT).exists()
