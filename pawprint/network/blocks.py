"""The parts of a backbone: what stays frozen, the cut, and the blocks that the head sees."""

import difflib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from pawprint.errors import InputError
from pawprint.network.hardware import keras
from pawprint.network.model import STATISTICS
from pawprint.params.model import AUTO, Model

# Layers whose maps no weights make.
NO_FEATURES = (keras.layers.ZeroPadding2D, keras.layers.Rescaling, keras.layers.Normalization)
MOST_PER_CHANNEL = 3  # statistics of blocks, for each channel of the last maps


def first_trained(params: Model, backbone: keras.Model) -> int | None:
    """The index of the first layer that fine-tuning trains, in [0, layers]; None for null.

    With `AUTO` it is `first_of_last_third`.

    Raises InputError for a layer that the backbone does not have.
    """
    name, at = params.backbone, params.fine_tune_at
    names = [layer.name for layer in backbone.layers]
    if at is None:
        return None
    if at == AUTO:
        at = first_of_last_third(backbone).name
    if at in names:
        return names.index(at)
    if isinstance(at, int) and abs(at) <= len(names):
        return at if at >= 0 else len(names) + at
    near = difflib.get_close_matches(str(at), names, n=1, cutoff=0.8)
    hint = near[0] if near else first_of_last_third(backbone).name
    raise InputError(
        f"model.fine_tune_at: expected {AUTO}, a number from -{len(names)} to {len(names)}, the "
        f"layers of {name}, or the name of one, for example {hint}. Received: {at}"
    )


def first_of_last_third(backbone: keras.Model) -> keras.layers.Layer:
    """The first layer of a block that begins after about two thirds of the layers."""
    operations = backbone.operations
    cuts = [index for index in range(len(operations) - 1) if _is_cut(backbone, index)]
    ends = [index for index in cuts if len(keras.tree.flatten(operations[index].input)) > 1]
    end = min(ends or cuts, key=lambda index: abs(index - 2 * len(operations) / 3))
    return next(layer for layer in operations[end + 1 :] if isinstance(layer, keras.layers.Layer))


def cut_index(backbone: keras.Model, first: int) -> int:
    """The last operation before layer `first` whose output is all that later ones need.

    It is an index of `backbone.operations`, in which layers are among others such as additions. The
    operations up to it are frozen and are computed once. One with a skip connection around it
    cannot be the cut, so the cut may lie some layers before `first - 1`. With 0 nothing is frozen
    and the cut is the input.
    """
    operations, layers = backbone.operations, backbone.layers
    end = operations.index(layers[first]) if first < len(layers) else len(operations)
    return next(index for index in range(max(end - 1, 0), -1, -1) if _is_cut(backbone, index))


def _is_cut(backbone: keras.Model, index: int) -> bool:
    """Whether no operation after this one takes the output of one before it."""
    before = {
        id(tensor)
        for operation in backbone.operations[:index]
        for tensor in keras.tree.flatten(operation.output)
    }
    needs = [operation.input for operation in backbone.operations[index + 1 :]]
    return not any(id(tensor) in before for tensor in keras.tree.flatten([needs, backbone.outputs]))


def split_at(backbone: keras.Model, cut: int) -> tuple[keras.Model, int]:
    """The part after operation `cut`: from its maps to the outputs of the backbone after it.

    It shares the backbone's weights, and may hold no layer: it then gives what it gets. Also
    returns how many outputs of the backbone are not after the cut. They are its first.
    """
    operations = backbone.operations
    at_cut = operations[cut].output
    before = {id(operation.output) for operation in operations[: cut + 1]}
    outputs = backbone.outputs
    frozen = sum(id(maps) in before for maps in outputs[:-1])
    after = [
        keras.layers.Identity()(at_cut) if maps is at_cut else maps for maps in outputs[frozen:]
    ]
    return keras.Model(at_cut, after, name="tail"), frozen


class Maps(NamedTuple):
    """Feature maps that are all that later operations of a network need: a cut could be there.

    `index` is that of the operation that gives them, in an order in which the next one has the next
    index. `is_branch` says whether branches, such as a skip connection, begin or join there.
    """

    index: int
    size: tuple[int, ...]
    channels: int
    is_branch: bool


def choose_ends(maps: Sequence[Maps], pixels: tuple[int, ...], last: Maps) -> list[int]:
    """Return the indices of the operations that end the blocks of a network.

    `maps` are those before the `last` ones, in their order, and `pixels` is the size of an image. A
    block ends where branches begin or join; in a backbone without branches, where the resolution
    changes; and the last one before channels become as many as the last maps have. Of each
    resolution the last ends are taken, as many as give at most MOST_PER_CHANNEL for a channel of
    the last maps, but at least one. Maps of the resolution of the pixels, and as many as the last
    maps, are left out.
    """
    channels = {each.index: each.channels for each in maps}
    cuts: dict[tuple[int, ...], list[int]] = defaultdict(list)
    branches: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, size, number, is_branch in maps:
        if size == pixels or (size == last.size and number >= last.channels):
            continue
        cuts[size].append(index)
        if is_branch:
            branches[size].append(index)
    if branches:
        final = last.size
        branches[final] = sorted({*branches[final], *cuts[final][-1:]})
        ends = [[index for index in group if index + 1 not in group] for group in branches.values()]
    else:
        ends = [indices[-1:] for indices in cuts.values()]

    def last_ends(number: int) -> list[int]:
        return [index for indices in ends for index in indices[-number:]]

    most = MOST_PER_CHANNEL * last.channels / STATISTICS
    for number in range(max(map(len, ends), default=1), 1, -1):
        if sum(channels[index] for index in last_ends(number)) <= most:
            return last_ends(number)
    return last_ends(1)


def block_ends(backbone: keras.Model) -> list[int]:
    """The operations that end the blocks: indices of `backbone.operations`, as `choose_ends`."""
    operations = backbone.operations
    takers = Counter(map(id, keras.tree.flatten([operation.input for operation in operations])))
    maps = []
    for index, operation in enumerate(operations):
        output = operation.output
        is_maps = len(output.shape) == 4 and not isinstance(operation, NO_FEATURES)
        if is_maps and _is_cut(backbone, index):
            is_branch = takers[id(output)] > 1 or len(keras.tree.flatten(operation.input)) > 1
            maps.append(Maps(index, output.shape[1:3], output.shape[3], is_branch))
    *before, last = maps
    return choose_ends(before, backbone.input.shape[1:3], last)


def with_blocks(backbone: keras.Model) -> keras.Model:
    """The backbone with the maps of each of its blocks as outputs, before the last maps."""
    maps = [backbone.operations[index].output for index in block_ends(backbone)]
    return keras.Model(backbone.input, [*maps, backbone.output], name=backbone.name)
