"""The parts of a backbone of Keras: frozen layers, the cut, and the ends of the blocks."""

import difflib
from collections import Counter

from pawprint.errors import InputError
from pawprint.network.hardware import keras
from pawprint.network.openvino_blocks import Maps, choose_ends
from pawprint.params.model import AUTO, Model

# Layers without weights, whose maps are not features.
NO_FEATURES = (keras.layers.ZeroPadding2D, keras.layers.Rescaling, keras.layers.Normalization)


def first_trained(params: Model, backbone: keras.Model) -> int | None:
    """Return the index of the first layer that fine-tuning trains, in [0, layers]; None for null.

    With `AUTO` it is `first_of_last_third`. Raises InputError for a layer that the backbone does
    not have.
    """
    layer = params.fine_tune_at
    names = [each.name for each in backbone.layers]
    if layer is None:
        return None
    if layer == AUTO:
        layer = first_of_last_third(backbone).name
    if layer in names:
        return names.index(layer)
    if isinstance(layer, int) and abs(layer) <= len(names):
        return layer if layer >= 0 else len(names) + layer
    near = difflib.get_close_matches(str(layer), names, n=1, cutoff=0.8)
    hint = near[0] if near else first_of_last_third(backbone).name
    raise InputError(
        f"model.fine_tune_at: expected {AUTO}, a number from -{len(names)} to {len(names)}, the "
        f"layers of {params.backbone}, or the name of one, for example {hint}. Received: {layer}"
    )


def first_of_last_third(backbone: keras.Model) -> keras.layers.Layer:
    """Return the first layer of a block that begins after about two thirds of the layers."""
    operations = backbone.operations
    cuts = [index for index in range(len(operations) - 1) if _is_cut(backbone, index)]
    ends = [index for index in cuts if len(keras.tree.flatten(operations[index].input)) > 1]
    end = min(ends or cuts, key=lambda index: abs(index - 2 * len(operations) / 3))
    return next(layer for layer in operations[end + 1 :] if isinstance(layer, keras.layers.Layer))


def cut_index(backbone: keras.Model, first: int) -> int:
    """Return the last operation before layer `first` whose output is all that later ones need.

    It is an index of `backbone.operations`, in which layers are among others such as additions. The
    operations up to it are frozen and are computed once. One with a skip connection around it
    cannot be the cut, so the cut may lie some layers before `first - 1`. With 0 nothing is frozen
    and the cut is the input.
    """
    operations = backbone.operations
    layers = backbone.layers
    end = operations.index(layers[first]) if first < len(layers) else len(operations)
    return next(index for index in range(max(end - 1, 0), -1, -1) if _is_cut(backbone, index))


def _is_cut(backbone: keras.Model, index: int) -> bool:
    """Return whether no operation after this one takes the output of one before it."""
    before = {
        id(tensor)
        for operation in backbone.operations[:index]
        for tensor in keras.tree.flatten(operation.output)
    }
    needs = [operation.input for operation in backbone.operations[index + 1 :]]
    return not any(id(tensor) in before for tensor in keras.tree.flatten([needs, backbone.outputs]))


def split_at(backbone: keras.Model, cut: int) -> tuple[keras.Model, int]:
    """Return the part after operation `cut`, from its maps to the outputs of the backbone.

    It shares the backbone's weights. Without a layer after the cut, it gives its input. Also
    returns how many outputs of the backbone, the first ones, are not after the cut.
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


def split_before(backbone: keras.Model, first: int) -> tuple[keras.Model, int]:
    """Split at the last cut before layer `first`, as `split_at` does."""
    return split_at(backbone, cut_index(keras.Model(backbone.input, backbone.outputs[-1]), first))


def block_ends(backbone: keras.Model) -> list[int]:
    """Return the operations that end the blocks: indices of `backbone.operations`."""
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
    return choose_ends(before, backbone.input_shape[1:3], last)


def with_blocks(backbone: keras.Model) -> keras.Model:
    """Return the backbone with the maps of each of its blocks as outputs, before the last maps."""
    maps = [backbone.operations[index].output for index in block_ends(backbone)]
    return keras.Model(backbone.input, [*maps, backbone.output], name=backbone.name)
