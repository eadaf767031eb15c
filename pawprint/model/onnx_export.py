"""Export a model whose backbone is an ONNX file, including preprocessing and head.

The parts are joined with the package onnx. All added operations have existed since opset 8, so they
work with the opset of the file.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import openvino
from onnx import compose, helper, numpy_helper, utils

from pawprint.model.detector import MIN_NORM, Detector
from pawprint.network.heads import HeadWeights
from pawprint.network.onnx_backbone import choose_tokens, last_maps, open_backbone
from pawprint.network.openvino_blocks import (
    SMALLEST_VARIANCE,
    Block,
    OnnxNetwork,
    find_blocks,
    lengths_of,
)
from pawprint.params.model import Head, Model, Onnx

BACKBONE = "backbone/"  # prefix for names in the backbone file
MIRROR = "mirror/"  # prefix for names in the second branch
FLOAT = onnx.TensorProto.FLOAT
OLDEST_IR = 4  # first version in which weights need not be inputs


class Parts(NamedTuple):
    """The parts that follow the backbone in the served model."""

    weights: HeadWeights
    head: Head
    temperature: float
    detector: Detector | None


class Operations:
    """ONNX nodes and the constants that they use."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(
        self,
        kind: str,
        *inputs: str | np.ndarray | np.float32,
        name: str = "",
        **attributes: int | list[int],
    ) -> str:
        """Add an operation and return the name of its output. Arrays become constants."""
        name = name or f"{kind}_{len(self.nodes)}"
        names: list[str] = []
        for each in inputs:
            if not isinstance(each, str):
                self.constants.append(
                    numpy_helper.from_array(np.asarray(each), f"{name}_{len(names)}")
                )
                each = self.constants[-1].name
            names.append(each)
        node = helper.make_node(kind, names, [name], name)
        node.attribute.extend(helper.make_attribute(*item) for item in attributes.items())
        self.nodes.append(node)
        return name


def write_onnx(source: Path, model: Model, parts: Parts, is_mirrored: bool, path: Path) -> None:
    """Write to `path` a model for float32 RGB `pixels`, `(batch, size, size, 3)` in [0, 255].

    The model returns the calibrated `probability`, `(batch, units)`, and `unknown_score`, `(batch,
    1)`, if there is a detector. With `is_mirrored`, logits and unknown scores are averaged over the
    image and its mirror image. `source` is the backbone file. If the file only supports one-image
    batches, so does the model. Raises InputError for the same reasons as `open_backbone`.
    """
    network = open_backbone(source, model)
    params = model.onnx or Onnx()
    size = model.image_size
    blocks = find_blocks(network, size) if parts.weights.has_blocks else []
    outputs = [*(block.output for block in blocks), network.output]
    image = network.network.input().get_any_name()
    backbone, names = _backbone(onnx.load(source), image, outputs)
    *block_names, last = names

    graph = Operations()
    _scale_pixels(graph, network.layout, params, backbone.graph.input[0])
    graph.nodes.extend(backbone.graph.node)
    top = _pooled(graph, last, network, params)
    columns = [_statistics(graph, *each) for each in zip(block_names, blocks)]
    features = graph.add("Concat", *columns, top, axis=1) if columns else top
    logits = _logits(graph, features, parts)
    ends = [logits, _unknown_score(graph, top, parts.detector)] if parts.detector else [logits]
    batch = 1 if network.network.input().partial_shape[0].is_static else "batch"
    pixels = helper.make_tensor_value_info("pixels", FLOAT, [batch, size, size, 3])
    if is_mirrored:
        ends = _means_with_mirror_image(graph, ends, pixels, size)
    units = len(parts.weights.arrays[-1])
    activation = ("Sigmoid", {}) if units == 1 else ("Softmax", {"axis": 1})
    graph.add(activation[0], ends[0], name="probability", **activation[1])
    answers = [helper.make_tensor_value_info("probability", FLOAT, [batch, units])]
    if parts.detector:
        graph.add("Identity", ends[1], name="unknown_score")
        answers.append(helper.make_tensor_value_info("unknown_score", FLOAT, [batch, 1]))
    joined = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "pawprint",
            [pixels],
            answers,
            [*backbone.graph.initializer, *graph.constants],
            sparse_initializer=backbone.graph.sparse_initializer,
        ),
        opset_imports=backbone.opset_import,
        functions=backbone.functions,
        ir_version=max(backbone.ir_version, OLDEST_IR),
        producer_name="pawprint",
    )
    path.write_bytes(joined.SerializeToString())


