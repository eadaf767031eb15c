"""Load the extractor: a backbone in OpenVINO, from Keras, an EfficientNet-Lite or an ONNX file.

TensorFlow is only started if Keras has to build the backbone.
"""

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from pawprint.base.errors import InputError, printable, reason, silent_stderr
from pawprint.base.files import read_bytes
from pawprint.base.runtime import compile_for_cpu
from pawprint.network import efficientnet_lite
from pawprint.network.weights_file import require_file
from pawprint.pipeline.params.model import ONNX, PACKAGES, Model, Onnx, Weights

if TYPE_CHECKING:
    from pawprint.network.hardware import keras
    from pawprint.network.keras_backbone import KerasNetwork

FLOATS = (openvino.Type.f32, openvino.Type.f16)
# The marker that ONNX Runtime uses for weights at a memory address, from which OpenVINO would read:
# https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/framework/tensorprotoutils.h
IN_MEMORY = b"MEM_ADDR_/*"
BLOCKS = (1, 2, 4, 8)  # numbers of solid blocks per row of a test image
TOLERANCE = 1e-3  # relative tolerance
operations = openvino.opset15


def read_onnx(path: Path, model: Model) -> openvino.Model:
    """Return a network from RGB pixels to features, float32 `(batch, features)`.

    Pixels are uint8 `(batch, size, size, 3)`. If the file only supports batches of one image, so
    does the network. Raises InputError if OpenVINO cannot run the file, if weights are elsewhere
    (which the hash does not cover), or if inputs, outputs or features of drawn images do not match.
    """
    content = read_bytes(path)
    size = model.image_size
    params = model.onnx
    assert params is not None  # as checked in pipeline/params/model.py
    try:
        if IN_MEMORY in content:
            raise RuntimeError("weights at memory addresses")
        # OpenVINO looks for weights in other files below the current folder.
        with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty), silent_stderr():
            network = openvino.Core().read_model(content)
        _reshape(network, size)
        network = _with_pixels(network, params)
        _require_features(network, size)
        return network
    except ValueError as error:
        raise InputError(f"{path}: {printable(str(error))}") from None
    except Exception as error:  # OpenVINO may raise any exception for a damaged file
        raise InputError(
            f"{path}: expected an ONNX file with its weights, as `onnx.save(onnx.load(OLD), NEW)` "
            f"writes it, that OpenVINO can run on images of {size} pixels (model.image_size). "
            f"Received: {reason(error)}"
        ) from None


def _reshape(network: openvino.Model, size: int) -> None:
    """Reshape a network to images of this size."""
    one = openvino.PartialShape([1, 3, size, size])
    shape = network.inputs[0].partial_shape
    is_float = network.inputs[0].element_type in FLOATS
    if len(network.inputs) != 1 or not is_float or not one.compatible(shape):
        received = [
            f"{port.element_type.get_type_name()} {port.partial_shape}" for port in network.inputs
        ]
        raise ValueError(
            f"expected one float input (batch, 3, {size}, {size}), where {size} is "
            f"model.image_size and the batch is dynamic or 1. Received: {', '.join(received)}"
        )
    batch = -1 if shape.rank.is_dynamic or shape[0].is_dynamic else 1
    network.reshape([batch, 3, size, size])


def _with_pixels(network: openvino.Model, params: Onnx) -> openvino.Model:
    """Return a network from pixels to features: the output's vectors, or the means of its maps."""
    outputs = (output for node in network.get_ordered_ops() for output in node.outputs())
    features = next((each for each in outputs if params.output in each.get_names()), None)
    if features is None:
        names = ", ".join(port.get_any_name() for port in network.outputs)
        raise ValueError(
            f"model.onnx.output: expected one of {names}, or an inner tensor. Received: "
            f"{params.output}"
        )
    shape = features.partial_shape
    rank = 0 if shape.rank.is_dynamic else len(shape)
    is_known = rank in (2, 4) and all(length.is_static for length in list(shape)[1:])
    if not is_known or not features.get_element_type().is_real():
        raise ValueError(
            "model.onnx.output: expected float numbers, (batch, features) or (batch, channels, "
            f"height, width). Received: {features.get_element_type().get_type_name()} {shape}"
        )
    if rank == 4:
        features = operations.reduce_mean(features, [2, 3]).output(0)
    steps = PrePostProcessor(openvino.Model([features], network.get_parameters()))
    steps.output().tensor().set_element_type(openvino.Type.f32)
    source = steps.input()
    source.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    source.model().set_layout(openvino.Layout("NCHW"))
    pixels = source.preprocess().convert_element_type(openvino.Type.f32)
    pixels.mean([255 * value for value in params.mean]).scale([255 * value for value in params.std])
    return steps.build()


