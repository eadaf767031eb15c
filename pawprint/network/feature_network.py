"""Build the part of a network after the frozen layers, which runs on stored features in OpenVINO.

This module does not need TensorFlow.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import openvino

from pawprint.base.runtime import product
from pawprint.network.heads import HeadWeights, kinds_of
from pawprint.pipeline.params.model import Head

OUTPUTS = ("logits", "features")
operations = openvino.opset15
# Those of `HeadWeights.steps`, except MatMul.
OPERATIONS = {"Add": operations.add, "Mul": operations.multiply, "Relu": operations.relu}


def head_logits(features: openvino.Output, weights: HeadWeights, params: Head) -> openvino.Output:
    """Return logits, float32 `(batch, units)`, for features `(batch, features)`."""
    for kind, *arrays in weights.steps(params):
        if kind == "MatMul":
            (kernel,) = arrays
            features = product(features, operations.constant(np.ascontiguousarray(kernel.T)))
        else:
            constants = map(operations.constant, arrays)
            features = OPERATIONS[kind](features, *constants).output(0)
    return features


def on_features(
    shapes: Mapping[str, Sequence[int]], weights: HeadWeights, params: Head
) -> tuple[openvino.Model, list[str]]:
    """Return the head as a network that takes stored features, and the names of its inputs.

    `shapes` contains the shape of each stored kind.
    """
    kinds = kinds_of(weights.has_blocks)
    means = "means" if "means" in shapes else "top"
    parameters = {kind: _parameter(shapes[kind]) for kind in dict.fromkeys([*kinds, means])}
    features = _side_by_side([parameters[kind].output(0) for kind in kinds])
    # Insert a node between the input and the output, because both need their own name.
    copied = operations.convert(parameters[means], np.float32).output(0)
    outputs = [head_logits(features, weights, params), copied]
    return openvino.Model(outputs, [*parameters.values()]), [*parameters]


def on_maps(
    shapes: Mapping[str, Sequence[int]],
    trained: openvino.Model,
    weights: HeadWeights,
    params: Head,
) -> tuple[openvino.Model, list[str]]:
    """Return trained layers and a head as a network on stored maps, and the names of its inputs.

    `trained` takes the maps at the cut, and returns the head's features and the means of the last
    maps. The head also receives the block statistics from before the cut, which come first among
    the stored ones.
    """
    head_input, means = (result.input_value(0) for result in trained.get_results())
    parameters = {"cut": trained.get_parameters()[0]}
    trained.reshape([-1, *shapes["cut"]])
    width = weights.features - head_input.partial_shape[1].get_length()
    if width:
        parameters["blocks"] = _parameter(shapes["blocks"])
        zero, one = (operations.constant([number], np.int64) for number in (0, 1))
        end = operations.constant([width], np.int64)
        frozen = operations.slice(parameters["blocks"], zero, end, one, one)
        head_input = _side_by_side([frozen.output(0), head_input])
    outputs = [head_logits(head_input, weights, params), means]
    return openvino.Model(outputs, [*parameters.values()]), [*parameters]


def _parameter(shape: Sequence[int]) -> openvino.op.Parameter:
    return operations.parameter([-1, *shape], np.float32)


def _side_by_side(parts: list[openvino.Output]) -> openvino.Output:
    return parts[0] if len(parts) == 1 else operations.concat(parts, 1).output(0)
