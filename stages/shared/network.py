"""The network: frozen base, cut, head, and the whole model in its file.

The base always runs in inference mode: its batch normalization keeps the statistics of ImageNet,
also while its weights are fine-tuned. Statistics of small batches of new images would shift what
the head was trained on, and did cost a percent of accuracy. `base(x, training=False)` alone does
not ensure this: a functional model in `fit` overrides it for the layers inside
(https://github.com/keras-team/keras/issues/20285), hence InferenceMode.
"""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stages.shared.archive import FIXED_DATE
from stages.shared.backend import convert_variables_to_constants_v2, keras, silent_stderr, tf
from stages.shared.errors import InputError
from stages.shared.params import Model
from stages.shared.records import replacing

BASE = "base"
HEAD = "head"


def load_base(params: Model, weights: Path) -> keras.Model:
    """MobileNetV2 without its top: float32 `(batch, size, size, 3)` in [-1, 1] to feature maps.

    Raises InputError if the weights are of another network than `model` describes, or if
    `model.fine_tune_at` is beyond its last layer.
    """
    base = keras.applications.MobileNetV2(
        input_shape=(params.image_size, params.image_size, 3),
        alpha=params.alpha,
        include_top=False,
        weights=None,
        name=BASE,
    )
    if params.fine_tune_at > len(base.layers):
        raise InputError(
            f"params.yaml: model.fine_tune_at: expected a layer from 0 to {len(base.layers)}. "
            f"Received: {params.fine_tune_at}"
        )
    try:
        base.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{weights}: expected weights of MobileNetV2 without top, alpha {params.alpha} "
            f"(model.alpha). Received: {reason} Check weights.source."
        ) from None
    return base


def cut_index(base: keras.Model, fine_tune_at: int) -> int:
    """The last layer before `fine_tune_at` that every later layer is reached through.

    What comes before it is frozen and can be computed once. Layers with a skip connection around
    them cannot be the cut, so it may lie some layers before `fine_tune_at - 1`. With 0 nothing
    is frozen and the cut is the input.
    """
    position = {layer.name: index for index, layer in enumerate(base.layers)}
    last_use = list(range(len(base.layers)))
    for index, layer in enumerate(base.layers[1:], start=1):
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        for tensor in inputs:
            last_use[position[tensor._keras_history.operation.name]] = index
    candidates = range(max(fine_tune_at - 1, 0), -1, -1)
    return next(cut for cut in candidates if max(last_use[:cut], default=0) <= cut)


def split_at(base: keras.Model, cut: int) -> tuple[keras.Model, keras.Model]:
    """The part of the base up to layer `cut`, and the part after it. They share its weights."""
    tensor = base.layers[cut].output
    return keras.Model(base.input, tensor), keras.Model(tensor, base.output, name="tail")


class InferenceMode(keras.layers.Layer):
    """Runs a model as in inference, also inside `fit`. Its weights stay trainable."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.model = model

    def call(self, inputs):
        return self.model(inputs, training=False)

    def compute_output_shape(self, input_shape):
        return self.model.compute_output_shape(input_shape)


def freeze(model: keras.Model) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The model as a function of a batch in float32 or uint8, its weights made constants.

    TensorFlow then folds batch normalization into the convolutions: the same outputs to 1e-4, in
    two thirds of the time.
    """
    signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    function = tf.function(lambda batch: model(batch, training=False))
    with silent_stderr():
        constant = convert_variables_to_constants_v2(function.get_concrete_function(signature))

    def run(batch: np.ndarray) -> list[np.ndarray]:
        return [output.numpy() for output in constant(tf.constant(batch, tf.float32))]

    return run


def build_head(dropout: float) -> keras.Model:
    """float32 `(batch, channels)` to the probability of the second class, `(batch, 1)`."""
    return keras.Sequential(
        [
            keras.layers.Dropout(dropout, name="dropout"),
            keras.layers.Dense(1, activation="sigmoid", name="probability"),
        ],
        name=HEAD,
    )


def build_whole(base: keras.Model, head: keras.Model) -> keras.Model:
    """RGB pixels, `(batch, size, size, 3)` in [0, 255], to `(batch, 1)` in [0, 1]."""
    pixels = keras.Input(base.input_shape[1:], name="pixels")
    features = base(rescale(pixels), training=False)
    return keras.Model(pixels, head(pool(features)), name="pawprint")


def rescale(pixels):
    """[0, 255] to [-1, 1], what MobileNetV2 was trained on."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(pixels)


def pool(features):
    """`(batch, height, width, channels)` to `(batch, channels)`."""
    return keras.layers.GlobalAveragePooling2D(name="pooling")(features)


def save_model(model: keras.Model, path: Path, labels: list[str]) -> None:
    """Write a `.keras` file with the same bytes for the same model.

    Keras writes dates, and memory addresses as identifiers; here both are fixed. The file's
    metadata holds the names of the two classes, so that the file alone is enough to predict.
    """
    with replacing(path) as partial:
        dated = partial.with_suffix(".dated.keras")
        try:
            model.save(dated)
            with zipfile.ZipFile(dated) as source, zipfile.ZipFile(partial, "w") as target:
                for info in source.infolist():
                    data = source.read(info)
                    if info.filename == "metadata.json":
                        metadata = json.loads(data)
                        del metadata["date_saved"]
                        data = json.dumps(metadata | {"labels": labels}).encode()
                    elif info.filename == "config.json":
                        data = _number_shared_objects(data)
                    target.writestr(zipfile.ZipInfo(info.filename, FIXED_DATE), data)
        finally:
            dated.unlink(missing_ok=True)


def _number_shared_objects(config: bytes) -> bytes:
    """Replace the addresses by which Keras tells shared objects apart by 0, 1, 2, …"""
    numbers: dict[int, int] = {}

    def number(record: dict) -> dict:
        if "shared_object_id" in record:
            address = record["shared_object_id"]
            record["shared_object_id"] = numbers.setdefault(address, len(numbers))
        return record

    return json.dumps(json.loads(config, object_hook=number)).encode()


def load_model(path: Path) -> tuple[keras.Model, list[str]]:
    """A saved model and the names of its two classes. Raises InputError if it is none of ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            labels = json.loads(archive.read("metadata.json"))["labels"]
        return keras.models.load_model(path, compile=False), labels
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such model. Run `dvc repro` to train it or `dvc pull {path}` to fetch it."
        ) from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path}: expected a model of this project. Received: {reason}") from None
