"""Small networks and params that several tests use."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import SAMPLE_WEIGHTS

from pawprint.base.columns import SERIES
from pawprint.base.files import digest
from pawprint.model.metadata import Metadata
from pawprint.model.predictor import Predictor
from pawprint.model.served_model import write_served_model
from pawprint.model.unknown_score import Detector
from pawprint.network.hardware import keras
from pawprint.network.heads import HeadWeights
from pawprint.network.keras_backbone import application
from pawprint.network.keras_model import activation_for, build_head, build_model, convert
from pawprint.network.store import INDEX, shard_of, shard_path, write_shard
from pawprint.pipeline.params.model import Dense, Epochs, Head, Model

SHARDS = 4
SIZE = 96  # size of the images that the sample backbone was trained on
PLAIN = Head(dense=None, dropout=0.2, output="probabilities")
LOGITS = Head(dense=None, dropout=0.0, output="logits")
DENSE = PLAIN.model_copy(
    update={"dense": Dense(units=8, l2=0.01, batch_normalization=True), "dropout": 0.5}
)


def pixels(images: int, size: int = SIZE) -> np.ndarray:
    """Return uint8 noise, `(images, size, size, 3)`, which is always the same."""
    return np.random.default_rng(0).integers(0, 256, (images, size, size, 3), np.uint8)


def sample_backbone() -> keras.Model:
    return application("MobileNetV2", 0.35, SIZE, SAMPLE_WEIGHTS)


ONNX = """
weights: {source: %s, sha256: %s}
model: {backbone: onnx, alpha: null, image_size: 96, features: auto, fine_tune_at: null,
  onnx: {output: pooled, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
"""


def write_onnx_backbone(path: Path) -> str:
    """Write the sample backbone to an ONNX file, and return params that name it.

    Keras scales the pixels for MobileNetV2 to [-1, 1], and names the output after its layer.
    """
    pixels = keras.Input((3, SIZE, SIZE))
    maps = sample_backbone()(keras.layers.Permute((2, 3, 1))(pixels), training=False)
    model = keras.Model(pixels, {"pooled": keras.layers.GlobalAveragePooling2D()(maps)})
    model(np.zeros((1, 3, SIZE, SIZE)))
    model.export(path, format="onnx", verbose=False)
    return ONNX % (path.as_posix(), digest(path))


def model_with(head: Head = PLAIN, pooling: str = "average", classes: int = 2) -> keras.Model:
    """Return the sample backbone with a random head."""
    keras.utils.set_random_seed(1)
    return build_model("MobileNetV2", sample_backbone(), build_head(head, classes), pooling)


def weights_of(head, features: int, classes: int, standardisation=None, *, has_blocks=False):
    """Return random weights, including the statistics of batch normalization."""
    built = build_head(head, classes, standardisation)
    built.build((None, features))
    rng = np.random.default_rng(3)
    arrays = [rng.uniform(0.1, 1, array.shape).astype("f") for array in built.get_weights()]
    arrays[0] /= np.float32(features)
    return HeadWeights(arrays, standardisation, has_blocks, 1)


def model_params(**changes) -> Model:
    values = {"backbone": "MobileNetV2", "alpha": 0.35, "image_size": SIZE, "resize": "crop"}
    others = {"pooling": "average", "features": "auto", "fine_tune_at": 100, "onnx": None}
    return Model(**values | others | changes)


def epochs_of(number: int = 1, **changes) -> Epochs:
    values = {"learning_rate": 0.1, "batch_size": 4, "keep_best": False}
    return Epochs(number=number, **values | changes)


def metadata(**changes) -> Metadata:
    values = {"labels": ["cat", "dog"], "image_size": SIZE, "resize": "crop"}
    return Metadata(**values | {"temperature": 1.0} | changes)


COLOURS = ["blue", "green", "red"]  # labels of a model with three classes


def colour_model(size: int, classes: int = 2, bias: float = 0) -> keras.Model:
    """Return a model of logits and features, which are the mean red, green and blue of an image.

    The logit of the second class is 1/10 of how much redder than blue the image is. With three
    classes, each of COLOURS has a logit of 1/10 of its mean. `bias` is added to every logit. The
    model is small but has the operations of a convolutional network.
    """
    inputs = keras.Input((size, size, 3), name="pixels")
    maps = keras.layers.Conv2D(3, 1, use_bias=False, name="mixing")(inputs)
    maps = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="local")(maps)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    kernel = np.array([[0.1], [0], [-0.1]]) if classes == 2 else 0.1 * np.eye(3)[:, ::-1]
    logits = keras.layers.Dense(kernel.shape[1], name="logits")(pooled)
    model = keras.Model(inputs, [logits, pooled])
    local = np.zeros((3, 3, 3, 1))
    local[1, 1] = 1
    model.get_layer("mixing").set_weights([np.eye(3)[None, None]])
    model.get_layer("local").set_weights([local])
    model.get_layer("logits").set_weights([kernel, np.full(kernel.shape[1], bias)])
    return model


def with_probabilities(model: keras.Model) -> keras.Model:
    """Add probabilities to a model of logits and features."""
    logits, _ = model.outputs
    activation = keras.layers.Activation(activation_for(logits.shape[-1]), name="probability")
    return keras.Model(model.input, {"probability": activation(logits)})


# An image is unknown if its mean colour, scaled to length 1, is far from 0.3 in green.
GREENNESS = Detector(
    np.array([0, 0.3, 0], np.float32), np.array([[1, 0, 0], [0, 0, 1]], np.float32)
)


def write_colour_model(
    folder: Path, size: int = 32, bias: float = 0, *, is_mirrored: bool = False, **changes
) -> Path:
    """Write `colour_model` as a served model to `folder`; `changes` apply to its metadata.

    With an `unknown_threshold`, the detector is GREENNESS.
    """
    described = metadata(image_size=size, **changes)
    detector = None if described.unknown_threshold is None else GREENNESS
    network = convert(colour_model(size, len(described.labels), bias))
    write_served_model(network, described, detector, folder, is_mirrored=is_mirrored)
    return folder


def write_features(folder: Path, labels: np.ndarray, **kinds: np.ndarray) -> pd.DataFrame:
    """Store features, float16 `(images, views, …)` per kind, and return their table SPLIT.

    `folder` gets one folder for training and one for validation, with the same images. They are
    stored in several shards, and in a different order than in the table.
    """
    names = [(split, image) for split in ("train", "validation") for image in range(len(labels))]
    table = pd.DataFrame(
        {
            "path": [f"{split}/{image}" for split, image in names],
            "label": [("cat", "dog")[int(labels[image])] for _, image in names],
            "split": [split for split, _ in names],
            "group": "",
            **dict.fromkeys(SERIES, ""),
            "pixels_sha256": [hashlib.sha256(str(name).encode()).hexdigest() for name in names],
        }
    )
    views = next(iter(kinds.values())).shape[1]
    for split in ("train", "validation"):
        rows = sorted(
            (sha256, view, image)
            for sha256, (of, image) in zip(table["pixels_sha256"], names)
            for view in range(views if of == split else 0)
        )
        index = np.array([(sha256.encode(), b".jpg", view, 0) for sha256, view, _ in rows], INDEX)
        columns = {
            kind: np.array([array[image, view] for _, view, image in rows], np.float16)
            for kind, array in kinds.items()
        }
        (folder / split).mkdir(parents=True, exist_ok=True)
        shard = shard_of([sha256 for sha256, *_ in rows], SHARDS)
        for number in range(SHARDS):
            part = {name: column[shard == number] for name, column in columns.items()}
            path = shard_path(folder / split, number)
            write_shard(path, {"index": index[shard == number]} | part)
    return table


def with_classes_only(predictor: Predictor) -> Predictor:
    """Return a predictor that never answers unknown or unsure."""
    limits = {"unknown_threshold": None, "min_confidence": None}
    return replace(predictor, metadata=predictor.metadata.model_copy(update=limits))
