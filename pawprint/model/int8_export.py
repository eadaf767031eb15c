"""Export a model to int8: LiteRT with 8-bit convolutions, calibrated on training images."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from pawprint.errors import silent_stderr
from pawprint.model.exports import FORMATS, convert_with_keras
from pawprint.network.hardware import keras, tf

if TYPE_CHECKING:  # importing this starts TensorFlow
    from tensorflow.lite.python.schema_py_generated import ModelT, OperatorT

INT8 = "litert_int8"
CALIBRATION_IMAGES = 100  # number of training images; tripling it makes little difference
# The first convolutions, which together contain this fraction of all weights, stay float32, because
# rounding their outputs changes the most labels (docs/decisions/04).
FLOAT_WEIGHTS = 0.03


def write_int8(model: keras.Model, images: Sequence[np.ndarray], path: Path) -> None:
    """Write a model that takes pixels as LiteRT with 8-bit convolutions.

    TensorFlow quantizes weights per channel and maps per tensor, using their ranges on `images`,
    each uint8 `(size, size, 3)`. The input, the first convolutions, the outputs and all operations
    after the last convolution stay float32: block statistics, pooling, standardisation, head and
    unknown score.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    with silent_stderr(), TemporaryDirectory() as folder:
        convert_with_keras(model, Path(folder), FORMATS["saved_model"].keras_name)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([np.float32(image[None])] for image in images)
        # Only this part of TensorFlow's API can exclude operations from quantization.
        quantizer = tf.lite.experimental.QuantizationDebugger(converter=converter)
        calibrated = flatbuffer_utils.read_model_from_bytearray(quantizer.calibrated_model)
        quantizer.options = tf.lite.experimental.QuantizationDebugOptions(
            denylisted_nodes=_float_tensors(calibrated)
        )
        content = quantizer.get_nondebug_quantized_model()
    path.write_bytes(content)


def _float_tensors(model: "ModelT") -> list[str]:
    """Return the names of the tensors in a LiteRT model that stay float32.

    These are the outputs of the first convolutions, and all tensors after the last convolution.
    """
    graph = model.subgraphs[0]
    sizes: dict[int, int] = {}  # the number of weights in each convolution
    before: dict[int, set[int]] = {}  # the weights that each tensor depends on
    for operator in graph.operators:
        weights = set().union(*(before.get(index, ()) for index in operator.inputs))
        if _is_convolution(model, operator):
            tensor = graph.tensors[operator.inputs[1]]
            sizes[tensor.buffer] = int(np.prod(tensor.shape))
            weights.add(tensor.buffer)
        before |= dict.fromkeys(operator.outputs, weights)
    few = FLOAT_WEIGHTS * sum(sizes.values())
    names = []
    followed: set[int] = set()  # tensors that are followed by a convolution
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
