"""Read and write tables: DataFrames in memory, and CSV files with reproducible bytes on disk."""

import io
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.base.columns import Columns
from pawprint.base.errors import printable
from pawprint.base.files import parse_file, replacing


def read_table(path: Path, columns: Columns) -> pd.DataFrame:
    """Read a CSV file that has exactly these columns.

    Text is not converted: an empty cell is "", and "NA" is a word. Raises
    InputError if the file is missing or contains another table.
    """
    return parse_file(path, lambda content: parse_table(content, columns))


def parse_table(content: bytes, columns: Columns) -> pd.DataFrame:
    """Parse a table from the bytes of a file. Raises ValueError if it is another table."""
    try:
        with warnings.catch_warnings():
            # pandas warns about rows with too many values. Catch only this warning, because all
            # threads share the filters.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(content),
                dtype=columns,
                na_values={name: "" for name, kind in columns.items() if kind == "Float64"},
                keep_default_na=False,
                index_col=False,
                encoding="utf-8",
                lineterminator="\n",  # otherwise, a carriage return in a cell ends the row
            )
        if list(frame) != list(columns):
            raise ValueError(f"the columns {', '.join(map(str, frame))}")
        # pandas fills rows that have too few cells. In our tables, the last column is never empty.
        if (frame.iloc[:, -1] == "").any():
            raise ValueError("a row with fewer values")
    except (ValueError, OverflowError, Warning) as error:
        received = " ".join(str(error).split())
        # The names of probability columns come from the file.
        expected = f"expected a table with the columns {', '.join(columns)}. Received: {received}"
        raise ValueError(printable(expected)) from None
    return frame.astype(columns).copy()  # one block for each type, however many labels there are


def write_table(path: Path, frame: pd.DataFrame, columns: Columns) -> None:
    """Write these columns in this order, with six significant digits for floats.

    Missing text becomes an empty cell, because pandas before version 3 would write "nan".
    """
    texts = {name: "" for name, kind in columns.items() if kind == "str"}
    with replacing(path) as partial:
        frame[list(columns)].fillna(texts).astype(columns).to_csv(
            partial, index=False, lineterminator="\n", encoding="utf-8", float_format="%.6g"
        )


def spread(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return at most `number` evenly spaced rows, including the first and the last."""
    return rows.iloc[np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(int)]


def training_images(split: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return at most `number` training images of a SPLIT table, by lowest `pixels_sha256`."""
    return split[split["split"] == "train"].sort_values("pixels_sha256")[:number]
