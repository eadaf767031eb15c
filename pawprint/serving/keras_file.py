"""The `.keras` file of a finished model: read, checked and calibrated without TensorFlow.

TensorFlow takes seconds to start, and none of this needs it. The file is a zip: config.json
describes the layers, model.weights.h5 holds their weights, metadata.json what the answer means.
It may come from anyone, so nothing in it is believed; and it holds no code that could run.
"""

import contextlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from pydantic import ValidationError

from pawprint.core.errors import InputError, printable
from pawprint.core.files import pack, replacing
from pawprint.serving.metadata import Meaning, what_is_wrong

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
# The layers of a whole model, by name.
RESCALING, BASE, POOLING, HEAD = "rescaling", "base", "pooling", "head"
LARGEST = 1024  # pixels, as in params.yaml
# All that a saved model is made of, by Keras' names.
PARTS = {
    "Functional", "Sequential", "InputLayer", "__keras_tensor__", "DTypePolicy",
    "Rescaling", "Conv2D", "DepthwiseConv2D", "ZeroPadding2D", "BatchNormalization", "ReLU", "Add",
    "GlobalAveragePooling2D", "Flatten", "Dense", "Dropout", "Activation",
    "GlorotUniform", "Zeros", "Ones", "L2",
    "Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "Lion", "Nadam", "RMSprop",
    "SGD",
}  # fmt: skip
# How Keras names the weights of the first layer of a class; the others have `_1`, `_2`, … after it.
GROUPS = {
    "BatchNormalization": "batch_normalization",
    "Conv2D": "conv2d",
    "Dense": "dense",
    "DepthwiseConv2D": "depthwise_conv2d",
    "Functional": "functional",
    "Sequential": "sequential",
}


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn whatever reading a model's file raises into an InputError of one line."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such model. Run `dvc repro` to train it or `dvc pull {path}` to fetch it."
        ) from None
    except Exception as error:  # whatever a library makes of a foreign file, the file is the cause
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{path}: expected a model of this project. Received: {printable(reason)}"
        ) from None


def read_description(path: Path) -> tuple[dict, Meaning]:
    """What a file says of its layers, as Keras describes them, and of its answer.

    Raises ValueError or another error unless both are those of a model of this project.
    """
    if path.suffix != ".keras":  # which decides for Keras how to read the file
        raise ValueError(f"a file whose name ends in {path.suffix or 'nothing'}, not .keras")
    with zipfile.ZipFile(path) as archive:
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ValueError("compressed members")
        model = _parse_own_parts(archive.read(CONFIG))
        metadata = json.loads(archive.read(METADATA))
    _require_own_form(model["config"]["layers"])
    try:
        known = {key: metadata[key] for key in Meaning.model_fields if key in metadata}
        return model, Meaning.model_validate(known)
    except ValidationError as error:
        raise ValueError(f"{METADATA}: {what_is_wrong(error)}") from None


def _parse_own_parts(config: bytes) -> dict:
    """Keras' description of a model. Raises ValueError for a class that none of our models has."""
    found = set()

    def collect(record: dict) -> dict:
        if "class_name" in record:
            package = str(record.get("module") or "keras").split(".")[0]
            found.add(f"{package}.{record['class_name']}")
        return record

    model = json.loads(config, object_hook=collect)
    foreign = found - {f"keras.{name}" for name in PARTS}
    if foreign:
        raise ValueError(f"a model with {', '.join(sorted(foreign))}")
    return model


def _require_own_form(layers: list[dict]) -> None:
    """Raise ValueError unless the layers turn square RGB images into features and an answer."""
    shape = layers[0]["config"]["batch_shape"]
    size = shape[1]
    if shape != [None, size, size, 3] or not isinstance(size, int) or not 0 < size <= LARGEST:
        raise ValueError(f"input {shape}, not [None, size, size, 3]")
    missing = {RESCALING, BASE, POOLING, HEAD} - {layer["config"]["name"] for layer in layers}
    if missing:
        raise ValueError(f"a model without a layer named {', '.join(sorted(missing))}")


@contextlib.contextmanager
def weights_of(path: Path) -> Iterator[h5py.File]:
    """The weights, all of them in this very file. Raises ValueError for what HDF5 can do besides.

    It can name other files, and hold less than it says it does.
    """
    with zipfile.ZipFile(path) as archive:
        data = archive.read(WEIGHTS)

    def fault(name: str, link: object) -> str | None:
        if not isinstance(link, h5py.HardLink):
            return f"{name}: a link to somewhere else"
        member = file[name]
        if isinstance(member, h5py.Dataset) and (
            member.is_virtual or member.external or member.id.get_storage_size() != member.nbytes
        ):
            return f"{name}: numbers that are not stored here, one by one"
        return None

    with h5py.File(io.BytesIO(data)) as file:
        found = file.visititems_links(fault)  # which ends at the first
        if found:
            raise ValueError(f"{WEIGHTS}: {found}")
        yield file


def with_weights(config: dict, weights: h5py.Group) -> Iterator[tuple[dict, h5py.Group | None]]:
    """Each layer of a model with the group of its weights, if layers of its class have any."""
    seen = Counter()
    for layer in config["layers"]:
        name = GROUPS.get(layer["class_name"])
        number = f"_{seen[name]}" if seen[name] else ""
        seen[name] += 1
        yield layer, weights["layers"][name + number] if name else None


def write_calibrated(source: Path, target: Path, temperature: float, threshold: float) -> None:
    """Copy a model of ours with its logits divided by the temperature, and with a threshold.

    The state that its optimizer was in fits no longer, and is left out.
    """
    with zipfile.ZipFile(source) as archive:
        model, metadata = (json.loads(archive.read(name)) for name in (CONFIG, METADATA))
    model["compile_config"] = None
    metadata["threshold"] = threshold
    data = io.BytesIO()
    with weights_of(source) as old, h5py.File(data, "w") as weights:
        for name in old:
            if name != "optimizer":
                old.copy(name, weights)
        (head,) = (
            (layer["config"], group)
            for layer, group in with_weights(model["config"], weights)
            if layer["config"]["name"] == HEAD
        )
        *_, (_, unit) = with_weights(*head)
        for weight in unit["vars"].values():
            weight[...] = weight[...] / np.float32(temperature)
    members = {METADATA: json.dumps(metadata).encode(), CONFIG: json.dumps(model).encode()}
    with replacing(target) as partial:
        pack(partial, (members | {WEIGHTS: data.getvalue()}).items())
