"""Files that stages write."""

from pathlib import Path

import pandas as pd

from pawprint import project
from pawprint.columns import SPLIT, Columns
from pawprint.errors import InputError
from pawprint.tables import read_table

Stamp = tuple[tuple[int, int], ...]


def stamp(path: Path) -> Stamp:
    """Modification time in ns and size in bytes of a file, or of each file of a folder.

    What is cached under it is read again when the file changes. Raises InputError.
    """
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        return tuple((status.st_mtime_ns, status.st_size) for status in map(Path.stat, files))
    except OSError:
        raise InputError(
            f"{path}: no such file. Run `dvc pull` to fetch it from the remote, or `dvc repro` to "
            "make it."
        ) from None


def table(path: Path, columns: Columns) -> pd.DataFrame:
    """The rows of a CSV file with these columns. Raises InputError."""
    stamp(path)
    return read_table(path, columns)


def at_present(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the present `path` of the image of their `pixels_sha256`, without others.

    Raises InputError.
    """
    images = table(project.SPLIT_CSV, SPLIT)[["path", "pixels_sha256"]]
    return rows.drop(columns="path").merge(images, on="pixels_sha256")
