"""Find the blocks of a backbone and compute the statistics that a head uses in OpenVINO.

For Keras networks, network/blocks.py finds the blocks. This module does not need TensorFlow.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import openvino

STATISTICS = 2  # mean and standard deviation of each channel at the end of a block
SMALLEST_VARIANCE = 1e-6  # for maps whose standard deviation is about 1
MOST_PER_CHANNEL = 3  # block statistics per channel of the last maps


class Maps(NamedTuple):
    """Feature maps that are all that the later operations of a network need: a possible cut.

    `operation` is the index of the operation that produces them. Consecutive operations have
    consecutive indices. `is_branch` indicates whether branches, such as skip connections, begin or
    join there.
    """

    operation: int
    size: tuple[int, ...]
    channels: int
    is_branch: bool


def choose_ends(maps: Sequence[Maps], pixels: tuple[int, ...], last: Maps) -> list[int]:
    """Return the indices of the operations that end the blocks of a network.

    `maps` are listed in order and come before the `last` ones. `pixels` is the size of an image. A
    block ends where branches begin or join. In a backbone without branches, it ends where the
    resolution changes. The last block ends before the maps have as many channels as the last maps.
    For each resolution, the latest ends are chosen, at least one, as long as there are at most
    MOST_PER_CHANNEL statistics per channel of the last maps. Maps at the full image resolution, and
    maps with as many channels as the last maps, are left out.
    """
    channels = {each.operation: each.channels for each in maps}
    ends = _possible_ends(maps, pixels, last)
    most = MOST_PER_CHANNEL * last.channels / STATISTICS
    for number in range(max(map(len, ends), default=1), 1, -1):
        chosen = _last_ends(ends, number)
        if sum(channels[index] for index in chosen) <= most:
            return chosen
    return _last_ends(ends, 1)


def _last_ends(ends: list[list[int]], number: int) -> list[int]:
    return [index for indices in ends for index in indices[-number:]]


def _possible_ends(maps: Sequence[Maps], pixels: tuple[int, ...], last: Maps) -> list[list[int]]:
    """Return for each resolution the operations that `choose_ends` may choose from."""
    cuts: dict[tuple[int, ...], list[int]] = defaultdict(list)
    branches: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, size, number, is_branch in maps:
        if size == pixels or (size == last.size and number >= last.channels):
            continue
        cuts[size].append(index)
        if is_branch:
            branches[size].append(index)
    if not branches:
        return [indices[-1:] for indices in cuts.values()]
    final = last.size
    branches[final] = sorted({*branches[final], *cuts[final][-1:]})
    return [[index for index in group if index + 1 not in group] for group in branches.values()]


operations = openvino.opset15


class OnnxNetwork(NamedTuple):
    """The network in a file, for images of one size, and the output with its features.

    `layout` is the layout of its input, NCHW or NHWC. `output` contains vectors, tokens or the last
    maps.
    """

    network: openvino.Model
    layout: str
    output: openvino.Output


class Block(NamedTuple):
    """The maps that end a block: an output that is named in the file, and its channel axis."""

    output: openvino.Output
    channels: int

    @property
    def height_and_width(self) -> list[int]:
        """The axes of the height and the width."""
        return [2, 3] if self.channels == 1 else [1, 2]


def find_blocks(file: OnnxNetwork, size: int) -> list[Block]:
    """Return the blocks of a network for images of this size, as `choose_ends` defines them.

    Networks whose maps all have one resolution, such as vision transformers, have no blocks.
    """
    nodes = _nodes_between(file)
    blocks = {}
    maps = []
    number = 0
    for index, is_joined, is_split in _cuts(nodes):
        node = nodes[index]
        # Unnamed nodes are inside an operation of the file.
        is_named = node.output is not None and bool(node.output.get_names())
        number += 2 if is_joined or node.has_weights else is_named
        axis = _axis_of_channels(node.output, node.channels) if is_named else None
        if axis and node.kind != "Pad":
            blocks[number] = Block(node.output, axis)
            lengths = lengths_of(node.output)
            square = (lengths[1], lengths[1])
            maps.append(Maps(number, square, lengths[axis - 1], is_joined or is_split))
    if not maps:
        return []
    *before, last = maps
    return [blocks[number] for number in choose_ends(before, (size, size), last)]


class _Node(NamedTuple):
    """An operation of OpenVINO type `kind` with its output, or None if others take several outputs.

    `takes` lists the positions of the operations that it takes outputs from, except constants and
    shapes. `channels` is the channel axis if the output consists of maps.
    """

    kind: str
    output: openvino.Output | None
    takes: list[int]
    channels: int

    @property
    def has_weights(self) -> bool:
        return "Convolution" in self.kind or self.kind == "MatMul"


def _nodes_between(file: OnnxNetwork) -> list[_Node]:
    """Return the nodes from the pixels to the features in topological order.

    The channel axis is tracked from the input on. Transpositions move it, and convolutions define
    it.
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
        elif kind == "Transpose":
            channels = _transposed(nodes[takes[0]].channels, node)
        else:
            channels = nodes[takes[0]].channels
        taken = [output for output in node.outputs() if output.get_target_inputs()]
        positions[node.get_name()] = len(nodes)
        nodes.append(_Node(kind, taken[0] if len(taken) == 1 else None, takes, channels))
    return nodes


