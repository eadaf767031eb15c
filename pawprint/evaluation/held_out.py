"""What the final network says of held-out images, and how it is evaluated.

`predict` writes the outputs of the network, by square. `calibrate` and `evaluate` are functions of
them.
"""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from pawprint.classes import predicted_classes, to_probabilities
from pawprint.errors import InputError, printable
from pawprint.evaluation import metrics
from pawprint.files import read_arrays, write_arrays
from pawprint.params.section import TestTimeAugmentation
from pawprint.serving.metadata import Metadata
from pawprint.tables import tabulate


class Outputs(NamedTuple):
    """Of images in the order of their table.

    `actual`, int64 `(images,)`, has the index of each label, -1 for an image of no class. `logits`
    are float32 `(images, squares, units)`, `unknown_scores` float32 `(images, squares)`. The first
    square is the image as `model.resize` makes it, the others are those of test-time augmentation.
    """

    actual: np.ndarray
    logits: np.ndarray
    unknown_scores: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises InputError if the file is missing, damaged, or has other arrays."""
        arrays = read_arrays(path)
        if set(arrays) != set(cls._fields):
            raise InputError(
                f"{path}: expected the arrays {', '.join(cls._fields)}. Received: "
                f"{printable(', '.join(arrays))}. Run `dvc repro`."
            )
        return cls(**arrays)

    def write(self, path: Path) -> None:
        write_arrays(path, **self._asdict())

    def means(self, augmentation: TestTimeAugmentation) -> tuple[np.ndarray, np.ndarray]:
        """Logits `(images, units)` and unknown scores `(images,)`, float64, over the squares."""
        squares = slice(1) if augmentation == "none" else slice(None)
        logits, scores = self.logits[:, squares], self.unknown_scores[:, squares]
        return logits.mean(axis=1, dtype=np.float64), scores.mean(axis=1, dtype=np.float64)


class Evaluation(NamedTuple):
    """Of a split. `scores`, `reliability` and `roc` have the columns of the tables of these names,
    without `split`. `predictions` is a table PREDICTIONS. `images` has a row for each image: those
    of the split table, `correct`, `refused` as unknown, and `confidence`, the probability of the
    predicted class.
    """

    scores: pd.DataFrame
    reliability: pd.DataFrame
    roc: pd.DataFrame
    predictions: pd.DataFrame
    images: pd.DataFrame


def evaluate(
    rows: pd.DataFrame, outputs: Outputs, metadata: Metadata, confidence: float
) -> Evaluation:
    """Evaluate the served model on the images of a split, `rows` of the split table."""
    actual, labels, threshold = outputs.actual, metadata.labels, metadata.unknown_threshold
    logits, unknown_scores = outputs.means(metadata.test_time_augmentation)
    probabilities = to_probabilities(logits, metadata.temperature)
    predicted = predicted_classes(probabilities, metadata.threshold)
    is_unknown = None if threshold is None else unknown_scores > threshold
    listed = None if threshold is None else unknown_scores
    return Evaluation(
        metrics.measure(actual, probabilities, predicted, labels, confidence, is_unknown),
        metrics.tabulate_reliability(actual, probabilities, labels, confidence),
        metrics.tabulate_roc(actual, probabilities, labels),
        tabulate(rows, probabilities, predicted, labels, listed),
        rows.assign(
            correct=predicted == actual,
            refused=False if is_unknown is None else is_unknown,
            confidence=probabilities[range(len(rows)), predicted],
        ),
    )
