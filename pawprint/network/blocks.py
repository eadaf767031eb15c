"""Find the parts of a Keras backbone: frozen layers, the cut, and the ends of blocks."""

import difflib
from collections import Counter

from pawprint.base.errors import InputError
from pawprint.network.hardware import keras
from pawprint.network.openvino_blocks import Maps, choose_ends
from pawprint.pipeline.params.model import AUTO, Model

# Layers without weights. Their maps are not useful as features.
NO_FEATURES = (keras.layers.ZeroPadding2D, keras.layers.Rescaling, keras.layers.Normalization)


def first_trained(params: Model, backbone: keras.Model) -> int | None:
    """Return the index of the first layer that fine-tuning trains, or None if none is trained.

    It is in [0, layers]. `AUTO` stands for `first_of_last_third`. Raises InputError if the backbone
    does not have the layer.
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
        f"model.fine_tune_at: expected {AUTO}, a {params.backbone} layer number from -{len(names)} "
        f"to {len(names)}, or a layer name, for example {hint}. Received: {layer}"
    )


def first_of_last_third(backbone: keras.Model) -> keras.layers.Layer:
    """Return the first layer of the block that begins after about two thirds of the layers."""
    operations = backbone.operations
    cuts = [index for index in range(len(operations) - 1) if _is_cut(backbone, index)]
    ends = [index for index in cuts if len(keras.tree.flatten(operations[index].input)) > 1]
    end = min(ends or cuts, key=lambda index: abs(index - 2 * len(operations) / 3))
    return next(layer for layer in operations[end + 1 :] if isinstance(layer, keras.layers.Layer))


def cut_index(backbone: keras.Model, first: int) -> int:
    """Return the last operation before layer `first` whose output is all that later ones need.

    The result is an index of `backbone.operations`, which contain layers and other operations such
    as additions. The operations up to the cut are frozen, so that they are computed only once. An
    operation with a skip connection around it cannot be the cut, which may therefore be some layers
    before `first - 1`. If `first` is 0, nothing is frozen and the cut is the input.
    """
    operations = backbone.operations
    layers = backbone.layers
    end = operations.index(layers[first]) if first < len(layers) else len(operations)
    return next(index for index in range(max(end - 1, 0), -1, -1) if _is_cut(backbone, index))


def _is_cut(backbone: keras.Model, index: int) -> bool:
    """Return whether no later operation uses an output from before this one."""
    before = {
        id(tensor)
        for operation in backbone.operations[:index]
        for tensor in keras.tree.flatten(operation.output)
    }
    needs = [operation.input for operation in backbone.operations[index + 1 :]]
    return not any(id(tensor) in before for tensor in keras.tree.flatten([needs, backbone.outputs]))


def split_before(backbone: keras.Model, first: int) -> tuple[keras.Model, int]:
    """Return the part of a backbone after the last cut before layer `first`.

    It takes the maps at the cut, returns the final outputs, and shares its weights with the
    backbone. Without a layer after the cut, it returns its input. The second result is the number
    of outputs at or before the cut, which come first in the backbone.
    """
    cut = cut_index(keras.Model(backbone.input, backbone.outputs[-1]), first)
    operations = backbone.operations
    at_cut = operations[cut].output
    before = {id(operation.output) for operation in operations[: cut + 1]}
    outputs = backbone.outputs
    frozen = sum(id(maps) in before for maps in outputs[:-1])
    after = [
        keras.layers.Identity()(at_cut) if maps is at_cut else maps for maps in outputs[frozen:]
    ]
    return keras.Model(at_cut, after, name="tail"), frozen


def block_ends(backbone: keras.Model) -> list[int]:
    """Return the indices in `backbone.operations` of the operations that end the blocks."""
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
    """Return the backbone with additional outputs: the maps of each block, before the last maps."""
    maps = [backbone.operations[index].output for index in block_ends(backbone)]
    return keras.Model(backbone.input, [*maps, backbone.output], name=backbone.name)
