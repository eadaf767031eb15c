"""The Keras model: blocks, backbone and head, saving and loading, and conversion to OpenVINO.

The backbone is a Keras application without its top (https://keras.io/api/applications/), or
EfficientNet-Lite. It always runs in inference mode, which means that batch normalization keeps the
statistics of the pre-training even while weights are fine-tuned. Statistics of small batches of new
images cost one percent of accuracy (docs/decisions/01).
"""

import difflib
import functools
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import openvino
from openvino.frontend.tensorflow import utils

from pawprint.base.errors import InputError, reason, silent_stderr
from pawprint.base.files import pack, replacing
from pawprint.base.labels import ONE_CLASS
from pawprint.base.runtime import take_uint8
from pawprint.network import efficientnet_lite as lite
from pawprint.network.hardware import keras, tf
from pawprint.network.heads import HeadWeights, Standardisation
from pawprint.network.openvino_blocks import SMALLEST_VARIANCE, Maps, choose_ends
from pawprint.pipeline.params.model import AUTO, PACKAGES, Head, Model

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


OPTIONS = {"padding": "same", "use_bias": False}
# Random weights that keep the scale of the feature maps.
SCALING = {"class_name": "VarianceScaling", "config": {"scale": 2, "mode": "fan_out"}}


def efficientnet_lite(
    name: str, input_shape: tuple[int, int, int], weights: str | None = None
) -> keras.Model:
    """Return a network without its top, from float32 `(batch, size, size, 3)` to feature maps.

    `weights` is a source for `read_weights`, the path of a file for Keras' `load_weights`, or None
    for random weights. Layers are named as in Keras' EfficientNet. Raises InputError like
    `read_weights`.
    """
    pixels = maps = keras.Input(input_shape)
    for block in lite.blocks(name):
        before = maps
        for convolution in block.convolutions:
            maps = _convolve(maps, convolution)
        if block.is_added:
            maps = keras.layers.Add(name=f"{block.name}_add")([maps, before])
    network = keras.Model(pixels, maps, name=name)
    if weights and Path(weights).suffix in lite.KERAS_FILES:
        network.load_weights(weights)
    elif weights:
        network.set_weights(lite.as_in_keras(lite.read_weights(name, weights)))
    return network


def _convolve(maps: keras.KerasTensor, convolution: lite.Convolution) -> keras.KerasTensor:
    name, kernel, stride, channels, is_depthwise, is_activated = convolution
    if is_depthwise:
        options = OPTIONS | {"depthwise_initializer": SCALING, "name": f"{name}_dwconv"}
        layer = keras.layers.DepthwiseConv2D(kernel, stride, **options)
    else:
        options = OPTIONS | {"kernel_initializer": SCALING, "name": f"{name}_conv"}
        layer = keras.layers.Conv2D(channels, kernel, stride, **options)
    maps = keras.layers.BatchNormalization(epsilon=lite.EPSILON, name=f"{name}_bn")(layer(maps))
    return keras.layers.ReLU(6, name=f"{name}_activation")(maps) if is_activated else maps


# The layers of the whole model.
PARTS = PREPROCESSING, BACKBONE, POOLING, HEAD = "rescaling", "backbone", "pooling", "head"
SHARED = re.compile(rb'(?<="shared_object_id": )\d+')  # the identifier of a shared object
Tensors: TypeAlias = list[keras.KerasTensor] | keras.KerasTensor
# OpenVINO's own function deletes a name that `exec` bound, which fails in Python 3.13 (PEP 667).
# A graph in a file needs none of it, but is named in the network, so that all features change.
utils.get_environment_setup = lambda _: {"tensorflow": tf.__version__}


class Application(NamedTuple):
    """A network without its top, with its preprocessing, as in `keras.applications`.

    `build` takes `input_shape`, `weights` and, for networks with several widths, `alpha`.
    """

    build: Callable[..., keras.Model]
    preprocess_input: Callable[[np.ndarray], np.ndarray]


def find_application(name: str) -> Application:
    """Return the application with this name, from Keras or `efficientnet_lite`."""
    if name in PACKAGES:
        build = functools.partial(efficientnet_lite, name)
        return Application(build, lite.preprocess_input)
    build = getattr(keras.applications, name)
    preprocess_input = sys.modules[build.__module__].preprocess_input
    return Application(functools.partial(build, include_top=False), preprocess_input)


