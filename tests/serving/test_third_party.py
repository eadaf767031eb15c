"""Models that anyone may have made: refused in one line, before they use memory or time."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
import openvino.opset15 as op
import pytest
from networks import COLOURS, colour_model, metadata, with_probabilities, write_colour_model
from PIL import Image
from scipy.special import softmax
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from pawprint.core.errors import InputError
from pawprint.network.backend import keras, tf
from pawprint.runtime.conversion import convert
from pawprint.serving.metadata import write_metadata
from pawprint.serving.predictor import load_predictor
from pawprint.serving.served_model import write_served_model
from pawprint.serving.trial import require_loadable

SIZE = 32
METADATA = metadata(image_size=SIZE)
# The file of each format that a damage is done to.
FORMATS = {
    "xml": "model.xml",
    "tflite": "model.tflite",
    "onnx": "model.onnx",
    "saved_model": "saved_model.pb",
}
KERAS_FORMATS = {"tflite": "litert", "onnx": "onnx", "saved_model": "tf_saved_model"}
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
        if form == "onnx":
            pytest.importorskip("tf2onnx", reason="not installed: tf2onnx")
        if form == "tflite":
            pytest.importorskip("ai_edge_litert", reason="not installed: ai_edge_litert")
        target = folder / form
        if not target.exists():
            if form == "xml":
                write_colour_model(target)
            else:
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
    assert len(message) < 1000
    return message


@pytest.mark.parametrize("form", FORMATS)
def test_good_model_predicts(model, form):
    second = 0.7310586
    predicted = load_predictor(model(form)).predict(RED).probabilities
    assert predicted == pytest.approx([1 - second, second], abs=1e-5)


@pytest.mark.parametrize("form", FORMATS)
def test_good_model_of_three_labels_predicts(made, tmp_path, form):
    made(form)  # skips a format whose packages are missing
    described = metadata(image_size=SIZE, labels=COLOURS, threshold=None)
    folder = tmp_path / "three"
    if form == "xml":
        write_served_model(convert(colour_model(SIZE, 3)), described, None, folder)
    else:
        write(form, with_probabilities(colour_model(SIZE, 3)), folder)
        write_metadata(folder, described)
    expected = softmax([10, 0, 11])
    assert load_predictor(folder).predict(RED).probabilities == pytest.approx(expected, abs=1e-5)
    write_metadata(folder, METADATA)
    assert "output" in refusal(folder)
    assert "of one image, not (1, 1) of float32" in refusal(folder)


@pytest.mark.parametrize("form", KERAS_FORMATS)
def test_model_without_the_score_that_its_threshold_needs_is_refused(model, form):
    folder = model(form)
    write_metadata(folder, METADATA.model_copy(update={"unknown_threshold": 0.5}))
    assert "one output, not also unknown_score" in refusal(folder)


@pytest.mark.parametrize("damage", [b"", b"a model, once", None])
@pytest.mark.parametrize("form", FORMATS)
def test_damaged_file_is_refused(model, form, damage):
    path = model(form) / FORMATS[form]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if damage is None else damage)
    assert f"{path}: expected a served or exported model. Received: " in refusal(path.parent)


@pytest.mark.parametrize("end", [None, 0, -1])
def test_network_with_too_few_weights_is_refused(model, end):
    path = model("xml") / "model.bin"
    data = path.read_bytes()
    path.unlink()
    if end is not None:
        path.write_bytes(data[:end])
    assert "model.xml: expected a served or exported model" in refusal(path.parent)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("offset", value)
        for value in ("-1", "-8", "1000000", "9223372036854775807", "18446744073709551615", "x")
    ]
    + [("size", value) for value in ("-1", "0", "1", "9223372036854775807", "99999999999999999999")]
    + [("shape", value) for value in ("-1", "2000000000, 2000000000", "99999999999999999999")],
)
def test_weights_outside_their_file_are_refused(model, attribute, value):
    path = model("xml") / "model.xml"
    before, after = path.read_text().split("<data element_type=", 1)
    first, rest = after.split("/>", 1)
    _, old_and_more = first.split(f'{attribute}="', 1)
    old = old_and_more.split('"', 1)[0]
    changed = first.replace(f'{attribute}="{old}"', f'{attribute}="{value}"')
    assert changed != first
    path.write_text(f"{before}<data element_type={changed}/>{rest}")
    assert "model.xml: expected a served or exported model" in refusal(path.parent)


@pytest.mark.parametrize(
    "text",
    [
        "<net>" * 200_000,
        "<net><layers>" + '<layer id="0" name="x" type="Result"/>' * 100_000 + "</layers></net>",
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><net name="&b;"/>',
        "<net/>",
    ],
    ids=["deep", "long", "entities", "no layers"],
)
def test_text_that_is_no_network_is_refused(model, text):
    path = model("xml") / "model.xml"
    path.write_text(text)
    refusal(path.parent)


def test_saved_model_with_other_bytes_among_its_weights_is_refused(model):
    folder = model("saved_model")
    for file in sorted((folder / "variables").iterdir()):
        data = file.read_bytes()
        middle = len(data) // 2
        file.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        assert "expected a served or exported model" in refusal(folder)
        file.write_bytes(data)
    load_predictor(folder)


def test_device_in_place_of_metadata_is_not_read(model):
    path = model("xml") / "model.json"
    path.unlink()
    try:
        path.symlink_to("/dev/zero" if os.name == "posix" else os.devnull)
    except OSError:
        pytest.skip("no links here")
    assert "no such file" in refusal(path.parent)


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "xml"])
@pytest.mark.parametrize(
    ("shape", "units", "message"),
    [
        ((32, 16, 3), 1, r"input \[.*,32,16,3\], not \(batch, 32, 32, 3\)"),
        ((32, 32, 3), 2, r"output \[1,2\]|output \{1, ?2\}|output .* not \(1, 1\)"),
    ],
)
def test_model_of_something_else_is_refused(made, tmp_path, form, shape, units, message):
    made(form)  # skips a format whose packages are missing
    inputs = keras.Input(shape)
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    other = keras.Model(inputs, keras.layers.Dense(units)(pooled))
    with pytest.raises(InputError, match=message):
        load_predictor(write(form, other, tmp_path / "other"))


@pytest.mark.parametrize("form", ["tflite", "onnx", "saved_model"])
def test_operation_that_would_fill_the_memory_is_refused(made, tmp_path, form):
    made(form)
    inputs = keras.Input((SIZE, SIZE, 3))
    maps = keras.layers.ZeroPadding2D(20_000)(inputs)
    output = keras.layers.Dense(1)(keras.layers.GlobalMaxPooling2D()(maps))
    folder = write(form, keras.Model(inputs, output), tmp_path / "large")
    assert "numbers for an image" in refusal(folder)


class Reader(tf.Module):
    """Gives the length of a file of this machine as a probability."""

    @tf.function(input_signature=[tf.TensorSpec((None, SIZE, SIZE, 3))])
    def serve(self, pixels):
        length = tf.strings.length(tf.io.read_file(__file__))
        return tf.reduce_mean(pixels, (1, 2, 3))[:, None] + tf.cast(length, tf.float32)


def test_model_that_reads_files_is_refused(tmp_path):
    reader = Reader()
    tf.saved_model.save(reader, tmp_path / "a", signatures=reader.serve)
    write_metadata(tmp_path / "a", METADATA)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "a"))
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "model.tflite").write_bytes(converter.convert())
    write_metadata(tmp_path / "b", METADATA)
    for name in ("a", "b"):
        assert "ReadFile" in refusal(tmp_path / name)


def save_network(folder: Path, build: Callable[[openvino.Node], openvino.Node]) -> Path:
    """A network of pixels whose output `build` makes, in OpenVINO's format."""
    pixels = op.parameter([-1, SIZE, SIZE, 3], np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    openvino.serialize(openvino.Model([build(pixels)], [pixels]), folder / "model.xml")
    write_metadata(folder, METADATA)
    return folder


def integers(*values: int) -> openvino.Node:
    return op.constant(np.array(values, np.int64))


def mean(maps: openvino.Node) -> openvino.Node:
    """`(1, 1)`, the mean of maps of any shape, as an output has to be."""
    axes = integers(*range(len(maps.output(0).partial_shape)))
    return op.reshape(op.reduce_mean(maps, axes), integers(1, 1), False)


def looped(pixels: openvino.Node) -> openvino.Node:
    value = op.parameter([1, 1], np.float32)
    following, keep = op.relu(value), op.constant(np.array(True))
    loop = op.loop(op.constant(np.array(10**12)), op.constant(np.array(True)))
    loop.set_function(openvino.Model([following, keep], [value]))
    loop.set_special_body_ports([-1, 1])
    loop.set_merged_input(value, mean(pixels).output(0), following.output(0))
    return op.relu(loop.get_iter_value(following.output(0), -1))


def iterated(pixels: openvino.Node) -> openvino.Node:
    value = op.parameter([1, 1, SIZE, 3], np.float32)
    following = op.relu(value)
    iterator = op.tensor_iterator()
    iterator.set_body(openvino.Model([following], [value]))
    image = op.reshape(pixels, integers(1, SIZE, SIZE, 3), False)
    iterator.set_sliced_input(value, image.output(0), 0, 1, 1, -1, 1)
    slices = iterator.get_concatenated_slices(following.output(0), 0, 1, 1, -1, 1)
    return mean(op.relu(slices))


def chosen(pixels: openvino.Node) -> openvino.Node:
    values = [op.parameter([1, 1], np.float32) for _ in range(2)]
    bodies = [openvino.Model([op.relu(value)], [value]) for value in values]
    is_bright = op.greater(mean(pixels), op.constant(np.float32([[0]])))
    choice = op.if_op(op.reshape(is_bright, integers(1), False).output(0))
    choice.set_then_body(bodies[0])
    choice.set_else_body(bodies[1])
    choice.set_input(mean(pixels).output(0), *values)
    return op.relu(choice.set_output(*(body.get_results()[0] for body in bodies)))


def gathered(pixels: openvino.Node) -> openvino.Node:
    """With this index OpenVINO 2026.4 reads outside its memory, which ends the process."""
    image = op.add(op.reshape(mean(pixels), integers(1, 1, 1), False), np.zeros((9, 9, 9), "f4"))
    return mean(op.gather_nd(image, integers(*[10**12] * 3)))


REFUSED = {
    "Loop": looped,
    "TensorIterator": iterated,
    "If": chosen,
    "GatherND": gathered,
    "Tile": lambda pixels: mean(op.tile(pixels, integers(1, 9, 9, 1))),
    "RandomUniform": lambda pixels: op.random_uniform(
        integers(1, 1), op.constant(np.float32(0)), op.constant(np.float32(1)), "f32"
    ),
}


@pytest.mark.parametrize("operation", REFUSED)
def test_operation_that_no_image_classifier_needs_is_refused(tmp_path, operation):
    folder = save_network(tmp_path, REFUSED[operation])
    assert f"an operation {operation}, which" in refusal(folder)


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, weight):
    folder = save_network(
        tmp_path, lambda pixels: op.multiply(mean(pixels), op.constant(np.float32(weight)))
    )
    assert "weights that are not finite" in refusal(folder)


