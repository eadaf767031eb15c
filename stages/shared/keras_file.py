"""The `.keras` file of a finished model, read and run without TensorFlow, which takes seconds to start.

The file may come from anyone. It is a zip of a description (config.json), weights (HDF5) and what
the model's answer means (metadata.json). Only the layers below are known here, with the settings
that MobileNetV2 and our heads have; for any other model there is an error and not another answer.
No code comes with a model: this is why `.keras` files of strangers can be tried.
"""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import openvino
from openvino import opset15 as opset

WEIGHTS = "model.weights.h5"
# Of a layer's settings, those that a model of ours never has otherwise.
SETTINGS = {
    "Conv2D": {"activation": "linear", "dilation_rate": [1, 1], "groups": 1, "use_bias": False},
    "DepthwiseConv2D": {
        "activation": "linear", "depth_multiplier": 1, "dilation_rate": [1, 1], "use_bias": False
    },
    "BatchNormalization": {"axis": -1, "center": True, "scale": True},
    "ReLU": {"negative_slope": 0.0, "threshold": 0.0},
    "Dense": {"use_bias": True},
}  # fmt: skip


def read_network(path: Path) -> openvino.Model:
    """Takes uint8 pixels `(1, size, size, 3)` and gives float32 `(1, 1)`.

    Raises ValueError, KeyError or an error of h5py's or OpenVINO's if the file is no such model.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))["config"]
        weights = h5py.File(io.BytesIO(archive.read(WEIGHTS)))
    (_, *shape) = config["layers"][0]["config"]["batch_shape"]
    pixels = opset.parameter([1, *shape], np.uint8, "pixels")
    # OpenVINO computes with the channels before height and width.
    planes = opset.transpose(opset.convert(pixels, np.float32), [0, 3, 1, 2])
    return openvino.Model(_functional(config, weights, planes), [pixels])


def _functional(config: dict, weights: h5py.Group, value: openvino.Node) -> openvino.Node:
    values = {}
    for layer, group in _with_weights(config["layers"], weights):
        sources = [values[name] for name in _sources(layer["inbound_nodes"])]
        values[layer["config"]["name"]] = _apply(layer, group, sources or [value])
    return values[config["output_layers"][0]]


def _sequential(config: dict, weights: h5py.Group, value: openvino.Node) -> openvino.Node:
    for layer, group in _with_weights(config["layers"], weights):
        value = _apply(layer, group, [value])
    return value


def _with_weights(layers: list[dict], weights: h5py.Group) -> Iterator[tuple[dict, h5py.Group]]:
    """Each layer with its group, which Keras names by class and place among those of its class."""
    names = {
        "BatchNormalization": "batch_normalization", "Conv2D": "conv2d", "Dense": "dense",
        "DepthwiseConv2D": "depthwise_conv2d", "Functional": "functional",
        "Sequential": "sequential",
    }  # fmt: skip
    seen = Counter()
    for layer in layers:
        kind = layer["class_name"]
        group = None
        if kind in names:
            number = f"_{seen[kind]}" if seen[kind] else ""
            group = weights["layers"][names[kind] + number]
            seen[kind] += 1
        yield layer, group


def _sources(nodes: list) -> list[str]:
    """The names of the layers whose outputs a layer takes."""
    found = []

    def collect(record: dict) -> dict:
        if "keras_history" in record:
            found.append(record["keras_history"][0])
        return record

    json.loads(json.dumps(nodes), object_hook=collect)
    return found


def _apply(layer: dict, group: h5py.Group, inputs: list[openvino.Node]) -> openvino.Node:
    kind, config = layer["class_name"], layer["config"]
    for key, expected in SETTINGS.get(kind, {}).items():
        if config[key] != expected:
            raise ValueError(f"{kind} with {key}={config[key]!r}, not {expected!r}")
    if kind == "Functional":
        return _functional(config, group, *inputs)
    if kind == "Sequential":
        return _sequential(config, group, *inputs)
    weights = [group["vars"][str(i)][:] for i in range(len(group["vars"]))] if group else []
    return LAYERS[kind](config, weights, *inputs)


def _same(config, weights, value):
    return value


def _rescaling(config, weights, value):
    return opset.add(opset.multiply(value, np.float32(config["scale"])), np.float32(config["offset"]))


def _zero_padding(config, weights, value):
    (top, bottom), (left, right) = config["padding"]
    return opset.pad(value, [0, 0, top, left], [0, 0, bottom, right], "constant", np.float32(0))


def _convolution(config, weights, value):
    kernel = weights[0].transpose(3, 2, 0, 1)
    return opset.convolution(value, kernel, config["strides"], [0, 0], [0, 0], [1, 1], PADDING[config["padding"]])


def _depthwise_convolution(config, weights, value):
    kernel = weights[0].transpose(2, 3, 0, 1)[:, :, None]
    return opset.group_convolution(value, kernel, config["strides"], [0, 0], [0, 0], [1, 1], PADDING[config["padding"]])


PADDING = {"same": "same_upper", "valid": "valid"}


def _batch_normalization(config, weights, value):
    return opset.batch_norm_inference(value, *weights, config["epsilon"])


def _relu(config, weights, value):
    if config["max_value"] is None:
        return opset.relu(value)
    return opset.clamp(value, 0.0, config["max_value"])


def _add(config, weights, *values):
    first, second = values
    return opset.add(first, second)


def _average_pooling(config, weights, value):
    return opset.reduce_mean(value, [2, 3])


def _flatten(config, weights, value):
    return opset.reshape(opset.transpose(value, [0, 2, 3, 1]), [1, -1], False)


def _dense(config, weights, value):
    kernel, bias = weights
    value = opset.add(opset.matmul(value, kernel, False, False), bias)
    return _activation(config, weights, value)


def _activation(config, weights, value):
    return {"linear": lambda v: v, "relu": opset.relu, "sigmoid": opset.sigmoid}[config["activation"]](value)


LAYERS = {
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
