"""The network: frozen base, cut, head, and the whole model in its file.

The base always runs in inference mode: its batch normalization keeps the statistics of ImageNet,
also while its weights are fine-tuned. Statistics of small batches of new images would shift what
the head was trained on, and did cost a percent of accuracy. `base(x, training=False)` alone does
not ensure this: a functional model in `fit` overrides it for the layers inside
(https://github.com/keras-team/keras/issues/20285), hence FoldedTail.
"""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np

from stages.shared.archive import pack
from stages.shared.backend import keras, tf
from stages.shared.errors import InputError, silent_stderr
from stages.shared.keras_file import (
    BASE,
    CONFIG,
    HEAD,
    METADATA,
    POOLING,
    RESCALING,
    read_description,
    refusing,
    weights_of,
)
from stages.shared.meaning import Meaning
from stages.shared.params import Head
from stages.shared.records import replacing


def new_base(alpha: float, image_size: int) -> keras.Model:
    """MobileNetV2 without its top: float32 `(batch, size, size, 3)` in [-1, 1] to feature maps.

    Its weights are random.
    """
    return keras.applications.MobileNetV2(
        (image_size, image_size, 3), alpha, include_top=False, weights=None, name=BASE
    )


def save_weights(base: keras.Model, path: Path, dtype: str = "float32") -> None:
    """Write the layout of Keras' own published weights."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name for layer in base.layers]
        for layer in base.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}" for weight in layer.weights]
            group.attrs["weight_names"] = np.array(names, dtype="S")
            for name, weight in zip(names, layer.weights):
                group[name] = weight.numpy().astype(dtype)


def load_base(alpha: float, image_size: int, weights: Path) -> keras.Model:
    """The base with the weights in a file. Raises InputError if they are of another network."""
    base = new_base(alpha, image_size)
    try:
        base.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{weights}: expected weights of MobileNetV2 without top, alpha {alpha} "
            f"(model.alpha). Received: {reason} Check weights.source."
        ) from None
    return base


def first_trained(base: keras.Model, fine_tune_at: int | None, fine_tune_last: int | None) -> int:
    """The first layer that fine-tuning trains, in [0, layers]. Raises InputError if out of it."""
    layers = len(base.layers)
    for key, number in (("fine_tune_at", fine_tune_at), ("fine_tune_last", fine_tune_last)):
        if number is not None and number > layers:
            raise InputError(
                f"params.yaml: model.{key}: expected a number from 0 to {layers}, the layers of "
                f"the base. Received: {number}"
            )
    return fine_tune_at if fine_tune_last is None else layers - fine_tune_last


def cut_index(base: keras.Model, fine_tune_at: int) -> int:
    """The last layer before `fine_tune_at` that every later layer is reached through.

    What comes before it is frozen and can be computed once. Layers with a skip connection around
    them cannot be the cut, so it may lie some layers before `fine_tune_at - 1`. With 0 nothing
    is frozen and the cut is the input.
    """
    position = {layer.name: index for index, layer in enumerate(base.layers)}
    last_use = list(range(len(base.layers)))
    for index, layer in enumerate(base.layers[1:], start=1):
        for name in _inputs_of(layer):
            last_use[position[name]] = index
    candidates = range(max(fine_tune_at - 1, 0), -1, -1)
    return next(cut for cut in candidates if max(last_use[:cut], default=0) <= cut)


def split_at(base: keras.Model, cut: int) -> tuple[keras.Model, keras.Model]:
    """The part of the base up to layer `cut`, and the part after it. They share its weights.

    One of them may hold no layer of the base: it then gives what it gets.
    """
    tensor = base.layers[cut].output
    identity = keras.layers.Identity()
    before = keras.Model(base.input, tensor if cut > 0 else identity(tensor))
    after = base.output if cut < len(base.layers) - 1 else identity(tensor)
    return before, keras.Model(tensor, after, name="tail")


class FoldedTail(keras.layers.Layer):
    """Runs the tail of a base in inference mode, also inside `fit`; its weights stay trainable.

    Batch normalization with fixed statistics is an affine map: here it is folded into the
    convolution before it, from the same variables, so that gradients reach them. A step of
    training takes four fifths of the time of the tail's own layers (docs/decisions/07).
    """

    def __init__(self, tail: keras.Model) -> None:
        super().__init__()
        self.tail = tail

    def call(self, inputs):
        values = {self.tail.layers[0].name: inputs}
        for layer in self.tail.layers[1:]:
            if layer.name not in values:
                # A layer outside the tail is the one it was cut at, and gives its input.
                arguments = [values.get(name, inputs) for name in _inputs_of(layer)]
                following = [node.operation for node in layer._outbound_nodes]
                if _can_fold(layer, following):
                    values[following[0].name] = _folded(layer, following[0], *arguments)
                else:
                    argument = arguments[0] if len(arguments) == 1 else arguments
                    values[layer.name] = layer(argument, training=False)
        return values[self.tail.layers[-1].name]

    def compute_output_shape(self, input_shape):
        return self.tail.compute_output_shape(input_shape)


def _can_fold(layer: keras.layers.Layer, following: list[keras.layers.Layer]) -> bool:
    return (
        isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
        and isinstance(following[0], keras.layers.BatchNormalization)
        and not layer.use_bias
    )


def _folded(convolution, normalization, inputs):
    """A convolution and the batch normalization after it as one convolution with a bias."""
    deviation = tf.sqrt(normalization.moving_variance + normalization.epsilon)
    scale = normalization.gamma / deviation
    shift = normalization.beta - normalization.moving_mean * scale
    padding = convolution.padding.upper()
    if isinstance(convolution, keras.layers.DepthwiseConv2D):
        kernel = tf.cast(convolution.kernel * scale[:, None], inputs.dtype)
        strides = (1, *convolution.strides, 1)
        output = tf.nn.depthwise_conv2d(inputs, kernel, strides, padding)
    else:
        kernel = tf.cast(convolution.kernel * scale, inputs.dtype)
        output = tf.nn.conv2d(inputs, kernel, convolution.strides, padding)
    return tf.nn.bias_add(output, tf.cast(shift, output.dtype))


def _inputs_of(layer: keras.layers.Layer) -> list[str]:
    """The names of the layers whose outputs a layer takes."""
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor._keras_history.operation.name for tensor in inputs]


def build_head(params: Head) -> keras.Model:
    """float32 `(batch, features)` to the second class, `(batch, 1)`: its probability or logit."""
    layers = []
    if params.dense:
        penalty = keras.regularizers.L2(params.dense.l2) if params.dense.l2 else None
        layers.append(
            keras.layers.Dense(
                params.dense.units, activation="relu", kernel_regularizer=penalty, name="dense"
            )
        )
        if params.dense.batch_normalization:
            layers.append(keras.layers.BatchNormalization(name="batch_normalization"))
    if params.dropout:
        layers.append(keras.layers.Dropout(params.dropout, name="dropout"))
    activation = "sigmoid" if params.output == "sigmoid" else "linear"
    layers.append(keras.layers.Dense(1, activation=activation, name=params.output))
    return keras.Sequential(layers, name=HEAD)


def gives_logits(head: keras.Model) -> bool:
    return head.layers[-1].activation is keras.activations.linear


def build_whole(base: keras.Model, head: keras.Model, pooling: str) -> keras.Model:
    """RGB pixels, `(batch, size, size, 3)` in [0, 255], to probabilities, `(batch, 1)`."""
    pixels = keras.Input(base.input_shape[1:], name="pixels")
    output = head(pool(base(rescale(pixels), training=False), pooling))
    if gives_logits(head):
        output = keras.layers.Activation("sigmoid", name="probability")(output)
    return keras.Model(pixels, output, name="pawprint")


def rescale(pixels):
    """[0, 255] to [-1, 1], what MobileNetV2 was trained on."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1, name=RESCALING)(pixels)


