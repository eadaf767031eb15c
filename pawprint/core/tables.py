"""Tables: pandas DataFrames in code, CSV on disk with the same bytes on every platform."""

import csv
import io
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.core.errors import InputError
from pawprint.core.files import replacing

# The columns of each table with their dtypes. A cell of a Float64 column may be empty.
Columns = dict[str, str]
IMAGES: Columns = {
    "path": "str",
    "label": "str",
    "archive_split": "str",
    "group": "str",  # from metadata.csv, or ""
    "width": "int64",
    "height": "int64",
    "pixels_sha256": "str",
    "perceptual_hash": "str",
}
REJECTED: Columns = {"path": "str", "reason": "str", "detail": "str"}
SPLITS = ("train", "validation", "test")
SPLIT: Columns = {
    "path": "str",
    "label": "str",
    "split": "str",
    "group": "str",  # the first path of the group
    "pixels_sha256": "str",
}
NEAR_DUPLICATES: Columns = {
    "group": "str",
    "path": "str",
    "label": "str",
    "archive_split": "str",
    "split": "str",
    "nearest": "str",
    "distance": "int64",
    "moved": "bool",
}
HISTORY: Columns = {
    "epoch": "int64",
    "learning_rate": "Float64",  # empty for LBFGS, whose epochs are tenths of its iterations
    "accuracy": "float64",
    "loss": "float64",
    "validation_accuracy": "float64",
    "validation_loss": "float64",
    "kept": "bool",  # whether the phase ends with the weights of this epoch
}
# Then one column per label, in their order: PROBABILITY and the label.
PREDICTIONS: Columns = {"path": "str", "actual": "str", "predicted": "str"}
PROBABILITY = "probability_"
LIKELY_WRONG_LABELS: Columns = {
    "path": "str",
    "label": "str",
    "likely": "str",
    "split": "str",
    "probability": "float64",
}
PREDICTED = "the predicted class"
# `label` is the class of the probabilities: the second of two, or PREDICTED of more.
RELIABILITY: Columns = {
    "split": "str",
    "label": "str",
    "probability": "float64",
    "fraction": "float64",
    "low": "float64",
    "high": "float64",
    "images": "int64",
}
ROC: Columns = {
    "label": "str",
    "false_positive_rate": "float64",
    "true_positive_rate": "float64",
    "threshold": "float64",
}
# `label` is "" for a score of all classes; `low` and `high` are the ends of an interval.
SCORES: Columns = {
    "split": "str",
    "label": "str",
    "score": "str",
    "value": "float64",
    "low": "Float64",
    "high": "Float64",
    "images": "int64",
}


def read_table(path: Path, columns: Columns) -> pd.DataFrame:
    """A CSV file with exactly these columns. Raises InputError if it is missing or another table.

    Text is not converted: an empty cell is "", and "NA" is a word.
    """
    return _read(path, lambda content: parse_table(content, columns))


def read_predictions(path: Path) -> pd.DataFrame:
    """As `read_table`, a table PREDICTIONS with the columns of its labels."""
    return _read(path, parse_predictions)


def _read(path: Path, parse: Callable[[bytes], pd.DataFrame]) -> pd.DataFrame:
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Run `dvc repro` to make it.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}. Run `dvc repro` to make it again.") from None


def parse_table(content: bytes, columns: Columns) -> pd.DataFrame:
    """As `read_table`, from the bytes of a file. Raises ValueError if it is another table."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # as for a row with more values
            frame = pd.read_csv(
                io.BytesIO(content),
                dtype=columns,
                na_values={name: "" for name, kind in columns.items() if kind == "Float64"},
                keep_default_na=False,
                index_col=False,
                encoding="utf-8",
            )
        if list(frame) != list(columns):
            raise ValueError(f"the columns {', '.join(map(str, frame))}")
        # pandas fills a row of too few cells. Our tables have no empty cell in the last column.
        if (frame.iloc[:, -1] == "").any():
            raise ValueError("a row with fewer values")
    except (ValueError, OverflowError, Warning) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"expected a table with the columns {', '.join(columns)}. Received: {reason}"
        ) from None
    return frame


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


def write_table(path: Path, frame: pd.DataFrame, columns: Columns) -> None:
    """Write these columns of the rows, in this order; floats with six significant digits."""
    with replacing(path) as partial:
        frame[list(columns)].astype(columns).to_csv(
            partial, index=False, lineterminator="\n", encoding="utf-8", float_format="%.6g"
        )