def _backbone(
    file: onnx.ModelProto, image: str, outputs: list[openvino.Output]
) -> tuple[onnx.ModelProto, list[str]]:
    """Return the file with the input `image` and these outputs, and the names of the outputs.

    All names get the prefix BACKBONE.
    """
    graph = file.graph
    names_of_nodes = {name for node in graph.node for name in node.output}
    names = [min(names_of_nodes & output.get_names()) for output in outputs]
    known = {each.name for each in graph.output}
    if known != {names[-1]}:  # drop the operations that only other outputs need
        unknown = [name for name in names if name not in known]
        graph.output.extend(helper.make_tensor_value_info(each, FLOAT, None) for each in unknown)
        file = utils.Extractor(file).extract_model([image], names)
    for index in reversed(range(len(file.graph.input))):
        if file.graph.input[index].name != image:
            del file.graph.input[index]  # this input is a weight, or no operation uses it
    return compose.add_prefix(file, BACKBONE), [BACKBONE + name for name in names]


def _scale_pixels(graph: Operations, layout: str, params: Onnx, image: onnx.ValueInfoProto) -> None:
    """Compute the backbone's input `image` from `pixels`."""
    mean, deviation = (np.float32(255 * np.array(each)) for each in (params.mean, params.std))
    colours = "pixels"
    if params.channels == "BGR":
        colours = graph.add("Gather", colours, np.array([2, 1, 0]), axis=3)
    scaled = graph.add("Div", graph.add("Sub", colours, mean), deviation)
    if layout == "NCHW":
        scaled = graph.add("Transpose", scaled, perm=[0, 3, 1, 2])
    graph.add("Cast", scaled, name=image.name, to=image.type.tensor_type.elem_type)


def _pooled(graph: Operations, last: str, network: OnnxNetwork, params: Onnx) -> str:
    """Return the features `(batch, features)` that `read_onnx` computes from the file's output."""
    last = graph.add("Cast", last, to=FLOAT)
    lengths = lengths_of(network.output)
    if len(lengths) == 1:
        return last
    if len(lengths) == 3:
        return _mean(graph, _channels_first(graph, last, last_maps(network.output, network.layout)))
    means = []
    for tokens in choose_tokens(lengths[0], params.tokens):
        chosen = graph.add("Gather", last, np.array(tokens), axis=1)
        means.append(_mean(graph, graph.add("Transpose", chosen, perm=[0, 2, 1])))
    return graph.add("Concat", *means, axis=1)


def _statistics(graph: Operations, name: str, block: Block) -> str:
    """Return each channel's mean and deviation in the maps at the end of a block."""
    maps = _channels_first(graph, graph.add("Cast", name, to=FLOAT), block)
    mean = _mean(graph, maps)
    squares = _mean(graph, graph.add("Mul", maps, maps))
    variance = graph.add("Sub", squares, graph.add("Mul", mean, mean))
    deviation = graph.add("Sqrt", graph.add("Max", variance, np.float32(SMALLEST_VARIANCE)))
    return graph.add("Concat", mean, deviation, axis=1)


def _channels_first(graph: Operations, maps: str, block: Block) -> str:
    return maps if block.channels == 1 else graph.add("Transpose", maps, perm=[0, 3, 1, 2])


def _mean(graph: Operations, maps: str) -> str:
    """Reduce `(batch, channels, …)` to its means, `(batch, channels)`."""
    return graph.add("Flatten", graph.add("GlobalAveragePool", maps))


def _logits(graph: Operations, features: str, parts: Parts) -> str:
    """Compute the logits like `head_logits` in feature_network.py, divided by the temperature."""
    for kind, *arrays in parts.weights.steps(parts.head):
        features = graph.add(kind, features, *arrays)
    return graph.add("Div", features, np.float32(parts.temperature))


def _unknown_score(graph: Operations, features: str, detector: Detector) -> str:
    """Compute the same score as `detector.unknown_score`."""
    norm = graph.add("Max", _norm(graph, features, detector), np.float32(MIN_NORM))
    centred = graph.add("Sub", graph.add("Div", features, norm), detector.mean)
    projected = graph.add("MatMul", centred, np.ascontiguousarray(detector.components.T))
    explained = graph.add("MatMul", projected, detector.components)
    return _norm(graph, graph.add("Sub", centred, explained), detector)


def _norm(graph: Operations, rows: str, detector: Detector) -> str:
    ones = np.ones((len(detector.mean), 1), np.float32)
    return graph.add("Sqrt", graph.add("MatMul", graph.add("Mul", rows, rows), ones))


def _means_with_mirror_image(
    graph: Operations, ends: list[str], pixels: onnx.ValueInfoProto, size: int
) -> list[str]:
    """Average these outputs over an image and its mirror image.

    The nodes are duplicated, but the weights are not.
    """
    branch = helper.make_graph(graph.nodes, "image", [pixels], [])
    backwards = np.arange(size)[::-1].copy()
    graph.add("Gather", "pixels", backwards, name=f"{MIRROR}pixels", axis=2)
    graph.nodes.extend(compose.add_prefix_graph(branch, MIRROR).node)
    half = np.float32(0.5)
    return [graph.add("Mul", graph.add("Add", end, MIRROR + end), half) for end in ends]