def _transposed(axis: int, node: openvino.Node) -> int:
    """Return where a transposition moves an axis. The order of the axes may not be constant."""
    order = getattr(node.input_value(1).get_node(), "data", ())
    return [*order].index(axis) if len(order) == 4 else axis


def _cuts(nodes: list[_Node]) -> Iterator[tuple[int, bool, bool]]:
    """Yield the positions of nodes whose output is all that later nodes need.

    The two bools indicate whether branches join before the node and begin after it. Parallel
    operations without weights do not count as branches: they form an activation or a normalisation.
    """
    last_taker = list(range(len(nodes)))
    for index, node in enumerate(nodes):
        for position in node.takes:
            last_taker[position] = index
    reach = np.maximum.accumulate([0, *last_taker[:-1]])  # last node that uses any of them
    cuts = np.flatnonzero(reach <= np.arange(len(nodes))).tolist()
    between = [nodes[cut + 1 : end] for cut, end in itertools.pairwise(cuts)]
    branches = [any(node.has_weights for node in group) for group in between]
    return zip(cuts, [False, *branches], [*branches, False])


def _axis_of_channels(output: openvino.Output, followed: int) -> int | None:
    """Return channel axis 1 or 3, or None if these are not square maps; `followed` breaks ties."""
    shape = output.partial_shape
    if shape.rank != openvino.Dimension(4) or any(side.is_dynamic for side in list(shape)[1:]):
        return None
    first, second, third = lengths_of(output)
    axes = [axis for axis, side in ((1, third), (3, first)) if side == second > 1]
    return followed if followed in axes else axes[0] if axes else None


def block_statistics(blocks: list[Block]) -> openvino.Output:
    """Compute the statistics of `keras_model.block_statistics`, float32 `(batch, features)`."""
    columns = []
    for block in blocks:
        maps = operations.convert(block.output, np.float32)
        axes = block.height_and_width
        mean = operations.reduce_mean(maps, axes)
        squares = operations.reduce_mean(operations.multiply(maps, maps), axes)
        variance = operations.subtract(squares, operations.multiply(mean, mean))
        least = operations.constant(SMALLEST_VARIANCE, np.float32)
        columns += [mean, operations.sqrt(operations.maximum(variance, least))]
    return operations.concat(columns, 1).output(0)


def lengths_of(output: openvino.Output) -> list[int]:
    """Return the lengths of all axes except the batch axis."""
    shape = output.partial_shape
    if shape.rank.is_dynamic or any(length.is_dynamic for length in list(shape)[1:]):
        raise ValueError(f"expected an output with a known size. Received: {shape}")
    return [length.get_length() for length in list(shape)[1:]]
