"""Change rows of labels.csv, so that each change can be undone.

All changes in a project are made under one lock. Cells that are not changed stay as they are.
"""

import csv
import io
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from filelock import FileLock

from pawprint.base.errors import InputError
from pawprint.base.files import read_bytes, write_text
from pawprint.data.user_tables import LABEL_COLUMNS, MARKS, Cells, csv_rows, parse_csv

LABELS_LOCK = Path(".dvc/tmp/labels.lock")  # shared by all sessions and processes in the project
# Cells in the row of each image (see `image_of`), or None for no row.
Changes = dict[str, Cells | None]
# Undoes a change. Raises InputError, without changing anything, if its rows were changed since.
Undo = Callable[[], object]


def lock_of(project: Path) -> FileLock:
    """Return the lock of a project's labels, which a thread can acquire again while it holds it."""
    # Another lock of the same file would wait for this one.
    return FileLock((project / LABELS_LOCK).resolve(), is_singleton=True)


def read_rows(table: Path) -> list[Cells]:
    """Return the rows of a labels.csv, or [] if it is missing. Raises InputError."""
    return [row for _, row in csv_rows(_content(table), str(table), LABEL_COLUMNS)]


def image_of(row: Cells) -> str:
    """Return the identity of the image in a row: `pixels_sha256` or, if empty, `path`."""
    return row.get("pixels_sha256") or row["path"]


def write_rows(table: Path, changes: Changes, written: Changes | None = None) -> Undo:
    """Change cells in a labels.csv. Columns that are needed are added, and other cells are kept.

    Returns a function that undoes the change. Raises InputError, without changing anything, if the
    cells no longer match `written`, and InputError or OSError if the file cannot be read.
    """
    with lock_of(table.parent):
        content = _content(table)
        header, columns, lines, separator = parse_csv(content, str(table), LABEL_COLUMNS)
        rows = [dict(zip(columns, cells)) for _, cells in lines]
        for image, cells in (written or {}).items():
            present = next((row for row in rows if image_of(row) == image), {})
            if not (present and _has(present, cells) if cells else not present):
                raise InputError(
                    f"{table}: {present.get('path', image)}: cannot undo the label: it has been "
                    "changed since, so it is kept."
                )
        cells_of_all = [item for cells in changes.values() for item in (cells or {}).items()]
        names = dict.fromkeys(name for name, cell in cells_of_all if cell)
        added_columns = [name for name in names if name not in columns]
        text = io.StringIO()
        end = "\r\n" if b"\r\n" in content.replace(b"\0", b"") else "\n"
        fields = columns + added_columns
        writer = csv.DictWriter(
            text, fields, "", extrasaction="ignore", delimiter=separator, lineterminator=end
        )
        writer.writerow(dict(zip(fields, header + added_columns)))
        replaced: Changes = {}
        for row in rows:
            image = image_of(row)
            cells = changes.get(image, {})
            if image in changes:
                replaced[image] = {name: row.get(name, "") for name in cells or row}
            if cells is not None:
                writer.writerow(row | cells)
        added = [cells for image, cells in changes.items() if cells and image not in replaced]
        writer.writerows(added)
        # The file is always written in UTF-8.
        mark = "\ufeff" if content.startswith((*MARKS,)) else ""
        write_text(table, mark + text.getvalue())
    return partial(write_rows, table, dict.fromkeys(changes) | replaced, changes)


def _has(row: Cells, cells: Cells) -> bool:
    return all(row.get(name, "") == cell for name, cell in cells.items())


def _content(table: Path) -> bytes:
    # A broken link may point to a drive that is reconnected later.
    return read_bytes(table) if os.path.lexists(table) else f"{','.join(LABEL_COLUMNS)}\n".encode()