def preprocessing(name: str) -> keras.layers.Layer:
    """Return the application's preprocessing of RGB pixels, `(batch, size, size, 3)` in [0, 255].

    The `preprocess_input` function of an application scales and shifts pixels, sometimes after a
    change from RGB to BGR. It does nothing for networks that rescale their input themselves. Here
    it becomes a layer, so that it is saved and exported with the model.
    """
    preprocess_input = find_application(name).preprocess_input
    black, white, red = preprocess_input(np.array([[0.0] * 3, [255.0] * 3, [255.0, 0.0, 0.0]]))
    scale = (white - black) / 255
    offset = black
    if (scale == 1).all() and (offset == 0).all():
        return keras.layers.Identity(name=PREPROCESSING)
    options = [term[0].item() if np.ptp(term) == 0 else term.tolist() for term in (scale, offset)]
    rescaling = keras.layers.Rescaling(*options, name=PREPROCESSING)
    if red[0] != black[0]:
        return rescaling
    rgb = keras.Input((None, None, 3))
    bgr = keras.ops.take(rgb, [2, 1, 0], axis=-1)
    return keras.Model(rgb, rescaling(bgr), name=PREPROCESSING)


def build_head(
    params: Head, classes: int, standardisation: Standardisation | None = None
) -> keras.Model:
    """Return the head of `head_of` for exclusive classes.

    Two classes have a single unit, which stands for the second class.
    """
    return head_of(params, 1 if classes == 2 else classes, standardisation)


def head_of(params: Head, units: int, standardisation: Standardisation | None) -> keras.Model:
    """Return a head that maps float32 features, `(batch, features)`, to probabilities or logits.

    The output is `(batch, units)`. Standardisation is a layer that is not trained.
    """
    layers = []
    if standardisation:
        scale, offset = (array.tolist() for array in standardisation)
        layers.append(keras.layers.Rescaling(scale, offset, name="standardisation"))
    if params.dense:
        penalty = keras.regularizers.L2(params.dense.l2) if params.dense.l2 else None
        options = {"activation": "relu", "kernel_regularizer": penalty, "name": "dense"}
        layers.append(keras.layers.Dense(params.dense.units, **options))
        if params.dense.batch_normalization:
            layers.append(keras.layers.BatchNormalization(name="batch_normalization"))
    if params.dropout:
        layers.append(keras.layers.Dropout(params.dropout, name="dropout"))
    activation = "linear" if params.output == "logits" else ONE_CLASS.activation(units)
    layers.append(keras.layers.Dense(units, activation=activation, name=params.output))
    return keras.Sequential(layers, name=HEAD)


def head_with(weights: HeadWeights, params: Head) -> keras.Model:
    """Return a head with these weights."""
    head = head_of(params, len(weights.arrays[-1]), weights.standardisation)
    head.build((None, weights.features))
    head.set_weights(weights.arrays)
    return head


def gives_logits(head: keras.Model) -> bool:
    """Return whether a head returns logits rather than probabilities."""
    return head.layers[-1].activation is keras.activations.linear


def build_model(name: str, backbone: keras.Model, head: keras.Model, pooling: str) -> keras.Model:
    """Return the whole model, from RGB pixels in [0, 255] to probabilities, `(batch, units)`.

    Pixels are `(batch, size, size, 3)`. `name` is the application used as the backbone.
    """
    pixels = keras.Input(backbone.input_shape[1:], name="pixels")
    maps = backbone(preprocessing(name)(pixels), training=False)
    output = head(pool(maps, pooling_layer(pooling)))
    if gives_logits(head):
        activation = ONE_CLASS.activation(output.shape[-1])
        output = keras.layers.Activation(activation, name="probability")(output)
    return keras.Model(pixels, output, name="pawprint")


def pooling_layer(pooling: str) -> keras.layers.Layer:
    """Return a layer that averages or flattens maps `(batch, height, width, channels)`."""
    layers = {"average": keras.layers.GlobalAveragePooling2D, "flatten": keras.layers.Flatten}
    return layers[pooling](name=POOLING)


def pool(outputs: Tensors, layer: keras.layers.Layer) -> keras.KerasTensor:
    """Return the features that a head takes from the outputs of a backbone, `(batch, features)`.

    They consist of the block statistics, if the backbone returns any, and the pooled last maps.
    """
    *blocks, last = keras.tree.flatten(outputs)
    pooled = layer(last)
    return keras.ops.concatenate([block_statistics(blocks), pooled], axis=-1) if blocks else pooled


def block_statistics(blocks: list[keras.KerasTensor]) -> keras.KerasTensor:
    """Return the mean and deviation of each channel of maps, `(batch, STATISTICS * channels)`.

    Maps are `(batch, height, width, channels)`. See Evci et al., Head2Toe: Utilizing Intermediate
    Representations for Better Transfer Learning, 2022 (https://arxiv.org/abs/2201.03529).
    """
    columns = []
    for maps in blocks:
        maps = keras.ops.cast(maps, "float32")
        mean = keras.ops.mean(maps, axis=(1, 2))
        variance = keras.ops.mean(maps * maps, axis=(1, 2)) - mean * mean
        # The minimum avoids an infinite gradient of the square root at 0.
        columns += [mean, keras.ops.sqrt(keras.ops.maximum(variance, SMALLEST_VARIANCE))]
    return keras.ops.concatenate(columns, axis=-1)


