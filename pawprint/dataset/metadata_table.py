"""Tabulate the further columns of metadata.csv, such as the camera or the place."""

from collections.abc import Iterable

import pandas as pd

from pawprint.columns import METADATA
from pawprint.dataset.metadata_csv import CsvRow


def further_columns(rows: dict[str, CsvRow] | None, paths: Iterable[str]) -> pd.DataFrame:
    """Return the METADATA table for these images."""
    cells = [
        (path, *cell)
        for path in paths
        for cell in (rows[path].further.items() if rows and path in rows else ())
    ]
    return pd.DataFrame(cells, columns=list(METADATA))
