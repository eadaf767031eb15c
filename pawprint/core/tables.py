"""Tables: pandas DataFrames in code, CSV on disk with the same bytes on every platform."""

import io
import warnings
from pathlib import Path

import pandas as pd

from pawprint.core.errors import InputError
from pawprint.core.files import replacing

# The columns of each table with their dtypes.
Columns = dict[str, str]
SOURCE_TABLE: Columns = {"path": "str", "split": "str", "label": "str"}
IMAGES: Columns = {
    "path": "str",
    "label": "str",
    "archive_split": "str",
    "width": "int64",
    "height": "int64",
    "pixels_sha256": "str",
    "perceptual_hash": "str",
}
REJECTED: Columns = {"path": "str", "reason": "str", "detail": "str"}
SPLIT: Columns = {"path": "str", "label": "str", "split": "str", "pixels_sha256": "str"}
NEAR_DUPLICATES: Columns = {
    "group": "str",
    "path": "str",
    "label": "str",
    "archive_split": "str",
    "split": "str",
    "nearest": "str",
    "distance": "int64",
}
HISTORY: Columns = {
    "epoch": "int64",
    "learning_rate": "float64",
    "accuracy": "float64",
    "loss": "float64",
    "validation_accuracy": "float64",
    "validation_loss": "float64",
}
PREDICTIONS: Columns = {
    "path": "str",
    "actual": "str",
    "predicted": "str",
    "probability": "float64",
}
LIKELY_WRONG_LABELS: Columns = {
    "path": "str",
    "label": "str",
    "likely": "str",
    "split": "str",
    "probability": "float64",
}
RELIABILITY: Columns = {
    "split": "str",
    "calibrated": "str",
    "probability": "float64",
    "fraction": "float64",
    "low": "float64",
    "high": "float64",
    "images": "int64",
}
ROC: Columns = {
    "false_positive_rate": "float64",
    "true_positive_rate": "float64",
    "threshold": "float64",
}


def read_table(path: Path, columns: Columns) -> pd.DataFrame:
    """A CSV file with exactly these columns. Raises InputError if it is missing or another table.

    Text is not converted: an empty cell is "", and "NA" is a word.
    """
    try:
        return parse_table(path.read_bytes(), columns)
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
                na_filter=False,
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


def write_table(path: Path, frame: pd.DataFrame, columns: Columns) -> None:
    """Write these columns of the rows, in this order; floats with six significant digits."""
    with replacing(path) as partial:
        frame[list(columns)].astype(columns).to_csv(
            partial, index=False, lineterminator="\n", encoding="utf-8", float_format="%.6g"
        )
