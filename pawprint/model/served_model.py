"""The served model: its file, the network in it, and the detector of unknown inputs.

The detector says how far the features of an image are from those of training. It is the residual of
a principal component analysis, as in Wang et al., ViM: Out-Of-Distribution with Virtual-logit
Matching, 2022 (https://arxiv.org/abs/2203.10807), of features with length 1.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino

from pawprint.errors import InputError, printable
from pawprint.files import digest, read_arrays, replacing, write_arrays
from pawprint.model.metadata import Metadata, write_metadata
from pawprint.runtime.network_file import read_network, take_uint8, write_network

NETWORK_FILE, DETECTOR_FILE = "model.xml", "detector.npz"
# The model in its folder, by format.
FILES = (NETWORK_FILE, "model.tflite", "model.onnx", "saved_model.pb")
FEATURES = "features"
IDENTITY_DIGITS = 16  # of the SHA-256
SMALLEST = 1e-12  # norm to divide by, as in Keras' UnitNormalization
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
    *wanted, _ = output_names(metadata)
    others = [output for output in network.outputs if FEATURES not in output.names]
    if len(others) < len(wanted):
        given = len(others)
        raise ValueError(f"number of outputs {given}, less than {len(wanted)}: {', '.join(wanted)}")
    answers = others[: len(wanted)]
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


class Detector(NamedTuple):
    """`mean` is float32 `(channels,)`, `components` float32 `(components, channels)`.

    The components are orthogonal and have length 1.
    """

    mean: np.ndarray
    components: np.ndarray

    def score(self, features: np.ndarray) -> np.ndarray:
        """float64 `(…)`, from 0 on, of features `(…, channels)`, by the served graph."""
        *shape, channels = features.shape
        given = operations.parameter([-1, channels], np.float32)
        network = openvino.Model([unknown_score(given.output(0), self)], [given])
        compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        rows = features.reshape(-1, channels).astype(np.float32)
        return compiled(rows)[0].reshape(shape).astype(np.float64)


def with_detector(network: openvino.Model, detector: Detector) -> openvino.Model:
    """The network with `unknown_score` in place of its features: logits, and `(batch, 1)`."""
    logits, features = (result.input_value(0) for result in network.get_results())
    score = unknown_score(features, detector).output(0)
    return openvino.Model([logits, score], network.get_parameters())


def unknown_score(features: openvino.Output, detector: Detector) -> openvino.Node:
    """`(images, 1)` of features `(images, channels)`: the norm of what is not explained.

    The features are divided by their norm; mean and components explain a part of that.
    """
    mean, components = (operations.constant(each, np.float32) for each in detector)
    unit = operations.normalize_l2(features, np.array([1]), SMALLEST**2, "max")  # of squares
    centred = operations.subtract(unit, mean)
    projected = operations.matmul(centred, components, False, True)
    explained = operations.matmul(projected, components, False, False)
    residual = operations.subtract(centred, explained)
    return operations.reduce_l2(residual, np.array([1]), keep_dims=True)


def unit_length(features: np.ndarray) -> np.ndarray:
    """The features `(…, channels)` divided by their norm; zeros stay zeros."""
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norm, SMALLEST)


def read_detector(folder: Path) -> Detector:
    """The detector of a served model with an unknown threshold.

    Raises InputError if the file is missing or holds other arrays.
    """
    arrays = read_arrays(path := folder / DETECTOR_FILE)
    if set(arrays) != set(Detector._fields):
        raise InputError(
            f"{path}: expected the arrays {' and '.join(Detector._fields)}. Received: "
            f"{printable(', '.join(arrays))}. Run `dvc repro`."
        )
    return Detector(**arrays)


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
        write_metadata(partial, metadata.model_copy(update={"model": _identity(path, metadata)}))
        if detector:
            write_arrays(partial / DETECTOR_FILE, **detector._asdict())


def _identity(path: Path, metadata: Metadata) -> str:
    """A hash of the network, which holds temperature and detector, and of how it is used."""
    rules = metadata.model_dump_json(exclude={"model", "versions", "data_md5", "commit"})
    both = digest(path), digest(path.with_suffix(".bin"))
    return hashlib.sha256(" ".join([*both, rules]).encode()).hexdigest()[:IDENTITY_DIGITS]
