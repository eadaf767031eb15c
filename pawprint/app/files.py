"""Files that stages write."""

from pathlib import Path

import pandas as pd

from pawprint import project
from pawprint.columns import IMAGE_DIGITS, SPLIT
from pawprint.tables import read_table

Stamp = tuple[tuple[int, int], ...]


def stamp(path: Path) -> Stamp:
    """Modification time in ns and size in bytes of a file, or of each file of a folder.

    What is cached under it is read again when the file changes.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = (file.stat() for file in files if file.exists())
    return tuple((status.st_mtime_ns, status.st_size) for status in found)


def at_present(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the present `path` and `pixels_sha256` of their image, without others.

    It is known by `pixels_sha256`, or by the `image` of a table PREDICTED_CLASSES. Raises
    InputError.
    """
    images = read_table(project.SPLIT_CSV, SPLIT)[["path", "pixels_sha256"]]
    images["image"] = images["pixels_sha256"].str[:IMAGE_DIGITS]
    key = "image" if "image" in rows else "pixels_sha256"
    return rows.drop(columns="path", errors="ignore").merge(images, on=key)
