"""Predictions of a served or exported model."""

import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from pawprint.core.errors import InputError, printable, silent_stderr
from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.images.threads import map_in_threads
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.serving.metadata import FILE, Metadata, read_metadata
from pawprint.serving.third_party import read_checked

# The model in its folder, by format. predict does not read HDF5.
FILES = ("model.xml", "model.tflite", "model.onnx", "saved_model.pb")
# How OpenVINO's messages begin and end: with places in its source.
NOISE = ("Exception from", "Check '", "FrontEnd API failed", "To facilitate")


@dataclass(frozen=True)
class Predictor:
    """Labels images. Several threads may share one.

    `run` takes uint8 pixels `(image_size, image_size, 3)` and returns the outputs of the network,
    of which the first is the probability of `metadata.labels[1]`.
    """

    folder: Path
    metadata: Metadata
    run: Callable[[np.ndarray], list[np.ndarray]]

    def outputs(self, image: Image.Image) -> list[float]:
        """The outputs for an RGB image; of the served model: probability and logit.

        Raises InputError if one is not finite, or the first is no probability.
        """
        pixels = resize(image, self.metadata.image_size, self.metadata.resize)
        values = [output.item() for output in self.run(pixels)]
        if not (all(map(math.isfinite, values)) and 0 <= values[0] <= 1):
            raise InputError(f"{self.folder}: expected a probability. Received: {values[0]}")
        return values

    def predict(self, image: Image.Image) -> float:
        """The probability of `metadata.labels[1]`, in [0, 1]."""
        return self.outputs(image)[0]

    def label(self, probability: float) -> str:
        """The label that is predicted at this probability of `metadata.labels[1]`."""
        return self.metadata.labels[int(probability >= self.metadata.threshold)]


def load_predictor(folder: Path) -> Predictor:
    """The model in `models/served`, or in the folder of an export.

    The folder may come from anyone. Raises InputError if it is missing, damaged, or holds no model
    of two classes of images.
    """
    metadata = read_metadata(folder)
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise InputError(f"{folder}: expected {' or '.join(FILES)} beside {FILE}. Received: none.")
    try:
        with silent_stderr():
            run = compile_for_cpu(read_checked(path, metadata.image_size))
    except Exception as error:  # a library raises anything for a third-party file
        lines = (line.strip() for line in str(error).splitlines())
        reason = " ".join(line for line in lines if line and not line.startswith(NOISE))
        raise InputError(
            f"{path}: expected a served or exported model. Received: "
            f"{printable(reason or type(error).__name__)}"
        ) from None
    return Predictor(folder, metadata, run)


def predict_members(
    function: Callable[[Image.Image], list[float]],
    archive: zipfile.ZipFile,
    paths: Sequence[str],
    name: str,
) -> np.ndarray:
    """float64 `(len(paths), outputs)`: what `function` returns for each image of the archive.

    `name` is the title of the progress bar.
    """
    predicted = map_in_threads(lambda path: function(open_image(archive, path)), paths)
    return np.array(list(tqdm(predicted, total=len(paths), desc=name, unit="image", disable=None)))
