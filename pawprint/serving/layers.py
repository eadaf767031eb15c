"""The layers of a saved model as operations of OpenVINO.

Known are those of MobileNetV2 and of our heads, with the settings that they have there. Another
layer or setting is an error, for another answer than that of Keras would be worse. In Keras' arrays
the channels come last, in OpenVINO's before height and width.
"""

import math
from pathlib import Path

import h5py
import numpy as np

from pawprint.runtime.compiled import openvino
from pawprint.serving.keras_file import read_description, weights_of, with_weights
from pawprint.serving.metadata import Meaning

Node, operations = openvino.Node, openvino.opset15
# Of a layer's settings, those that are the same in every model of ours.
SETTINGS = {
    "Conv2D": {"activation": "linear", "dilation_rate": [1, 1], "groups": 1, "use_bias": False},
    "DepthwiseConv2D": {
        "activation": "linear", "depth_multiplier": 1, "dilation_rate": [1, 1], "use_bias": False
    },
    "BatchNormalization": {"axis": -1, "center": True, "scale": True},
    "ReLU": {"negative_slope": 0.0, "threshold": 0.0},
    "Dense": {"use_bias": True},
}  # fmt: skip
LARGEST_OUTPUT = 10**8  # numbers; ours have up to half as many, at 1,024 px and width 1.4
PADDING = {"same": "same_upper", "valid": "valid"}


def read_network(path: Path) -> tuple[openvino.Model, Meaning]:
    """A model as OpenVINO runs it, on one image: uint8 `(1, size, size, 3)`.

    Raises ValueError or another error if the file is missing, damaged, or no model of this project.
    """
    model, meaning = read_description(path)
    with weights_of(path) as weights:
        network = _build(model["config"], weights)
    _require_memory(network)
    return network, meaning


def _require_memory(network: openvino.Model) -> None:
    outputs = [output for operation in network.get_ops() for output in operation.outputs()]
    largest = max(math.prod(output.shape) for output in outputs)
    if largest > LARGEST_OUTPUT:
        raise ValueError(f"a layer with {largest:,} numbers for one image")


def _build(config: dict, weights: h5py.Group) -> openvino.Model:
    """A functional model of images: uint8 `(1, height, width, 3)` to what it gives for one image.

    `config` is Keras' description of it. Raises ValueError, KeyError or an error of h5py's or
    OpenVINO's if it is made of anything else than the layers below.
    """
    shape = config["layers"][0]["config"]["batch_shape"]
    pixels = operations.parameter([1, *shape[1:]], np.uint8)
    planes = operations.transpose(operations.convert(pixels, np.float32), [0, 3, 1, 2])
    return openvino.Model(_functional(config, weights, planes), [pixels])


def _apply(layer: dict, weights: h5py.Group | None, *values: Node) -> Node:
    kind, config = layer["class_name"], layer["config"]
    for key, expected in SETTINGS.get(kind, {}).items():
        if config[key] != expected:
            raise ValueError(f"{kind} with {key}={config[key]!r}, not {expected!r}")
    return LAYERS[kind](config, weights, *values)


def _functional(config: dict, weights: h5py.Group, value: Node) -> Node:
    values = {}
    for layer, group in with_weights(config, weights):
        taken = [values[name] for name in _inputs_of(layer)]
        values[layer["config"]["name"]] = _apply(layer, group, *taken or [value])
    return values[config["output_layers"][0]]


def _inputs_of(layer: dict) -> list[str]:
    """The names of the layers whose outputs a layer takes: none for the model's input."""
    if not layer["inbound_nodes"]:
        return []
    (node,) = layer["inbound_nodes"]  # a layer that is used twice has two
    (taken,) = node["args"]
    tensors = taken if isinstance(taken, list) else [taken]
    return [tensor["config"]["keras_history"][0] for tensor in tensors]


def _sequential(config: dict, weights: h5py.Group, value: Node) -> Node:
    for layer, group in with_weights(config, weights):
        value = _apply(layer, group, value)
    return value


def _same(config: dict, weights: None, value: Node) -> Node:
    """An input, or a layer that does something in training only."""
    return value


def _rescaling(config: dict, weights: None, value: Node) -> Node:
    scaled = operations.multiply(value, np.float32(config["scale"]))
    return operations.add(scaled, np.float32(config["offset"]))


def _zero_padding(config: dict, weights: None, value: Node) -> Node:
    (top, bottom), (left, right) = config["padding"]
    before, after = [0, 0, top, left], [0, 0, bottom, right]
    return operations.pad(value, before, after, "constant", np.float32(0))


def _convolution(config: dict, weights: h5py.Group, value: Node) -> Node:
    (kernel,) = _arrays(weights)
    return operations.convolution(value, kernel.transpose(3, 2, 0, 1), **_geometry(config))


def _depthwise_convolution(config: dict, weights: h5py.Group, value: Node) -> Node:
    (kernel,) = _arrays(weights)
    kernel = kernel.transpose(2, 3, 0, 1)[:, None]
    return operations.group_convolution(value, kernel, **_geometry(config))


def _geometry(config: dict) -> dict:
    return {
        "strides": config["strides"],
        "pads_begin": [0, 0],  # overridden by auto_pad
        "pads_end": [0, 0],
        "dilations": [1, 1],
        "auto_pad": PADDING[config["padding"]],
    }


def _batch_normalization(config: dict, weights: h5py.Group, value: Node) -> Node:
    return operations.batch_norm_inference(value, *_arrays(weights), config["epsilon"])


def _relu(config: dict, weights: None, value: Node) -> Node:
    limit = config["max_value"]
    return operations.relu(value) if limit is None else operations.clamp(value, 0.0, limit)


def _add(config: dict, weights: None, first: Node, second: Node) -> Node:
    return operations.add(first, second)


def _average_pooling(config: dict, weights: None, value: Node) -> Node:
    return operations.reduce_mean(value, [2, 3])


def _flatten(config: dict, weights: None, value: Node) -> Node:
    return operations.reshape(operations.transpose(value, [0, 2, 3, 1]), [1, -1], False)


def _dense(config: dict, weights: h5py.Group, value: Node) -> Node:
    kernel, bias = _arrays(weights)
    if kernel.shape[1] != config["units"]:
        raise ValueError(f"Dense with units={config['units']!r} and weights of {kernel.shape[1]}")
    product = operations.matmul(value, kernel, False, False)
    return _activation(config, None, operations.add(product, bias))


def _activation(config: dict, weights: None, value: Node) -> Node:
    kinds = {"linear": lambda node: node, "relu": operations.relu, "sigmoid": operations.sigmoid}
    return kinds[config["activation"]](value)


def _arrays(weights: h5py.Group) -> list[np.ndarray]:
    """The weights of a layer, float32, in Keras' order."""
    stored = weights["vars"]
    return [np.asarray(stored[str(index)], np.float32) for index in range(len(stored))]


LAYERS = {
    "Functional": _functional,
    "Sequential": _sequential,
    "InputLayer": _same,
    "Rescaling": _rescaling,
    "ZeroPadding2D": _zero_padding,
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise_convolution,
    "BatchNormalization": _batch_normalization,
    "ReLU": _relu,
    "Add": _add,
    "GlobalAveragePooling2D": _average_pooling,
    "Flatten": _flatten,
    "Dropout": _same,
    "Dense": _dense,
    "Activation": _activation,
}
