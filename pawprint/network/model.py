"""The head, the whole network from pixels to probabilities, and its file.

The backbone always runs in inference mode: its batch normalization keeps the statistics of the
pre-training, also while weights are fine-tuned. Statistics of small batches of new images cost a
percent of accuracy (docs/decisions/01).
"""

import json
import zipfile
from pathlib import Path

import numpy as np

from pawprint.errors import InputError, reason
from pawprint.files import pack, replacing
from pawprint.network.backbone import BACKBONE, PREPROCESSING, preprocessing
from pawprint.network.hardware import keras
from pawprint.params.training import Head

POOLING, HEAD = "pooling", "head"  # their names as layers of the whole model
PARTS = (PREPROCESSING, BACKBONE, POOLING, HEAD)


def build_head(params: Head, classes: int) -> keras.Model:
    """float32 `(batch, features)` to probabilities or logits, as `head.output` says.

    They are `(batch, 1)` for two classes, of the second, and `(batch, classes)` for more.
    """
    layers = []
    if params.dense:
        penalty = keras.regularizers.L2(params.dense.l2) if params.dense.l2 else None
        options = {"activation": "relu", "kernel_regularizer": penalty, "name": "dense"}
        layers.append(keras.layers.Dense(params.dense.units, **options))
        if params.dense.batch_normalization:
            layers.append(keras.layers.BatchNormalization(name="batch_normalization"))
    if params.dropout:
        layers.append(keras.layers.Dropout(params.dropout, name="dropout"))
    units = 1 if classes == 2 else classes
    activation = "linear" if params.output == "logits" else activation_for(units)
    layers.append(keras.layers.Dense(units, activation=activation, name=params.output))
    return keras.Sequential(layers, name=HEAD)


def head_with(
    arrays: list[np.ndarray], features: tuple[int, ...], params: Head, classes: int
) -> keras.Model:
    """A head with these weights, for features of this shape."""
    head = build_head(params, classes)
    head.build((None, *features))
    head.set_weights(arrays)
    return head


def activation_for(units: int) -> str:
    """The activation that makes probabilities of the logits of so many units."""
    return "sigmoid" if units == 1 else "softmax"


def loss_for(units: int) -> str:
    """Keras' name of the loss of so many units, for targets that are indices of classes."""
    return "binary_crossentropy" if units == 1 else "sparse_categorical_crossentropy"


def gives_logits(head: keras.Model) -> bool:
    return head.layers[-1].activation is keras.activations.linear


def build_model(name: str, backbone: keras.Model, head: keras.Model, pooling: str) -> keras.Model:
    """RGB pixels, `(batch, size, size, 3)` in [0, 255], to probabilities, `(batch, units)`.

    `name` is that of the backbone's application.
    """
    pixels = keras.Input(backbone.input_shape[1:], name="pixels")
    output = head(pool(backbone(preprocessing(name)(pixels), training=False), pooling))
    if gives_logits(head):
        activation = activation_for(output.shape[-1])
        output = keras.layers.Activation(activation, name="probability")(output)
    return keras.Model(pixels, output, name="pawprint")


def pool(features, pooling: str):
    """`(batch, height, width, channels)` to `(batch, channels)` or, flattened, all of them."""
    layer = {
        "average": keras.layers.GlobalAveragePooling2D,
        "flatten": keras.layers.Flatten,
    }[pooling]
    return layer(name=POOLING)(features)


def parts(model: keras.Model) -> tuple[keras.layers.Layer, ...]:
    """Preprocessing, backbone, pooling and head of a model that `build_model` built."""
    return tuple(map(model.get_layer, PARTS))


def with_features(model: keras.Model) -> keras.Model:
    """A model with the same weights and two outputs: logits and features.

    The logits are `(batch, units)`. The features, `(batch, channels)`, are the means of the
    backbone's last maps, however the head pools them.
    """
    rescaling, backbone, pooling, head = parts(model)
    pixels = keras.Input(model.input_shape[1:], name="pixels")
    maps = backbone(rescaling(pixels), training=False)
    features = keras.layers.GlobalAveragePooling2D(name="features")(maps)
    is_average = isinstance(pooling, keras.layers.GlobalAveragePooling2D)
    logits = logits_of(head, features if is_average else pooling(maps))
    return keras.Model(pixels, [logits, features], name="pawprint")


def logits_of(head: keras.Model, features: keras.KerasTensor) -> keras.KerasTensor:
    """What a head gives for features `(batch, features)`, before its activation."""
    for layer in head.layers[:-1]:
        features = layer(features, training=False)
    last = head.layers[-1]
    logits = keras.layers.Dense(last.units, name="logits")
    output = logits(features)
    logits.set_weights(last.get_weights())
    return output


def save_model(model: keras.Model, path: Path, optimizer: keras.Optimizer | None = None) -> None:
    """Write a `.keras` file with the same bytes for the same model.

    Keras writes dates, and memory addresses as identifiers; both are replaced here. With the
    optimizer and its state, a program that loads the file with Keras can continue the training.
    """
    if optimizer:
        model.compile(optimizer, loss=loss_for(model.output_shape[-1]), metrics=["accuracy"])
    with replacing(path) as partial:
        dated = partial.with_suffix(".dated.keras")
        try:
            model.save(dated)
            with zipfile.ZipFile(dated) as source:
                members = {name: source.read(name) for name in source.namelist()}
        finally:
            dated.unlink(missing_ok=True)
        metadata = json.loads(members["metadata.json"])
        del metadata["date_saved"]
        members["metadata.json"] = json.dumps(metadata).encode()
        members["config.json"] = _number_shared_objects(members["config.json"])
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


def load_model(path: Path, layers: tuple[str, ...] = PARTS) -> keras.Model:
    """A model that `save_model` wrote. Raises InputError if it is missing or damaged.

    `layers` are the names of those that it must have.
    """
    try:
        model = keras.models.load_model(path, compile=False)
        if layers and model.name == HEAD:
            raise ValueError("a head alone: its backbone is an ONNX file, which Keras cannot hold")
        for name in layers:
            model.get_layer(name)
    except Exception as error:  # Keras raises anything for a damaged file
        if not path.exists():
            raise InputError(
                f"{path}: no such model. Run `dvc repro` to train it or `dvc pull {path}` to "
                "fetch it."
            ) from None
        raise InputError(
            f"{path}: expected a model of this project. Received: {reason(error)}"
        ) from None
    return model
