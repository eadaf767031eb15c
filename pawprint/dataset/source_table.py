"""A CSV or TSV of labels as `fetch.source`: path, label and perhaps split of each image."""

import csv
from pathlib import Path, PurePosixPath

import pandas as pd

from pawprint.core.errors import CONTROL_CHARACTERS, InputError, printable
from pawprint.core.tables import SOURCE_TABLE
from pawprint.dataset.packing import Files
from pawprint.dataset.split_names import SPLIT_OF_FOLDER

DELIMITERS = {".csv": ",", ".tsv": "\t"}
COLUMNS = (["path", "label"], ["path", "label", "split"])  # in any order


def is_table(path: Path) -> bool:
    return path.suffix.lower() in DELIMITERS


def read_source_table(path: Path) -> pd.DataFrame:
    """The rows with the columns of SOURCE_TABLE, sorted by path; split is "" if the file has none.

    Raises InputError with the line number for another header, an empty cell, a path that is not
    below the folder of the table, that is no file, or that is listed twice, and an unknown split.
    """
    delimiter = DELIMITERS[path.suffix.lower()]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # Excel writes a byte order mark
            lines = csv.reader(file, delimiter=delimiter, strict=True)
            header = [name.strip().lower() for name in next(lines, [])]
            rows = [(lines.line_num, cells) for cells in lines if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: expected a table in UTF-8. Received: {error}. Save it again as "
            f"{path.suffix[1:].upper()} in UTF-8."
        ) from None

    def refuse(number: int, problem: str) -> None:
        raise InputError(f"{path}: line {number}: {printable(problem)}")

    if sorted(header) not in map(sorted, COLUMNS):
        expected = " or ".join(delimiter.join(columns) for columns in COLUMNS)
        refuse(
            1,
            f"expected the columns {expected}. Received: {delimiter.join(header)!r}. Rename or "
            f"remove columns, and separate them by {'commas' if delimiter == ',' else 'tabs'}.",
        )
    found: dict[str, dict] = {}
    for number, cells in rows:
        if len(cells) != len(header) or not all(cell.strip() for cell in cells):
            received = delimiter.join(cells)
            refuse(
                number,
                f"expected {len(header)} cells, none of them empty. Received: {received!r}. Fill "
                "them in, or remove the line.",
            )
        row = dict(zip(header, (cell.strip() for cell in cells)))
        name = PurePosixPath(row["path"]).as_posix()
        if problem := _problem(row, path.parent, name):
            refuse(number, problem)
        if name in found:
            before = found[name]["label"]
            refuse(
                number,
                f"expected each path once. Received: {name!r} again, as {row['label']} after "
                f"{before}. Remove one of the lines.",
            )
        split = SPLIT_OF_FOLDER[row["split"].lower()] if "split" in row else ""
        found[name] = {"path": name, "split": split, "label": row["label"]}
    if not found:
        raise InputError(f"{path}: expected a line for each image. Received: none. Add them.")
    return pd.DataFrame(found.values(), columns=list(SOURCE_TABLE)).sort_values("path")


def table_files(path: Path, table: pd.DataFrame) -> Files:
    """The images that the table at `path` lists, in its order."""
    return [(name, path.parent / name) for name in table["path"]]


def _problem(row: dict[str, str], folder: Path, name: str) -> str | None:
    path = PurePosixPath(name)
    if "\\" in name:
        return f"expected a path with /. Received: {name!r}. Replace each \\ by /."
    is_absolute = path.is_absolute() or name[1:2] == ":"
    if is_absolute or ".." in path.parts or CONTROL_CHARACTERS.search(name):
        return (
            f"expected a path below the folder of the table. Received: {name!r}. Move the table "
            "above its images, and write paths relative to it."
        )
    try:
        above = [folder / parent for parent in [path, *path.parents][:-1]]
        is_link = any(each.is_symlink() for each in above)
        is_file = (folder / name).is_file()
    except (OSError, ValueError):  # a name that no file can have
        is_link = is_file = False
    if is_link or not is_file:
        received = "which is a link" if is_link else "which does not exist"
        return (
            f"expected the path of a file, relative to the table. Received: {name!r}, {received}. "
            "Correct the path, or remove the line."
        )
    if "split" in row and row["split"].lower() not in SPLIT_OF_FOLDER:
        known = ", ".join(SPLIT_OF_FOLDER)
        return f"expected a split: {known}. Received: {row['split']!r}. Correct it."
    return None
