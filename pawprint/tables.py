"""Tables: pandas DataFrames in code, CSV on disk with the same bytes on every platform."""

import csv
import io
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.classes import log_losses
from pawprint.errors import printable
from pawprint.files import parse_file, replacing
from pawprint.project import ADDED, PREDICTIONS, PROBABILITY, UNKNOWN_SCORE, Columns

# Digits of `pixels_sha256` in `image`, likely to differ among a million images.
IMAGE_DIGITS = 16


def read_table(path: Path, columns: Columns) -> pd.DataFrame:
    """Read a CSV file with exactly these columns.

    Text is not converted: an empty cell is "", and "NA" is a word. Columns in ADDED are empty where
    the file has none. Raises InputError if the file is missing or another table.
    """
    return parse_file(path, lambda content: parse_table(content, columns))


def parse_table(content: bytes, columns: Columns) -> pd.DataFrame:
    """Read a table from the bytes of a file. Raises ValueError if it is another table."""
    try:
        with warnings.catch_warnings():
            # For a row with more values. Only this warning, as all threads share the filters.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(content),
                dtype=columns,
                na_values={name: "" for name, kind in columns.items() if kind == "Float64"},
                keep_default_na=False,
                index_col=False,
                encoding="utf-8",
            )
        added = [name for name in columns if name in ADDED and name not in frame]
        if list(frame) != [name for name in columns if name not in added]:
            raise ValueError(f"the columns {', '.join(map(str, frame))}")
        # pandas fills a row of too few cells. Our tables have no empty cell in the last column.
        if (frame.iloc[:, -1] == "").any():
            raise ValueError("a row with fewer values")
    except (ValueError, OverflowError, Warning) as error:
        received = " ".join(str(error).split())
        # Columns of probabilities have names of the file.
        expected = f"expected a table with the columns {', '.join(columns)}. Received: {received}"
        raise ValueError(printable(expected)) from None
    return frame.assign(**dict.fromkeys(added, ""))[list(columns)].astype(columns)


def write_table(path: Path, frame: pd.DataFrame, columns: Columns) -> None:
    """Write these columns of the rows, in this order; floats with six significant digits.

    A missing text is an empty cell: pandas before 3 would write "nan".
    """
    texts = {name: "" for name, kind in columns.items() if kind == "str"}
    with replacing(path) as partial:
        frame[list(columns)].fillna(texts).astype(columns).to_csv(
            partial, index=False, lineterminator="\n", encoding="utf-8", float_format="%.6g"
        )


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a table PREDICTIONS with the columns of its labels, as `read_table`."""
    return parse_file(path, parse_predictions)


def parse_predictions(content: bytes) -> pd.DataFrame:
    """Read a table PREDICTIONS with a column of probabilities per label, as `parse_table`."""
    try:
        header = next(csv.reader([content.split(b"\n", 1)[0].decode()]), [])
    except (UnicodeDecodeError, csv.Error):
        header = []
    return parse_table(content, _prediction_columns(header))


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Write a table PREDICTIONS, as `write_table`."""
    write_table(path, predictions, _prediction_columns(predictions))


def _prediction_columns(names: Iterable[str]) -> Columns:
    numbers = [name for name in names if name.startswith(PROBABILITY) or name == UNKNOWN_SCORE]
    return PREDICTIONS | dict.fromkeys(numbers, "float64")


def predicted_labels(predictions: Iterable[str]) -> list[str]:
    """Return the labels of a table PREDICTIONS, or of its columns, in order, also of no image."""
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

    `rows` has the columns `path`, `label` and `pixels_sha256`, in the order of the images in
    `probabilities`, float64 `(images, classes)`, in `predicted`, the indices of `labels`, and in
    `unknown_scores`, float64 `(images,)`.
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
    """Return a table with the column `image` of PREDICTED_CLASSES, from its `pixels_sha256`."""
    return images.assign(image=images["pixels_sha256"].str[:IMAGE_DIGITS])


def spread(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return at most `number` rows at equal distances, with the first and the last."""
    return rows.iloc[np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(int)]


def training_images(split: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return at most `number` training images of a table SPLIT, with the lowest pixels_sha256."""
    return split[split["split"] == "train"].sort_values("pixels_sha256")[:number]
