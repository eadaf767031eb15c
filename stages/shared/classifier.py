"""A finished model with what its answer means, whichever format its file has.

From a stranger's `.keras` file only what models of this project are made of is loaded. LiteRT,
ONNX and SavedModel are lists of operations: OpenVINO runs those it knows, none of which opens a
file, and refuses a model with others, as with TensorFlow's ReadFile. ONNX may keep weights in a
second file, and only beside the first. So no code that came with a model runs; but libraries in
C++ read the bytes, and nobody can promise that none of them has a fault.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import openvino
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from stages.shared.backend import silent_stderr, tf
from stages.shared.errors import InputError, printable
from stages.shared.inference import compile_for_cpu, compile_network
from stages.shared.network import load_model
from stages.shared.params import Resize
from stages.shared.records import write_json

LABELS_FILE = "labels.json"
SUFFIXES = (".tflite", ".onnx")  # of exported models that are one file
# How OpenVINO's messages begin and end: with places in its source.
NOISE = ("Exception from", "Check '", "FrontEnd API failed", "To facilitate")


@dataclass(frozen=True)
class Classifier:
    """Tells two classes apart.

    `run` takes uint8 RGB pixels `(size, size, 3)`, an image resized as `resize` says, and returns
    the probability of the second of the labels, which is predicted from `threshold` on. Several
    threads may call it.
    """

    size: int
    labels: list[str]
    resize: Resize
    threshold: float
    run: Callable[[np.ndarray], float]


def load_classifier(path: Path) -> Classifier:
    """The classifier in a `.keras` file, or in an exported model with labels.json beside it.

    Raises InputError if it is missing, damaged, or no model of two classes of images.
    """
    if path.suffix in SUFFIXES or path.is_dir():
        return _load_exported(path)
    model, *described = load_model(path)
    run = compile_network(model)
    return Classifier(model.input_shape[1], *described, lambda pixels: run(pixels)[0].item())


def _load_exported(path: Path) -> Classifier:
    if not path.exists():
        raise InputError(f"{path}: no such model. Run `python export.py` to make it.")
    meaning = read_labels(path.parent / LABELS_FILE)
    try:
        with silent_stderr():
            if path.is_dir():
                _require_whole_checkpoint(path)
            size, run = _compile(path)
    except Exception as error:  # whatever a library makes of a foreign file, the file is the cause
        lines = (line.strip() for line in str(error).splitlines())
        reason = " ".join(line for line in lines if line and not line.startswith(NOISE))
        raise InputError(
            f"{path}: expected a model that export.py wrote. Received: {printable(reason)}"
        ) from None
    return Classifier(size, meaning.labels, meaning.resize, meaning.threshold, run)


def _compile(path: Path) -> tuple[int, Callable[[np.ndarray], float]]:
    """Size and function of a Classifier. Raises ValueError or RuntimeError for another model."""
    network = openvino.Core().read_model(path)
    if (len(network.inputs), len(network.outputs)) != (1, 1):
        raise ValueError(f"{len(network.inputs)} inputs and {len(network.outputs)} outputs, not 1")
    shape = network.input().partial_shape
    size = shape[1].get_length() if len(shape) == 4 and shape[1].is_static else 0
    if size == 0 or shape[2] != size or shape[3] != 3:
        raise ValueError(f"input {shape}, not (batch, size, size, 3)")
    network.reshape((1, size, size, 3))
    if network.output().partial_shape != openvino.PartialShape([1, 1]):
        raise ValueError(f"output {network.output().partial_shape} of one image, not (1, 1)")
    run = compile_for_cpu(network, (size, size, 3))
    return size, lambda pixels: run(pixels)[0].item()


def _require_whole_checkpoint(folder: Path) -> None:
    """Raise an error of TensorFlow's unless every variable has the bytes of its checksum.

    OpenVINO checks none, and an index with wrong offsets ends its process.
    """
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)


def _shown(label: str) -> str:
    if not label or not label.isprintable():
        raise ValueError("expected a name that can be printed")
    return label


class Meaning(BaseModel):
    """What the number of an exported model means: labels.json beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    labels: Annotated[
        list[Annotated[str, AfterValidator(_shown)]], Field(min_length=2, max_length=2)
    ]
    resize: Resize
    threshold: Annotated[float, Field(gt=0, lt=1)]


def write_labels(folder: Path, meaning: Meaning) -> None:
    write_json(folder / LABELS_FILE, meaning.model_dump())


def read_labels(path: Path) -> Meaning:
    """Raises InputError if the file is missing, or is not what write_labels writes."""
    try:
        return Meaning.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file. It names the classes: keep it beside the exported model, or "
            "run `python export.py` to make both."
        ) from None
    except ValidationError as error:
        problem = error.errors()[0]
        reason = " ".join([*map(str, problem["loc"]), f"({problem['msg']})"])
    except OSError as error:
        reason = str(error)
    raise InputError(
        f'{path}: expected {{"labels": [two names], "resize": "crop" or "stretch", "threshold": '
        f"number between 0 and 1}}. Received: {printable(reason)}"
    )