def parts(model: keras.Model) -> tuple[keras.layers.Layer, ...]:
    """Return the preprocessing, backbone, pooling and head of a model from `build_model`."""
    return tuple(map(model.get_layer, PARTS))


def with_features(model: keras.Model) -> keras.Model:
    """Return a model with the same weights and two outputs: logits and features.

    The logits are `(batch, units)`. The features, `(batch, channels)`, are always the means of the
    backbone's last maps.
    """
    rescaling, backbone, pooling, head = parts(model)
    pixels = keras.Input(model.input_shape[1:], name="pixels")
    maps = backbone(rescaling(pixels), training=False)
    last = keras.tree.flatten(maps)[-1]
    features = keras.layers.GlobalAveragePooling2D(name="features")(last)
    return keras.Model(pixels, [logits_of(head, pool(maps, pooling)), features], name="pawprint")


def logits_of(head: keras.Model, features: keras.KerasTensor) -> keras.KerasTensor:
    """Return the output of a head before its activation, for features `(batch, features)`."""
    for layer in head.layers[:-1]:
        features = layer(features, training=False)
    last = head.layers[-1]
    logits = keras.layers.Dense(last.units, name="logits")
    output = logits(features)
    logits.set_weights(last.get_weights())
    return output


def save_model(model: keras.Model, path: Path, optimizer: keras.Optimizer | None = None) -> None:
    """Write a `.keras` file that has the same bytes for the same model.

    Keras writes dates and uses memory addresses as identifiers. Both are replaced here. The file
    includes the optimizer and its state if one is given, so that a program can load the file with
    Keras and continue training.
    """
    if optimizer:
        kind = "binary" if model.output_shape[-1] == 1 else "sparse_categorical"
        model.compile(optimizer, loss=f"{kind}_crossentropy", metrics=["accuracy"])
    with replacing(path) as partial:
        model.save(partial)
        with zipfile.ZipFile(partial) as source:
            members = {name: source.read(name) for name in source.namelist()}
        metadata = json.loads(members["metadata.json"])
        del metadata["date_saved"]
        members["metadata.json"] = json.dumps(metadata).encode()
        members["config.json"] = _number_shared_objects(members["config.json"])
        pack(partial, members.items())


def _number_shared_objects(config: bytes) -> bytes:
    """Replace the memory addresses that identify Keras' shared objects by 0, 1, 2, …."""
    numbers: dict[bytes, int] = {}
    return SHARED.sub(lambda match: b"%d" % numbers.setdefault(match[0], len(numbers)), config)


def load_model(path: Path) -> keras.Model:
    """Load a model written by `save_model`. Raises InputError if it is missing or damaged."""
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras may raise any exception for a damaged file
        if not path.exists():
            raise InputError(
                f"{path}: no such model. Run `dvc repro` to train it or `dvc pull {path}` to "
                "fetch it."
            ) from None
        raise InputError(
            f"{path}: expected a model of this project. Received: {reason(error)}"
        ) from None


def convert(model: keras.Model) -> openvino.Model:
    """Convert a Keras model of RGB pixels to an OpenVINO network in inference mode.

    The network takes uint8 `(batch, size, size, 3)`, and returns the outputs of the model, as
    float32 and in the same order. They differ from the Keras outputs by less than 1e-4 of their
    range.
    """
    return take_uint8(to_openvino(model))


def to_openvino(model: keras.Model) -> openvino.Model:
    """Convert a Keras model with one float32 input to OpenVINO, in inference mode."""
    from openvino.tools.ovc import convert_model  # hidden while a stage imports its modules

    # Keras' own export also tracks the variables for a SavedModel, which takes twice as long: for
    # each attribute of a variable, OpenVINO searches all other variables. Plain values avoid this.
    spec = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    variables = (model.trainable_variables, model.non_trainable_variables)
    values = [[tf.convert_to_tensor(variable.value) for variable in kind] for kind in variables]
    function = tf.function(lambda batch: model.stateless_call(*values, batch, training=False)[0])
    with silent_stderr():
        network = convert_model(function.get_concrete_function(spec))
    # TensorFlow's SiLU adds its own outputs after the model's.
    for result in network.get_results()[len(model.outputs) :]:
        network.remove_result(result)
    return network
