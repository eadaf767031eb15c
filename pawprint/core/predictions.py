"""Predictions: a table with a column of probabilities for each label."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.core.files import parse_file
from pawprint.core.tables import Columns, parse_table, write_table

# Then one column per label, in their order: PROBABILITY and the label.
PREDICTIONS: Columns = {"path": "str", "actual": "str", "predicted": "str"}
PROBABILITY = "probability_"


def read_predictions(path: Path) -> pd.DataFrame:
    """As `read_table`, a table PREDICTIONS with the columns of its labels."""
    return parse_file(path, parse_predictions)


def parse_predictions(content: bytes) -> pd.DataFrame:
    """As `parse_table`, a table PREDICTIONS with a column of probabilities per label."""
    try:
        header = next(csv.reader([content.split(b"\n", 1)[0].decode()]), [])
    except (UnicodeDecodeError, csv.Error):
        header = []
    return parse_table(content, _prediction_columns(header))


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """As `write_table`, a table PREDICTIONS."""
    write_table(path, predictions, _prediction_columns(predictions))


def _prediction_columns(names: Iterable[str]) -> Columns:
    return PREDICTIONS | {name: "float64" for name in names if name.startswith(PROBABILITY)}


def predicted_labels(predictions: pd.DataFrame) -> list[str]:
    """The labels of a table PREDICTIONS in their order, with those of no image."""
    names = [name for name in predictions if name.startswith(PROBABILITY)]
    return [name.removeprefix(PROBABILITY) for name in names]


def probabilities_in(predictions: pd.DataFrame) -> np.ndarray:
    """float64 `(images, classes)`: the probabilities in a table PREDICTIONS."""
    return predictions[[PROBABILITY + label for label in predicted_labels(predictions)]].to_numpy()


def tabulate(
    rows: pd.DataFrame, probabilities: np.ndarray, predicted: np.ndarray, labels: list[str]
) -> pd.DataFrame:
    """The table PREDICTIONS, from rows with the columns `path` and `label` in the same order."""
    return pd.DataFrame(
        {
            "path": rows["path"].array,
            "actual": rows["label"].array,
            "predicted": np.array(labels)[predicted],
            **{PROBABILITY + label: column for label, column in zip(labels, probabilities.T)},
        }
    )
