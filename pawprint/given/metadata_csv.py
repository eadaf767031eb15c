"""Read metadata.csv, a table in the source that gives each image a label, split and group.

The columns are the same as in ImageFolder: https://huggingface.co/docs/datasets/image_dataset
"""

import csv
import io
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

from pawprint.base.columns import CROP_RULE, CROPS, METADATA
from pawprint.base.errors import InputError, printable
from pawprint.given.archive import Archive, UnusableImageError, read_member
from pawprint.given.names import SPLIT_OF_FOLDER, first_split, is_visible
from pawprint.given.user_tables import csv_rows, require_files

if TYPE_CHECKING:
    import pandas as pd

FILE_NAME = "metadata.csv"
OWN_COLUMNS = {"file_name", "label", "split", "group"}


class CsvRow(NamedTuple):
    """A row of a metadata.csv."""

    label: str
    split: str  # train, validation, test or ""
    group: str  # or ""
    further: dict[str, str]  # non-empty cells in other columns


Rows = dict[str, CsvRow]  # keyed by member


def is_metadata(name: str) -> bool:
    """Return whether a member is a metadata.csv outside hidden folders and system folders."""
    return posixpath.basename(name) == FILE_NAME and is_visible(name)


def read_metadata_csv(archive: Archive, names: list[str]) -> Rows | None:
    """Return the rows from every metadata.csv in the archive, keyed by member, or None without one.

    Paths are relative to the CSV file's folder. If a row has no split, the innermost folder above
    the image that is named like a split determines the split. Raises InputError, with the line
    number, for missing columns, an empty file name or label, images that are missing from the
    archive, an image that is listed twice, and an unknown split.
    """
    return parse_metadata_csv(archive.filename, names, partial(read_member, archive))


def parse_metadata_csv(archive: str, names: list[str], read: Callable[[str], bytes]) -> Rows | None:
    """Parse rows like `read_metadata_csv`, for the files `names`, whose content `read` returns.

    Messages refer to the archive or folder as `archive`.
    """
    members = {normalize("NFC", name.removeprefix("./")): name for name in names}
    rows_by_member: Rows = {}
    for name in filter(is_metadata, names):
        where = f"{archive}: {printable(name)}"
        folder = posixpath.dirname(name)
        try:
            rows = csv_rows(read(name), where, ("file_name", "label"))
        except UnusableImageError as error:
            raise InputError(f"{where}: {printable(str(error))}") from None
        missing = []
        for line, row in rows:
            cells = {column: cell.strip() for column, cell in row.items()}
            path = posixpath.join(folder, cells["file_name"])
            member = members.get(normalize("NFC", posixpath.normpath(path)), "")
            if cells["file_name"] and not member:
                missing.append((line, cells["file_name"]))
            elif problem := _row_problem(cells, member, rows_by_member):
                raise InputError(f"{where}: line {line}: {printable(problem)}")
            else:
                rows_by_member[member] = _parse_row(cells, member)
        expected = "a path to a file, relative to the CSV and with / as separator"
        near = (posixpath.relpath(n, folder or ".") for n in {*names} - {"", *rows_by_member})
        require_files(where, missing, expected, near)
    return rows_by_member if any(map(is_metadata, names)) else None


def _parse_row(cells: dict[str, str], member: str) -> CsvRow:
    split = first_split([cells.get("split", ""), *reversed(member.split("/")[:-1])])
    label = normalize("NFC", cells["label"])
    further = {name: cell for name, cell in cells.items() if cell and name not in OWN_COLUMNS}
    return CsvRow(label, split, cells.get("group", ""), further)


def _row_problem(cells: dict[str, str], member: str, rows: Rows) -> str | None:
    name = cells["file_name"]
    label = cells["label"]
    split = cells.get("split", "")
    if not name or not label:
        return f"expected a file_name and a label. Received: {name!r} and {label!r}. Add them."
    if member in rows:
        return (
            f"expected each image once. Received: {name!r} again, labelled {label}; it was "
            f"{rows[member].label} above. Remove one of the lines."
        )
    if split and split.lower() not in SPLIT_OF_FOLDER:
        splits = ", ".join(SPLIT_OF_FOLDER)
        return f"expected a split: {splits}. Received: {split!r}. Correct it."
    return None


def further_columns(rows: Rows | None, paths: Iterable[str]) -> "pd.DataFrame":
    """Return the METADATA table for these images."""
    import pandas as pd  # imported here because it is slow and `code` does not need it

    cells = [
        (path, *cell)
        for path in paths
        for cell in (rows[path].further.items() if rows and path in rows else ())
    ]
    return pd.DataFrame(cells, columns=list(METADATA))


def crop_rule_of(metadata: "pd.DataFrame", paths: Iterable[str]) -> str | None:
    """Return the rule by which most of these images were cut, or None if most are whole photos.

    `metadata` is the METADATA table.
    """
    return next(iter(_count_crop_rules(metadata, paths)), "") or None


def describe_crop_rules(metadata: "pd.DataFrame", paths: Iterable[str]) -> str:
    """Return a line about images that were cut by several rules, or are partly whole, or ""."""
    counts = _count_crop_rules(metadata, paths)
    each = (f"{number:,} {rule or 'whole photos'}" for rule, number in counts.items())
    line = f"{CROPS}: {', '.join(each)}; `predict --boxes` will follow the most frequent"
    return line if len(counts) > 1 else ""


def _count_crop_rules(metadata: "pd.DataFrame", paths: Iterable[str]) -> dict[str, int]:
    """Return how many images were cut by each rule, or by none, "", the most frequent first."""
    rows = metadata[(metadata["column"] == CROPS) & metadata["value"].str.fullmatch(CROP_RULE)]
    rule_of = dict(zip(rows["path"], rows["value"]))
    return dict(Counter(rule_of.get(path, "") for path in paths).most_common())


def metadata_csv(photos: Mapping[str, Mapping[str, str]]) -> str:
    """Return a metadata.csv of the photos that have a label, given their cells by name."""
    columns = dict.fromkeys(["file_name", *(name for cells in photos.values() for name in cells)])
    text = io.StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows({"file_name": name, **photos[name]} for name in photos if photos[name]["label"])
    return text.getvalue()
