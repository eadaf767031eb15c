"""The blocks in the graph of an ONNX file, found as those of a network of Keras."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import openvino

from pawprint.network.blocks import Maps, choose_ends
from pawprint.network.model import SMALLEST_VARIANCE

operations = openvino.opset15


class OnnxNetwork(NamedTuple):
    """The network in a file, for images of one size, and where its features are.

    `layout` is that of its input, NCHW or NHWC. `output` gives vectors, tokens or the last maps.
    """

    network: openvino.Model
    layout: str
    output: openvino.Output


class Block(NamedTuple):
    """The maps that end a block: an output, with a name in the file, and its axis of channels."""

    output: openvino.Output
    channels: int

    @property
    def height_and_width(self) -> list[int]:
        return [2, 3] if self.channels == 1 else [1, 2]


def find_blocks(file: OnnxNetwork, size: int) -> list[Block]:
    """Return the ends of the blocks of a network of images of this size, as blocks.py has them.

    There are none in a network without maps of more than one resolution, such as a vision
    transformer.
    """
    nodes = _nodes_between(file)
    blocks, maps = {}, []
    number = 0
    for index, is_joined, is_split in _cuts(nodes):
        node = nodes[index]
        # Those without a name are inside of an operation of the file.
        is_named = node.output is not None and bool(node.output.get_names())
        number += 2 if is_joined or node.has_weights else is_named
        channels = _axis_of_channels(node.output, node.channels) if is_named else None
        if channels and node.kind != "Pad":
            blocks[number] = Block(node.output, channels)
            lengths = lengths_of(node.output)
            square = lengths[1], lengths[1]
            maps.append(Maps(number, square, lengths[channels - 1], is_joined or is_split))
    if not maps:
        return []
    *before, last = maps
    return [blocks[number] for number in choose_ends(before, (size, size), last)]


class _Node(NamedTuple):
    """An operation, of OpenVINO's type `kind`, by its output, or None if others take several.

    `takes` are the positions of those whose output it takes, but for constants and shapes, and
    `channels` is the axis of channels, if it gives maps.
    """

    kind: str
    output: openvino.Output | None
    takes: list[int]
    channels: int

    @property
    def has_weights(self) -> bool:
        return "Convolution" in self.kind or self.kind == "MatMul"


def _nodes_between(file: OnnxNetwork) -> list[_Node]:
    """Return the nodes from pixels to features, each after those whose output it takes.

    The axis of channels is followed from the input: transpositions change it, and convolutions
    set it.
    """
    nodes: list[_Node] = []
    positions: dict[str, int] = {}
    part = openvino.Model([file.output], file.network.get_parameters())
    for node in part.get_ordered_ops():
        kind = node.get_type_name()
        sources = [value.get_node().get_name() for value in node.input_values()]
        takes = [positions[source] for source in sources if source in positions]
        if kind == "Parameter":
            channels = file.layout.index("C")
        elif not takes or kind in ("ShapeOf", "Result"):
            continue
        elif "Convolution" in kind:
            channels = 1
        else:
            channels = nodes[takes[0]].channels
            order = (
                getattr(node.input_value(1).get_node(), "data", ()) if kind == "Transpose" else ()
            )
            if len(order) == 4:
                channels = [*order].index(channels)
        taken = [output for output in node.outputs() if output.get_target_inputs()]
        positions[node.get_name()] = len(nodes)
        nodes.append(_Node(kind, taken[0] if len(taken) == 1 else None, takes, channels))
    return nodes


def _cuts(nodes: list[_Node]) -> Iterator[tuple[int, bool, bool]]:
    """Yield the positions of nodes whose output is all that later ones need.

    Two bools say whether branches join before it and begin after it. Those without weights are an
    activation or a normalisation of several operations, and no branches.
    """
    last_taker = list(range(len(nodes)))
    for index, node in enumerate(nodes):
        for position in node.takes:
            last_taker[position] = index
    reach = np.maximum.accumulate([0, *last_taker[:-1]])  # of the outputs before each node
    cuts = np.flatnonzero(reach <= np.arange(len(nodes))).tolist()
    between = [nodes[cut + 1 : end] for cut, end in itertools.pairwise(cuts)]
    branches = [any(node.has_weights for node in group) for group in between]
    return zip(cuts, [False, *branches], [*branches, False])


def _axis_of_channels(output: openvino.Output, followed: int) -> int | None:
    """1 or 3, or None if these are no square maps. `followed` decides where both can be."""
    shape = output.partial_shape
    if shape.rank != openvino.Dimension(4) or any(side.is_dynamic for side in list(shape)[1:]):
        return None
    first, second, third = lengths_of(output)
    axes = [axis for axis, side in ((1, third), (3, first)) if side == second > 1]
    return followed if followed in axes else axes[0] if axes else None


def block_statistics(blocks: list[Block]) -> openvino.Output:
    """Return what that of network/model.py gives, float32 `(batch, features)`."""
    columns = []
    for block in blocks:
        maps, axes = operations.convert(block.output, np.float32), block.height_and_width
        mean = operations.reduce_mean(maps, axes)
        squares = operations.reduce_mean(operations.multiply(maps, maps), axes)
        variance = operations.subtract(squares, operations.multiply(mean, mean))
        least = operations.constant(SMALLEST_VARIANCE, np.float32)
        columns += [mean, operations.sqrt(operations.maximum(variance, least))]
    return operations.concat(columns, 1).output(0)


def lengths_of(output: openvino.Output) -> list[int]:
    """The lengths of the axes after that of the batch."""
    shape = output.partial_shape
    if shape.rank.is_dynamic or any(length.is_dynamic for length in list(shape)[1:]):
        raise ValueError(f"expected an output of known size. Received: {shape}")
    return [length.get_length() for length in list(shape)[1:]]
