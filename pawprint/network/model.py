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

from pawprint.core.errors import silent_stderr
from pawprint.core.files import pack, replacing
from pawprint.network.backend import keras
from pawprint.network.head import gives_logits
from pawprint.serving.keras_file import (
    CONFIG,
    METADATA,
    POOLING,
    RESCALING,
    read_description,
    refusing,
    weights_of,
)
from pawprint.serving.metadata import Meaning


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
