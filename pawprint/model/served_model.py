"""The served model: its files and the network in them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import openvino

from pawprint.files import digest, replacing, write_arrays
from pawprint.model.metadata import Metadata, write_metadata
from pawprint.model.unknown import DETECTOR_FILE, Detector, unknown_score
from pawprint.runtime import read_network, take_uint8, write_network

NETWORK_FILE = "model.xml"
# The model in its folder, by format.
FILES = (NETWORK_FILE, "model.tflite", "model.onnx", "saved_model.pb")
FEATURES = "features"
IDENTITY_DIGITS = 16  # of the SHA-256
operations = openvino.opset15


def read_model(path: Path, metadata: Metadata) -> openvino.Model:
    """The network in a file of one of the formats in FILES.

    Takes uint8 `(1, image_size, image_size, 3)`. The outputs are those that `output_names` gives,
    float32: `(1, units)`, `(1, 1)` and, if the network has an output of this name, features,
    `(1, channels)`. Raises ValueError or RuntimeError for a damaged file and for a network of other
    inputs or outputs.
    """
    image_size, network = metadata.image_size, _read(path)
    shape = network.input().partial_shape  # raises RuntimeError for more than one input
    pixels = openvino.PartialShape([-1, image_size, image_size, 3])
    if not pixels.compatible(shape):
        raise ValueError(f"input {shape}, not (batch, {image_size}, {image_size}, 3)")
    network.reshape([1, image_size, image_size, 3])
    *names, _ = output_names(metadata)
    outputs = [output for output in network.outputs if FEATURES not in output.names]
    if len(outputs) < len(names):
        number = len(outputs)
        raise ValueError(f"number of outputs {number}, less than {len(names)}: {', '.join(names)}")
    answers = outputs[: len(names)]
    features = [output for output in network.outputs if FEATURES in output.names]
    expected = [metadata.units, 1][: len(answers)] + [-1] * len(features)
    for output, units in zip((*answers, *features), expected):
        is_right = openvino.PartialShape([1, units]).compatible(output.partial_shape)
        if not is_right or output.element_type != openvino.Type.f32:
            length = "channels" if units < 0 else units
            raise ValueError(
                f"output {output.partial_shape} of one image, not (1, {length}) of float32"
            )
    results = [output.get_node() for output in (*answers, *features)]
    network = openvino.Model(results, network.get_parameters())
    return network if network.input().element_type == openvino.Type.u8 else take_uint8(network)


def output_names(metadata: Metadata) -> list[str]:
    """The outputs in their order. Exports, and served models of earlier versions, lack the last."""
    score = [] if metadata.unknown_threshold is None else ["unknown_score"]
    return ["probability", *score, FEATURES]


def _read(path: Path) -> openvino.Model:
    """The network with its outputs in the order of their names.

    A converter may write `unknown_score` before `probability`. In LiteRT their tensors have other
    names, which end with numbers in this order.
    """
    if path.suffix == ".xml":
        return read_network(path)
    network = openvino.Core().read_model(path.parent if path.suffix == ".pb" else path)
    outputs = sorted(network.outputs, key=lambda output: sorted(output.names))
    return openvino.Model([output.get_node() for output in outputs], network.get_parameters())


def write_served_model(
    network: openvino.Model, metadata: Metadata, detector: Detector | None, folder: Path
) -> None:
    """Write model.xml, model.bin, model.json, and the arrays of a detector in detector.npz.

    In model.json the metadata have the identity of the model.
    `network` takes uint8 pixels and gives logits, `(batch, 1)` for two classes and
    `(batch, classes)` for more, and features, `(batch, channels)`. The served network gives
    `probability`, the sigmoid or softmax of the logits after division by the temperature, with a
    detector `unknown_score`, `(batch, 1)`, and `features`.
    """
    logits, features = (result.input_value(0) for result in network.get_results())
    for result in network.get_results():
        network.remove_result(result)
    temperature = operations.constant(metadata.temperature, np.float32)
    scaled = operations.divide(logits, temperature)
    is_one = metadata.units == 1
    probability = operations.sigmoid(scaled) if is_one else operations.softmax(scaled, axis=1)
    outputs = {"probability": probability.output(0)}
    if detector:
        outputs["unknown_score"] = unknown_score(features, detector).output(0)
    outputs[FEATURES] = features
    served = openvino.Model(list(outputs.values()), network.get_parameters())
    with replacing(folder) as partial:
        partial.mkdir()
        write_network(served, partial / NETWORK_FILE, list(outputs))
        path = partial / NETWORK_FILE
        write_metadata(partial, metadata.model_copy(update={"model": identity_of(path, metadata)}))
        if detector:
            write_arrays(partial / DETECTOR_FILE, **detector._asdict())


def identity_of(path: Path, metadata: Metadata) -> str:
    """Return a hash of the network, with temperature and detector, and of how it is used."""
    rules = metadata.model_dump(exclude={"model", "versions", "data_md5", "commit"})
    text = json.dumps(rules, separators=(",", ":"), ensure_ascii=False)  # whatever pydantic writes
    digests = digest(path), digest(path.with_suffix(".bin"))
    return hashlib.sha256(" ".join([*digests, text]).encode()).hexdigest()[:IDENTITY_DIGITS]