LARGE = {
    "broadcast": lambda pixels: op.broadcast(mean(pixels), integers(10**5, 10**5)),
    "pad": lambda pixels: op.pad(
        pixels, integers(0, 0, 0, 0), integers(0, 10**5, 10**5, 0), "constant"
    ),
    "outer product": lambda pixels: op.matmul(
        op.reshape(pixels, integers(-1, 1), False),
        op.broadcast(mean(pixels), integers(1, 10**6)),
        False,
        False,
    ),
    "many": lambda pixels: op.concat(
        [op.broadcast(mean(pixels), integers(10**4, 10**4)) for _ in range(30)], 0
    ),
}


@pytest.mark.parametrize("operation", LARGE)
def test_network_that_would_fill_the_memory_is_refused(tmp_path, operation):
    folder = save_network(tmp_path, lambda pixels: mean(LARGE[operation](pixels)))
    assert "numbers for an image" in refusal(folder)


def test_second_output_of_another_form_is_refused(tmp_path):
    pixels = op.parameter([-1, SIZE, SIZE, 3], np.float32)
    network = openvino.Model([mean(pixels), pixels], [pixels])
    openvino.serialize(network, tmp_path / "model.xml")
    write_metadata(tmp_path, METADATA)
    assert "of one image, not (1, 1) of float32" in refusal(tmp_path)