def _draw_images(size: int) -> np.ndarray:
    """Return fixed images of random colour blocks of different sizes, uint8 `(images, …)`."""
    random = np.random.default_rng(0)
    images = np.empty((len(BLOCKS), size, size, 3), np.uint8)
    for image, blocks in zip(images, BLOCKS):
        colours = random.integers(0, 256, (blocks, blocks, 3), np.uint8)
        block = np.arange(size) * blocks // size
        image[:] = colours[np.ix_(block, block)]
    return images


def _require_features(network: openvino.Model, size: int) -> None:
    """Raise ValueError if the features of drawn images are of no use to a head."""
    run = compile_for_cpu(network)
    features, again = (np.stack([run(image)[0] for image in _draw_images(size)]) for _ in range(2))
    problem = None
    if not np.isfinite(features).all():
        problem = "NaN or infinity"
    elif (features != again).any():
        problem = "other features the second time"
    elif np.allclose(features, features[0], rtol=TOLERANCE):
        problem = "the same features for all of them"
    if problem:
        raise ValueError(
            "expected finite features of drawn images that differ between images and are the same "
            f"each time. Received: {problem}. Check model.onnx, or export the trained network for "
            "inference in float32"
        )


class OnnxNetwork:
    """A network in an ONNX file, which is downloaded if the weights have a URL.

    Raises InputError if it is missing or its hash does not match.
    """

    weights_sha256 = None
    backbone = None

    def __init__(self, weights: Weights) -> None:
        self.path = Path(weights.source)
        if "://" in weights.source:
            from pawprint.base.download import download  # slow, and few sources are URLs

            self.path = download(weights.source, weights.sha256, "weights.source")
        expected = "the path or URL of a file, because model.backbone is onnx"
        require_file(self.path, weights, expected)

    def network(self, model: Model) -> tuple[openvino.Model, list[str]]:
        """Read the network, which does not have blocks."""
        return read_onnx(self.path, model), ["top"]


class Extractor(NamedTuple):
    """A network, the names of its outputs, and the hash of its weights (None for an ONNX file).

    `backbone` is the Keras network, or None if Keras did not build one.
    """

    network: openvino.Model
    outputs: list[str]
    weights_sha256: str | None
    backbone: "keras.Model | None"


def needs_keras(model: Model, weights: Weights) -> bool:
    """Return whether Keras has to build the backbone for these params.

    This is not the case for an ONNX file, or for an EfficientNet-Lite with published weights if
    nothing is fine-tuned.
    """
    if model.backbone == ONNX:
        return False
    source = weights.source
    has_arrays = source != "none" and Path(source).suffix not in efficientnet_lite.KERAS_FILES
    return not (model.backbone in PACKAGES and has_arrays and not model.tunes)


def load_extractor(model: Model, weights: Weights) -> Extractor:
    """Return the extractor for these params.

    Each kind of network is a class. It loads and checks the weights, and then builds the network.
    Raises InputError if the weights are wrong or the params do not fit the backbone.
    """
    kind = _find_kind(model, weights)
    network, outputs = kind.network(model)
    if model.features == "blocks" and "blocks" not in outputs:
        raise InputError(
            f"model.features: expected auto or last, because {model.backbone} does not have any "
            "blocks. Received: blocks"
        )
    return Extractor(network, outputs, kind.weights_sha256, kind.backbone)


def _find_kind(
    model: Model, weights: Weights
) -> "OnnxNetwork | efficientnet_lite.LiteNetwork | KerasNetwork":
    if model.backbone == ONNX:
        return OnnxNetwork(weights)
    if needs_keras(model, weights):
        # Importing this module starts TensorFlow, which takes seconds.
        from pawprint.network.keras_backbone import KerasNetwork

        return KerasNetwork(model, weights)
    return efficientnet_lite.LiteNetwork(model, weights)
