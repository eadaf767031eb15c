"""Predictions of a served or exported model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from PIL import Image
from tqdm import tqdm

from pawprint.engine.mapping import map_items
from pawprint.errors import InputError, silent_stderr
from pawprint.images.archive import Archive
from pawprint.images.decoder import open_image
from pawprint.images.pixels import views_of
from pawprint.labels import UNKNOWN
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.network_file import message_of
from pawprint.serving.served_model import (
    FEATURES,
    FILES,
    METADATA_FILE,
    Metadata,
    output_names,
    read_metadata,
    read_model,
)

TOLERANCE = 1e-3  # of the sum of probabilities


class Prediction(NamedTuple):
    """What a model says about an image.

    `label` is one of the labels, or UNKNOWN. `probabilities` are float64 `(classes,)`, of each of
    the labels; they sum to 1. `unknown_score` is None without an unknown threshold. `features`,
    float64 `(channels,)`, are the backbone's, of maps their means; None for an export.
    """

    label: str
    probabilities: np.ndarray
    unknown_score: float | None
    features: np.ndarray | None


@dataclass(frozen=True)
class Predictor:
    """Labels images. Several threads may share one.

    `run` takes uint8 pixels `(image_size, image_size, 3)` and returns the outputs of the network by
    name, each float32. `probability`, `(units,)`, is of `metadata.labels[1]`, or of each of more
    than two labels. If `metadata.unknown_threshold` is a number, `unknown_score` is `(1,)`. A
    served model also has `features`, `(channels,)`.
    """

    folder: Path
    metadata: Metadata
    run: Callable[[np.ndarray], dict[str, np.ndarray]]

    def outputs(self, image: Image.Image) -> dict[str, np.ndarray]:
        """The outputs for the views of an RGB image, float64 `(views, …)` by name, as of `run`.

        Raises InputError if one is not finite, or `probability` has no probabilities.
        """
        size, how, views = self.metadata.image_size, self.metadata.resize, self.metadata.views
        runs = [self.run(view) for view in views_of(image, size, how, views)]
        outputs = {name: np.array([each[name] for each in runs], np.float64) for name in runs[0]}
        for name, output in outputs.items():
            if not np.isfinite(output).all():
                raise InputError(
                    f"{self.folder}: expected finite numbers. Received: others in {name}"
                )
        first = outputs["probability"]
        sums = first.sum(axis=1)
        worst = sums[abs(sums - 1).argmax()]
        is_one_sum = first.shape[1] == 1 or abs(worst - 1) <= TOLERANCE
        if not (is_one_sum and ((first >= 0) & (first <= 1)).all()):
            raise InputError(
                f"{self.folder}: expected probabilities in [0, 1], which sum to 1 for more than "
                f"two labels. Received: {first.min():g} to {first.max():g}, sum {worst:g}"
            )
        return outputs

    def predict(self, image: Image.Image) -> Prediction:
        """Raises InputError as `outputs` does."""
        outputs = {name: output.mean(axis=0) for name, output in self.outputs(image).items()}
        threshold = self.metadata.unknown_threshold
        probabilities = class_probabilities(outputs["probability"])
        score = None if threshold is None else float(outputs["unknown_score"][0])
        is_unknown = score is not None and score > threshold
        label = UNKNOWN if is_unknown else self.class_of(probabilities)
        return Prediction(label, probabilities, score, outputs.get(FEATURES))

    def class_of(self, probabilities: np.ndarray) -> str:
        """The class that is predicted at these probabilities, `(classes,)`."""
        return self.metadata.labels[predicted_classes(probabilities, self.metadata.threshold)]

    def without_unknown(self) -> Self:
        """The same predictor, for which no image is unknown."""
        return replace(self, metadata=self.metadata.model_copy(update={"unknown_threshold": None}))


def load_predictor(folder: Path) -> Predictor:
    """The model in `models/served`, or in the folder of an export.

    Raises InputError if the folder is missing, damaged, or holds no model of its labels.
    """
    metadata = read_metadata(folder)
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise InputError(
            f"{folder}: expected {' or '.join(FILES)} beside {METADATA_FILE}. Received: none."
        )
    try:
        with silent_stderr():
            compute = compile_for_cpu(read_model(path, metadata))
    except Exception as error:  # a library raises anything for a damaged file
        raise InputError(
            f"{path}: expected a served or exported model. Received: {message_of(error)}"
        ) from None
    names = output_names(metadata)
    return Predictor(folder, metadata, lambda pixels: dict(zip(names, compute(pixels))))


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


def class_probabilities(output: np.ndarray) -> np.ndarray:
    """Probabilities `(…, classes)`, which sum to 1, from a network's, `(…, units)`.

    Those of more than two classes are divided by their sum, which is near 1 in float32.
    """
    if output.shape[-1] == 1:
        return np.concatenate([1 - output, output], axis=-1)
    return output / output.sum(axis=-1, keepdims=True)


def predicted_classes(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """The index of each predicted class, int `(…)`, from `(…, classes)`.

    Of two classes the second is predicted from `threshold` on; without a threshold the most
    probable class is.
    """
    if threshold is None:
        return probabilities.argmax(axis=-1)
    return (probabilities[..., 1] >= threshold).astype(int)
