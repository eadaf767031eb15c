"""Tables: pandas DataFrames in code, CSV on disk with the same bytes on every platform.

The columns of each table are in modules of their own, so that a stage depends on its own only.
"""

import io
import warnings
from pathlib import Path

import pandas as pd

from pawprint.core.errors import printable
from pawprint.core.files import parse_file, replacing

# The columns of each table with their dtypes. A cell of a Float64 column may be empty.
Columns = dict[str, str]


def read_table(path: Path, columns: Columns) -> pd.DataFrame:
    """A CSV file with exactly these columns. Raises InputError if it is missing or another table.

    Text is not converted: an empty cell is "", and "NA" is a word.
    """
    return parse_file(path, lambda content: parse_table(content, columns))


def parse_table(content: bytes, columns: Columns) -> pd.DataFrame:
    """As `read_table`, from the bytes of a file. Raises ValueError if it is another table."""
    try:
        with warnings.catch_warnings():
            # As for a row with more values. Only this one: the filters are those of all threads.
            warnings.simplefilter("error", pd.errors.ParserWarning)
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
        # Columns of probabilities have names of the file.
        expected = f"expected a table with the columns {', '.join(columns)}. Received: {reason}"
        raise ValueError(printable(expected)) from None
    return frame


def write_table(path: Path, frame: pd.DataFrame, columns: Columns) -> None:
    """Write these columns of the rows, in this order; floats with six significant digits."""
    with replacing(path) as partial:
        frame[list(columns)].astype(columns).to_csv(
            partial, index=False, lineterminator="\n", encoding="utf-8", float_format="%.6g"
        )
