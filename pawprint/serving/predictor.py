"""Predictions of a served or exported model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from pawprint.core.errors import InputError, printable, silent_stderr
from pawprint.core.probabilities import of_classes, predicted_classes
from pawprint.engine.mapping import map_items
from pawprint.images.archive import Archive
from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.serving.metadata import FILE, Metadata, read_metadata
from pawprint.serving.third_party import read_checked

# The model in its folder, by format. predict does not read HDF5.
FILES = ("model.xml", "model.tflite", "model.onnx", "saved_model.pb")
TOLERANCE = 0.1  # of the sum of probabilities: a network in int8 rounds each to 1/256
# How OpenVINO's messages begin and end: with places in its source.
NOISE = ("Exception from", "Check '", "FrontEnd API failed", "To facilitate")


@dataclass(frozen=True)
class Predictor:
    """Labels images. Several threads may share one.

    `run` takes uint8 pixels `(image_size, image_size, 3)` and returns the outputs of the network,
    each float32 `(units,)`. The first are probabilities: of `metadata.labels[1]`, or of each of
    more than two labels.
    """

    folder: Path
    metadata: Metadata
    run: Callable[[np.ndarray], list[np.ndarray]]

    def outputs(self, image: Image.Image) -> np.ndarray:
        """float64 `(outputs, units)` for an RGB image; of the served model: probability, logits.

        Raises InputError if one is not finite, or the first are no probabilities.
        """
        pixels = resize(image, self.metadata.image_size, self.metadata.resize)
        outputs = np.array(self.run(pixels), np.float64)
        first = outputs[0]
        is_one_sum = first.size == 1 or abs(first.sum() - 1) <= TOLERANCE
        if not (np.isfinite(outputs).all() and is_one_sum and ((first >= 0) & (first <= 1)).all()):
            raise InputError(
                f"{self.folder}: expected probabilities in [0, 1], which sum to 1 for more than "
                f"two labels. Received: {first.min():g} to {first.max():g}, sum {first.sum():g}"
            )
        return outputs

    def predict(self, image: Image.Image) -> np.ndarray:
        """float64 `(classes,)`: the probability of each of `metadata.labels`; they sum to 1."""
        return of_classes(self.outputs(image)[0])

    def label(self, probabilities: np.ndarray) -> str:
        """The label that is predicted at these probabilities, `(classes,)`."""
        return self.metadata.labels[predicted_classes(probabilities, self.metadata.threshold)]


def load_predictor(folder: Path) -> Predictor:
    """The model in `models/served`, or in the folder of an export.

    The folder may come from anyone. Raises InputError if it is missing, damaged, or holds no model
    of its labels.
    """
    metadata = read_metadata(folder)
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise InputError(f"{folder}: expected {' or '.join(FILES)} beside {FILE}. Received: none.")
    try:
        with silent_stderr():
            run = compile_for_cpu(read_checked(path, metadata.image_size, metadata.units))
    except Exception as error:  # a library raises anything for a third-party file
        lines = (line.strip() for line in str(error).splitlines())
        reason = " ".join(line for line in lines if line and not line.startswith(NOISE))
        raise InputError(
            f"{path}: expected a served or exported model. Received: "
            f"{printable(reason or type(error).__name__)}"
        ) from None
    return Predictor(folder, metadata, run)


def predict_members(
    function: Callable[[Image.Image], np.ndarray],
    archive: Archive,
    paths: Sequence[str],
    name: str,
) -> np.ndarray:
    """float64 `(len(paths), …)`: what `function` returns for each image of the archive.

    `name` is the title of the progress bar.
    """
    predicted = map_items(lambda path: function(open_image(archive, path)), paths)
    rows = list(tqdm(predicted, total=len(paths), desc=name, unit="image", disable=None))
    return np.array(rows, np.float64)
