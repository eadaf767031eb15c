"""Read and write the table PREDICTIONS, and make it from probabilities."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.classes import log_losses
from pawprint.columns import PREDICTIONS, PROBABILITY, UNKNOWN_SCORE, Columns
from pawprint.files import parse_file
from pawprint.tables import parse_table, write_table

# Digits of `pixels_sha256` in `image`, enough to tell a million images apart.
IMAGE_DIGITS = 16


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a table PREDICTIONS with the columns of its labels, like `read_table`."""
    return parse_file(path, parse_predictions)


def parse_predictions(content: bytes) -> pd.DataFrame:
    """Parse a table PREDICTIONS with a column of probabilities per label, like `parse_table`."""
    try:
        header = next(csv.reader([content.split(b"\n", 1)[0].decode()]), [])
    except (UnicodeDecodeError, csv.Error):
        header = []
    return parse_table(content, _prediction_columns(header))


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Write a table PREDICTIONS, like `write_table`."""
    write_table(path, predictions, _prediction_columns(predictions))


def _prediction_columns(names: Iterable[str]) -> Columns:
    numbers = [name for name in names if name.startswith(PROBABILITY) or name == UNKNOWN_SCORE]
    return PREDICTIONS | dict.fromkeys(numbers, "float64")


def predicted_labels(predictions: Iterable[str]) -> list[str]:
    """Return the labels of a table PREDICTIONS, or of its columns, in order, even without rows."""
    names = [name for name in predictions if name.startswith(PROBABILITY)]
    return [name.removeprefix(PROBABILITY) for name in names]


def probabilities_in(predictions: pd.DataFrame) -> np.ndarray:
    """Return the probabilities in a table PREDICTIONS, float64 `(images, classes)`."""
    return predictions[[PROBABILITY + label for label in predicted_labels(predictions)]].to_numpy()


def losses_in(predictions: pd.DataFrame) -> np.ndarray:
    """Return the log loss of each image of a table PREDICTIONS, `(images,)`."""
    actual = pd.Index(predicted_labels(predictions)).get_indexer(predictions["actual"])
    return log_losses(actual, probabilities_in(predictions))


def tabulate(
    rows: pd.DataFrame,
    probabilities: np.ndarray,
    predicted: np.ndarray,
    labels: list[str],
    unknown_scores: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return a table PREDICTIONS.

    `rows` has the columns `path`, `label` and `pixels_sha256`. All arguments list the images in the
    same order: `probabilities` are float64 `(images, classes)`, `predicted` are indices of
    `labels`, and `unknown_scores` are float64 `(images,)`.
    """
    scores = {} if unknown_scores is None else {UNKNOWN_SCORE: unknown_scores}
    return pd.DataFrame(
        {
            "path": rows["path"].array,
            "actual": rows["label"].array,
            "predicted": np.array(labels)[predicted],
            "pixels_sha256": rows["pixels_sha256"].array,
            **{PROBABILITY + label: column for label, column in zip(labels, probabilities.T)},
            **scores,
        }
    )


def with_image(images: pd.DataFrame) -> pd.DataFrame:
    """Add the column `image` of PREDICTED_CLASSES to a table with a column `pixels_sha256`."""
    return images.assign(image=images["pixels_sha256"].str[:IMAGE_DIGITS])
