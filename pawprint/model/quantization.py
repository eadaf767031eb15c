"""Models of LiteRT whose convolutions have 8 bits: how one is written, and its time."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from pawprint.errors import silent_stderr
from pawprint.model.predictor import RunNetwork
from pawprint.model.served_model import IDENTITY_DIGITS
from pawprint.network.hardware import keras, tf

if TYPE_CHECKING:  # hardware starts TensorFlow
    from tensorflow.lite.python.schema_py_generated import ModelT, OperatorT

INT8 = "litert_int8"
CALIBRATION_IMAGES = 100  # of training; three times as many change little
# Maps whose side is at least this fraction of the image's stay float32: rounding them changes most
# labels, and few weights make them (docs/decisions/04).
FLOAT_SIDE = 1 / 8
ROUNDS = 50  # of which the shortest time counts


def write_int8(model: keras.Model, images: Sequence[np.ndarray], path: Path) -> None:
    """Write a model of pixels as LiteRT, with convolutions in 8 bits.

    TensorFlow quantizes weights by channel, and maps by tensor with the ranges that they have for
    `images`, each uint8 `(size, size, 3)`. Input, large maps and outputs are float32, and so is all
    that no convolution follows: statistics of blocks, pooling, standardisation, head and unknown
    score. The description in the file says so.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model(model.inputs)  # Keras exports only a model that was called
    with silent_stderr(), TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([np.float32(image[None])] for image in images)
        # Of TensorFlow's API it alone leaves operations out.
        quantizer = tf.lite.experimental.QuantizationDebugger(converter=converter)
        calibrated = flatbuffer_utils.read_model_from_bytearray(quantizer.calibrated_model)
        quantizer.options = tf.lite.experimental.QuantizationDebugOptions(
            denylisted_nodes=_float_tensors(calibrated, FLOAT_SIDE * model.input_shape[1])
        )
        content = quantizer.get_nondebug_quantized_model()
    quantized = flatbuffer_utils.read_model_from_bytearray(content)
    quantized.description = _describe(quantized)
    flatbuffer_utils.write_model(quantized, str(path))


def _float_tensors(model: "ModelT", side: float) -> list[str]:
    """Return the names of what stays float32 of a model of LiteRT.

    It is maps of at least this side, and all that no convolution follows.
    """
    graph = model.subgraphs[0]
    names = []
    followed: set[int] = set()  # tensors that a convolution follows
    for operator in reversed(graph.operators):
        outputs = [graph.tensors[index] for index in operator.outputs]
        is_followed = not followed.isdisjoint(operator.outputs)
        if is_followed or _is_convolution(model, operator):
            followed.update(operator.inputs)
            is_float = any(len(each.shape) == 4 and each.shape[1] >= side for each in outputs)
        else:
            is_float = True
        if is_float:
            names += [tensor.name.decode() for tensor in outputs]
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
    return (
        f"int8: {len(int8)} of {len(weights)} convolutions. float32: the others, of large maps; "
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
