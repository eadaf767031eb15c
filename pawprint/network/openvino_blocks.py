"""Choose the blocks of a backbone and compute the statistics that a head uses in OpenVINO.

For Keras networks, keras_model.py finds the blocks. This module does not need TensorFlow.
"""

from collections import defaultdict
from collections.abc import Sequence
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


def block_statistics(blocks: list[openvino.Output]) -> openvino.Output:
    """Compute the statistics of `keras_model.block_statistics`, float32 `(batch, features)`.

    `blocks` are the maps that end the blocks, `(batch, channels, height, width)`.
    """
    axes = [2, 3]
    columns = []
    for block in blocks:
        maps = operations.convert(block, np.float32)
        mean = operations.reduce_mean(maps, axes)
        squares = operations.reduce_mean(operations.multiply(maps, maps), axes)
        variance = operations.subtract(squares, operations.multiply(mean, mean))
        least = operations.constant(SMALLEST_VARIANCE, np.float32)
        columns += [mean, operations.sqrt(operations.maximum(variance, least))]
    return operations.concat(columns, 1).output(0)
