"""Models of LiteRT whose convolutions have 8 bits: how one is written, and its time."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from pawprint.errors import silent_stderr
from pawprint.model.exports import FORMATS, convert_with_keras
from pawprint.model.predictor import RunNetwork
from pawprint.model.served_model import IDENTITY_DIGITS
from pawprint.network.hardware import keras, tf

if TYPE_CHECKING:  # hardware starts TensorFlow
    from tensorflow.lite.python.schema_py_generated import ModelT, OperatorT

INT8 = "litert_int8"
CALIBRATION_IMAGES = 100  # of training; three times as many change little
# The first convolutions, with this fraction of the weights of all, stay float32: rounding what they
# give changes most labels (docs/decisions/04).
FLOAT_WEIGHTS = 0.03
ROUNDS = 50  # of which the shortest time counts


def write_int8(model: keras.Model, images: Sequence[np.ndarray], path: Path) -> None:
    """Write a model of pixels as LiteRT, with convolutions in 8 bits.

    TensorFlow quantizes weights by channel, and maps by tensor with the ranges that they have for
    `images`, each uint8 `(size, size, 3)`. Input, first convolutions and outputs are float32, as is
    all that no convolution follows: statistics of blocks, pooling, standardisation, head and
    unknown score. The description in the file says so.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    with silent_stderr(), TemporaryDirectory() as folder:
        convert_with_keras(model, Path(folder), FORMATS["saved_model"].keras_name)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([np.float32(image[None])] for image in images)
        # Of TensorFlow's API it alone leaves operations out.
        quantizer = tf.lite.experimental.QuantizationDebugger(converter=converter)
        calibrated = flatbuffer_utils.read_model_from_bytearray(quantizer.calibrated_model)
        quantizer.options = tf.lite.experimental.QuantizationDebugOptions(
            denylisted_nodes=_float_tensors(calibrated)
        )
        content = quantizer.get_nondebug_quantized_model()
    quantized = flatbuffer_utils.read_model_from_bytearray(content)
    quantized.description = _describe(quantized)
    flatbuffer_utils.write_model(quantized, str(path))


def _float_tensors(model: "ModelT") -> list[str]:
    """Return the names of what stays float32 of a model of LiteRT.

    It is what the first convolutions give, and all that no convolution follows.
    """
    graph = model.subgraphs[0]
    sizes: dict[int, int] = {}  # of the weights of convolutions
    before: dict[int, set[int]] = {}  # the weights that a tensor depends on
    for operator in graph.operators:
        weights = set().union(*(before.get(index, ()) for index in operator.inputs))
        if _is_convolution(model, operator):
            tensor = graph.tensors[operator.inputs[1]]
            sizes[tensor.buffer] = int(np.prod(tensor.shape))
            weights.add(tensor.buffer)
        before |= dict.fromkeys(operator.outputs, weights)
    few = FLOAT_WEIGHTS * sum(sizes.values())
    names = []
    followed: set[int] = set()  # tensors that a convolution follows
    for operator in reversed(graph.operators):
        is_followed = not followed.isdisjoint(operator.outputs)
        if is_followed or _is_convolution(model, operator):
            followed.update(operator.inputs)
            is_float = sum(sizes[buffer] for buffer in before[operator.outputs[0]]) <= few
        else:
            is_float = True
        if is_float:
            names += [graph.tensors[index].name.decode() for index in operator.outputs]
    return names


def _is_convolution(model: "ModelT", operator: "OperatorT") -> bool:
    from tensorflow.lite.tools.flatbuffer_utils import opcode_to_name

    return opcode_to_name(model, operator.opcodeIndex) in ("CONV_2D", "DEPTHWISE_CONV_2D")


def _describe(model: "ModelT") -> str:
    """Return what of a quantized model has 8 bits."""
    from tensorflow.lite.tools.flatbuffer_utils import type_to_name

    graph = model.subgraphs[0]
    weights = [
        graph.tensors[operator.inputs[1]]
        for operator in graph.operators
        if _is_convolution(model, operator)
    ]
    int8 = [tensor for tensor in weights if type_to_name(tensor.type) == "INT8"]
    first = "the first ones; " if len(int8) < len(weights) else ""
    return (
        f"int8: {len(int8)} of {len(weights)} convolutions. float32: {first}"
        "input; statistics of blocks, pooling, standardisation, head, unknown score; outputs"
    )


def identity_of_int8(identity: str) -> str:
    """Return the identity of what `write_int8` makes of the model with this one."""
    return hashlib.sha256(f"{identity} int8".encode()).hexdigest()[:IDENTITY_DIGITS]


def milliseconds(runs: Sequence[RunNetwork], pixels: np.ndarray) -> list[float]:
    """Return the shortest time of each network for an image, uint8 `(size, size, 3)`.

    They take turns; other programs only add to a time.
    """
    batch = np.float32(pixels[None])
    times = np.empty((ROUNDS, len(runs)))
    for number in range(ROUNDS):
        for column, run in enumerate(runs):
            start = time.perf_counter()
            run(batch)
            times[number, column] = time.perf_counter() - start
    return (1000 * times.min(axis=0)).tolist()
