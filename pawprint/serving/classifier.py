"""A finished model with what its answer means, whichever format its file has.

A `.keras` file is read layer by layer, and holds no layers but ours (layers.py). LiteRT, ONNX and
SavedModel are lists of operations: OpenVINO runs those it knows, none of which opens a file, and
refuses a model with others, as with TensorFlow's ReadFile. ONNX may keep weights in a second file,
and only beside the first. So no code that came with a model runs, also if a stranger made it; but
libraries in C++ read the bytes, and nobody can promise that none of them has a fault.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pawprint.core.errors import InputError, printable, silent_stderr
from pawprint.core.params import Resize
from pawprint.runtime.compiled import compile_for_cpu, openvino
from pawprint.serving.keras_file import refusing
from pawprint.serving.layers import read_network
from pawprint.serving.metadata import LABELS_FILE, Meaning, read_labels

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
    with refusing(path):
        return _classifier(*read_network(path))


def _classifier(network: openvino.Model, meaning: Meaning) -> Classifier:
    """`network` takes one image, `(1, size, size, 3)`.

    Raises ValueError unless it gives one number, `(1, 1)`.
    """
    if network.output().partial_shape != openvino.PartialShape([1, 1]):
        raise ValueError(f"output {network.output().partial_shape} of one image, not (1, 1)")
    (_, *shape) = network.input().shape
    run = compile_for_cpu(network, tuple(shape))
    return Classifier(
        shape[0],
        meaning.labels,
        meaning.resize,
        meaning.threshold,
        lambda pixels: run(pixels)[0].item(),
    )


def _load_exported(path: Path) -> Classifier:
    if not path.exists():
        raise InputError(f"{path}: no such model. Run `python export.py` to make it.")
    meaning = read_labels(path.parent / LABELS_FILE)
    try:
        with silent_stderr():
            if path.is_dir():
                _require_whole_checkpoint(path)
            return _classifier(_read_exported(path), meaning)
    except Exception as error:  # whatever a library makes of a foreign file, the file is the cause
        lines = (line.strip() for line in str(error).splitlines())
        reason = " ".join(line for line in lines if line and not line.startswith(NOISE))
        raise InputError(
            f"{path}: expected a model that export.py wrote. Received: {printable(reason)}"
        ) from None


def _read_exported(path: Path) -> openvino.Model:
    """Raises ValueError or RuntimeError unless it is a network of images with one output."""
    network = openvino.Core().read_model(path)
    if (len(network.inputs), len(network.outputs)) != (1, 1):
        raise ValueError(f"{len(network.inputs)} inputs and {len(network.outputs)} outputs, not 1")
    shape = network.input().partial_shape
    size = shape[1].get_length() if len(shape) == 4 and shape[1].is_static else 0
    if size == 0 or shape[2] != size or shape[3] != 3:
        raise ValueError(f"input {shape}, not (batch, size, size, 3)")
    network.reshape((1, size, size, 3))
    return network


def _require_whole_checkpoint(folder: Path) -> None:
    """Raise an error of TensorFlow's unless every variable has the bytes of its checksum.

    OpenVINO checks none, and an index with wrong offsets ends its process.
    """
    from pawprint.network.backend import tf  # takes seconds to start, and no other format needs it

    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)
