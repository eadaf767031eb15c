"""Read and write the served model: one network from pixels to probabilities."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino

from pawprint.base.files import digest, replacing, write_arrays
from pawprint.base.runtime import image_size_of, read_network, take_uint8, write_network
from pawprint.model.metadata import Metadata, write_metadata
from pawprint.model.unknown_score import DETECTOR_FILE, Detector, unknown_score

operations = openvino.opset15


NETWORK_FILE = "model.xml"
# The main file in the model's folder, keyed by format.
FILES = (NETWORK_FILE, "model.tflite", "model.onnx")
FEATURES = "features"
IDENTITY_DIGITS = 16  # SHA-256 digits to use


def read_model(path: Path, metadata: Metadata) -> openvino.Model:
    """Read the network from a file in one of the formats in FILES.

    The network takes uint8 `(1, image_size, image_size, 3)`. The outputs are float32 and are listed
    by `output_names`: `(1, units)`, `(1, 1)` and, if the network returns features, `(1, channels)`.
    Raises ValueError or RuntimeError if the file is damaged, or if the network has other inputs or
    outputs.
    """
    image_size = metadata.image_size
    network = _read(path)
    shape = network.input().partial_shape  # raises RuntimeError if there are several inputs
    pixels = openvino.PartialShape([-1, image_size, image_size, 3])
    if not pixels.compatible(shape):
        raise ValueError(f"input {shape}, not (batch, {image_size}, {image_size}, 3)")
    network.reshape([1, image_size, image_size, 3])
    *names, _ = output_names(metadata)
    answers = [output for output in network.outputs if FEATURES not in output.names]
    if len(answers) < len(names):
        raise ValueError(f"too few outputs: {len(answers)}, not {len(names)}: {', '.join(names)}")
    features = [output for output in network.outputs if FEATURES in output.names]
    outputs = [*answers[: len(names)], *features]
    for output, units in zip(outputs, [metadata.units, 1][: len(names)] + [-1] * len(features)):
        is_right = openvino.PartialShape([1, units]).compatible(output.partial_shape)
        if not is_right or output.element_type != openvino.Type.f32:
            length = "channels" if units < 0 else units
            raise ValueError(
                f"output {output.partial_shape} for one image, not float32 (1, {length})"
            )
    network = openvino.Model([each.get_node() for each in outputs], network.get_parameters())
    return network if network.input().element_type == openvino.Type.u8 else take_uint8(network)


def output_names(metadata: Metadata) -> list[str]:
    """Return the output names, in order. Exports lack the last one."""
    score = [] if metadata.unknown_threshold is None else ["unknown_score"]
    return ["probability", *score, FEATURES]


def _read(path: Path) -> openvino.Model:
    """Read the network, with its outputs in the order of their names.

    A converter may write `unknown_score` before `probability`. In LiteRT, tensors have other names,
    which end with numbers in the right order.
    """
    if path.suffix == ".xml":
        return read_network(path)
    network = openvino.Core().read_model(path)
    outputs = sorted(network.outputs, key=lambda output: sorted(output.names))
    return openvino.Model([output.get_node() for output in outputs], network.get_parameters())


def write_served_model(
    network: openvino.Model,
    metadata: Metadata,
    detector: Detector | None,
    folder: Path,
    *,
    is_mirrored: bool,
) -> None:
    """Write model.xml, model.bin, model.json and, for a detector, its arrays in detector.npz.

    In model.json, the metadata include the model's identity.

    `network` takes uint8 pixels, and returns features, `(batch, channels)`, and logits, which are
    `(batch, 1)` for two classes and `(batch, classes)` for more. The served network returns
    `probability`, which is the sigmoid or softmax of the logits divided by the temperature;
    `unknown_score`, `(batch, 1)`, if there is a detector; and `features`. With `is_mirrored`, the
    network is `mirrored`.
    """
    logits, features = (result.input_value(0) for result in network.get_results())
    for result in network.get_results():
        network.remove_result(result)
    temperature = operations.constant(metadata.temperature, np.float32)
    scaled = operations.divide(logits, temperature)
    has_sigmoid = metadata.kind.activation(metadata.units) == "sigmoid"
    probability = operations.sigmoid(scaled) if has_sigmoid else operations.softmax(scaled, axis=1)
    outputs = {"probability": probability.output(0)}
    if detector:
        constants = (operations.constant(array, np.float32).output(0) for array in detector)
        outputs["unknown_score"] = unknown_score(features, *constants).output(0)
    outputs[FEATURES] = features
    served = openvino.Model(list(outputs.values()), network.get_parameters())
    if is_mirrored:
        served = mirrored(served, list(outputs))
    with replacing(folder) as partial:
        partial.mkdir()
        write_network(served, partial / NETWORK_FILE, list(outputs))
        if detector:
            write_arrays(partial / DETECTOR_FILE, **detector._asdict())
        identity = identity_of(partial / NETWORK_FILE, metadata)
        write_metadata(partial, metadata.model_copy(update={"model": identity}))


def mirrored(network: openvino.Model, names: Sequence[str]) -> openvino.Model:
    """Return a served network that averages its outputs over an image and its mirror image.

    `names` are the network's output names, in order. Logits and unknown scores are averaged, but
    `features` come from the original image only. `Augment.mirrors` in pipeline/params/data.py
    decides whether they are averaged.
    """
    pixels = network.get_parameters()[0]
    other = network.clone()
    backwards = operations.constant(np.arange(image_size_of(network))[::-1].copy(), np.int64)
    mirror_image = operations.gather(pixels, backwards, operations.constant(2, np.int64))
    for taker in other.input().get_target_inputs():
        taker.replace_source_output(mirror_image.output(0))
    outputs = []
    for name, *pair in zip(names, network.get_results(), other.get_results()):
        output, mirror_output = (result.input_value(0) for result in pair)
        if name == "probability":
            last = output.get_node()
            logits = (each.get_node().input_value(0) for each in (output, mirror_output))
            last.input(0).replace_source_output(_mean(*logits))
        elif name == "unknown_score":
            output = _mean(output, mirror_output)
        outputs.append(output)
    return openvino.Model(outputs, [pixels])


def _mean(first: openvino.Output, second: openvino.Output) -> openvino.Output:
    half = operations.constant(0.5, np.float32)
    return operations.multiply(operations.add(first, second), half).output(0)


def is_mirrored(network: openvino.Model) -> bool:
    """Return whether a network was made by `mirrored`."""
    takers = network.input().get_target_inputs()
    return any(taker.get_node().get_type_name() == "Gather" for taker in takers)


def join(extractor: openvino.Model, tail: openvino.Model) -> openvino.Model:
    """Return a network from pixels, uint8 `(batch, size, size, 3)`, to logits and features.

    `extractor` returns the kinds of features that `tail` takes, keyed by name.
    """
    for parameter in tail.get_parameters():
        name = parameter.output(0).get_any_name()
        stored = extractor.output(name).get_node().input_value(0)
        for taker in parameter.output(0).get_target_inputs():
            node = taker.get_node()
            # Select only the frozen blocks.
            if node.get_type_name() == "Slice":
                part = _first_columns(stored, node.output(0).partial_shape[1].get_length())
                for taker_of_part in node.output(0).get_target_inputs():
                    taker_of_part.replace_source_output(part)
            else:
                taker.replace_source_output(stored)
    outputs = [result.input_value(0) for result in tail.get_results()]
    return openvino.Model(outputs, extractor.get_parameters())


def _first_columns(features: openvino.Output, width: int) -> openvino.Output:
    """Return the first columns of concatenated features without computing the other columns."""
    parts = []
    total = 0
    for part in features.get_node().input_values():
        if total < width:
            parts.append(part)
            total += part.partial_shape[1].get_length()
    return operations.concat(parts, 1).output(0)


def identity_of(path: Path, metadata: Metadata) -> str:
    """Return a hash over the network, including temperature and detector, and its metadata."""
    others = {"model", "versions", "data_md5", "commit", "activation", "files"}
    rules = metadata.model_dump(exclude=others | metadata.absent)
    # This text does not depend on how pydantic formats the model.
    text = json.dumps(rules, separators=(",", ":"), ensure_ascii=False)
    digests = (digest(path), digest(path.with_suffix(".bin")))
    return hashlib.sha256(" ".join([*digests, text]).encode()).hexdigest()[:IDENTITY_DIGITS]