@pytest.mark.parametrize("location", ["absolute", "../weights.bin", "weights.bin"])
def test_onnx_with_weights_in_another_file_is_refused(tmp_path, monkeypatch, location):
    onnx = pytest.importorskip("onnx", reason="not installed: onnx")
    folder = tmp_path / "model"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for path in (tmp_path / "weights.bin", folder / "weights.bin"):
        path.write_bytes(bytes(12))
    weights = onnx.TensorProto(
        name="weights", data_type=onnx.TensorProto.FLOAT, dims=[3],
        data_location=onnx.TensorProto.EXTERNAL,
    )  # fmt: skip
    if location == "absolute":
        location = str(tmp_path / "weights.bin")
    weights.external_data.add(key="location", value=location)
    pixels = onnx.helper.make_tensor_value_info("pixels", 1, ["batch", SIZE, SIZE, 3])
    output = onnx.helper.make_tensor_value_info("output", 1, ["batch", SIZE, SIZE, 3])
    node = onnx.helper.make_node("Add", ["pixels", "weights"], ["output"])
    graph = onnx.helper.make_graph([node], "graph", [pixels], [output], [weights])
    (folder / "model.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    write_metadata(folder, METADATA)
    message = refusal(folder)
    assert "weights" in message or "external" in message.lower()
    assert "output" not in message  # the form of the output is looked at later


def constant_bomb(folder: Path) -> Path:
    """A shape that is computed, while the network is read, from 80 GB of ones."""
    length = 1_234_567

    def build(pixels):
        ones = op.broadcast(integers(1), integers(length))
        one = op.reduce_min(ones, integers(0), True)
        return op.reshape(mean(pixels), op.concat([one, one], 0), False)

    path = save_network(folder, build) / "model.bin"
    data = path.read_bytes()
    old, new = (np.int64(number).tobytes() for number in (length, 10**10))
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    return folder


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of memory")
def test_memory_of_a_trial_is_limited(tmp_path):
    with pytest.raises(InputError, match="expected a served or exported model") as raised:
        require_loadable(constant_bomb(tmp_path))
    assert len(str(raised.value).splitlines()) == 1


def test_crash_while_a_model_is_tried_is_one_line(model):
    """OpenVINO 2026.4 aborts its process if a call does not name its function."""
    path = model("saved_model") / "saved_model.pb"
    saved = SavedModel.FromString(path.read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    calls = [node for node in nodes if node.op.endswith("PartitionedCall")]
    for node in calls:
        node.attr.pop("f", None)
    assert calls
    path.write_bytes(saved.SerializeToString())
    with pytest.raises(InputError, match="an end of its process with status") as raised:
        require_loadable(path.parent)
    assert len(str(raised.value).splitlines()) == 1


def test_good_model_passes_its_trial(model):
    require_loadable(model("xml"))