def pool(features, pooling: str):
    """`(batch, height, width, channels)` to `(batch, channels)` or, flattened, all of them."""
    layer = {
        "average": keras.layers.GlobalAveragePooling2D,
        "flatten": keras.layers.Flatten,
    }[pooling]
    return layer(name=POOLING)(features)


def save_model(
    model: keras.Model, meaning: Meaning, path: Path, optimizer: keras.Optimizer | None = None
) -> None:
    """Write a `.keras` file with the same bytes for the same model: enough to predict with.

    Keras writes dates, and memory addresses as identifiers; here both are fixed. With the optimizer
    and its state, who loads the file with Keras can go on training.
    """
    if optimizer:
        model.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    with replacing(path) as partial:
        dated = partial.with_suffix(".dated.keras")
        try:
            model.save(dated)
            with zipfile.ZipFile(dated) as source:
                members = {name: source.read(name) for name in source.namelist()}
        finally:
            dated.unlink(missing_ok=True)
        metadata = json.loads(members[METADATA])
        del metadata["date_saved"]
        members[METADATA] = json.dumps(metadata | meaning.model_dump()).encode()
        members[CONFIG] = _number_shared_objects(members[CONFIG])
        pack(partial, members.items())


def _number_shared_objects(config: bytes) -> bytes:
    """Replace the addresses by which Keras tells shared objects apart by 0, 1, 2, …"""
    numbers: dict[int, int] = {}

    def number(record: dict) -> dict:
        if "shared_object_id" in record:
            address = record["shared_object_id"]
            record["shared_object_id"] = numbers.setdefault(address, len(numbers))
        return record

    return json.dumps(json.loads(config, object_hook=number)).encode()


def save_h5(model: keras.Model, path: Path) -> None:
    """Write Keras' older format, HDF5, as `keras.models.load_model` reads it."""
    with silent_stderr():  # Keras recommends its newer format
        model.save(path)


def load_model(path: Path) -> tuple[keras.Model, Meaning]:
    """A model that save_model wrote, for Keras. Raises InputError if it is none of ours.

    It may come from anyone: only what a model of this project is made of is loaded, so no code
    that came with the file runs.
    """
    with refusing(path):
        _, meaning = read_description(path)
        with weights_of(path):
            model = keras.models.load_model(path, compile=False, safe_mode=True)
        if model.output_shape != (None, 1):
            raise ValueError(f"output {model.output_shape}, not (None, 1)")
        return model, meaning
