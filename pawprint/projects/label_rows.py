"""Change rows of CSV files with labels, so that each change can be undone.

All changes in a project are made under one lock. Cells that are not changed stay as they are.
"""

import contextlib
import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import AcquireReturnProxy, FileLock

from pawprint.dataset.user_tables import MARKS, Cells, csv_rows, parse_csv
from pawprint.errors import InputError
from pawprint.files import replacing, write_text
from pawprint.named_file import naming, read_bytes

LABELS_LOCK = Path(".dvc/tmp/labels.lock")  # shared by all sessions and processes in the project
Change = TypeVar("Change")
# Cells in the row of each image (see `image_of`), or None for no row.
Changes = dict[str, Cells | None]


def lock_of(project: Path) -> FileLock:
    """Return the lock of a project's labels, which a thread can acquire again while it holds it."""
    # Another lock of the same file would wait for this one.
    return NamedLock((project / LABELS_LOCK).resolve(), is_singleton=True)


class NamedLock(FileLock):
    """A lock whose errors include its name, for example on a network drive without locks."""

    def acquire(self, *arguments: Any, **options: Any) -> AcquireReturnProxy:
        """Acquire the lock. Raises OSError with its name."""
        with naming(self.lock_file):
            return super().acquire(*arguments, **options)


@dataclass(frozen=True)
class Written:
    """A change to rows in a CSV file, made under the lock of a project."""

    project: Path
    table: Path
    key: str
    before: Changes
    after: Changes

    def __call__(self) -> "Written":
        """Undo the change and return a function that redoes it.

        Raises InputError, without changing anything, if the rows no longer match `after`, and
        InputError or OSError if the file cannot be read.
        """
        return write_rows(self.project, self.table, self.key, self.before, self.after)


@contextlib.contextmanager
def kept_on_error(tables: Iterable[Path]) -> Iterator[None]:
    """Restore CSV files if the block, which changes them, fails."""
    before = {table: read_bytes(table) if os.path.lexists(table) else None for table in tables}
    try:
        yield
    except (InputError, OSError):
        for table, content in before.items():
            if content is None:
                table.unlink(missing_ok=True)
            elif read_bytes(table) != content:
                with replacing(table) as partial:
                    partial.write_bytes(content)
        raise


def all_or_none(changes: Iterable[Change]) -> list[Change]:
    """Make changes by taking them, and return them. If one fails, undo the others by calling them.

    A change that cannot be undone is None.
    """
    made: list[Change] = []
    try:
        for change in changes:
            made.append(change)
    except (InputError, OSError):
        for undo in filter(callable, reversed(made)):
            undo()
        raise
    return made


def take_back(project: Path, changes: Iterable[Callable[[], object]]) -> None:
    """Undo changes in this order. Raises InputError or OSError, without changing anything."""
    with lock_of(project):
        all_or_none(change() for change in changes)


def read_rows(table: Path, key: str) -> list[Cells]:
    """Return the rows of a CSV with the columns `key` and `label`, or [] if it is missing.

    Raises InputError.
    """
    return [row for _, row in csv_rows(_content(table, key), str(table), (key, "label"))]


def image_of(row: Cells, key: str) -> str:
    """Return the identity of the image in a row: `pixels_sha256` or, if empty, `key`."""
    return row.get("pixels_sha256") or row[key]


def write_rows(
    project: Path, table: Path, key: str, changes: Changes, written: Changes | None = None
) -> Written:
    """Change cells in a CSV file. Columns that are needed are added, and other cells are kept.

    Returns the change, which can be undone. Raises InputError, without changing anything, if the
    cells no longer match `written`, and InputError or OSError if the file cannot be read.
    """
    with lock_of(project):
        content = _content(table, key)
        header, columns, lines, separator = parse_csv(content, str(table), (key, "label"))
        rows = [dict(zip(columns, cells)) for _, cells in lines]
        for image, cells in (written or {}).items():
            present = next((row for row in rows if image_of(row, key) == image), {})
            if not (present and _has(present, cells) if cells else not present):
                raise InputError(
                    f"{table}: {present.get(key, image)}: cannot undo the label: it has been "
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
            image = image_of(row, key)
            cells = changes.get(image, {})
            if image in changes:
                replaced[image] = {name: row.get(name, "") for name in cells or row}
            if cells is not None:
                writer.writerow(row | cells)
        # The `split` stage accepts splits only for all images or for none.
        split = {"split": "train"} if rows and all(row.get("split") for row in rows) else {}
        added = [cells for image, cells in changes.items() if cells and image not in replaced]
        writer.writerows(split | cells for cells in added)
        # The file is always written in UTF-8.
        mark = "\ufeff" if content.startswith((*MARKS,)) else ""
        write_text(table, mark + text.getvalue())
    return Written(project, table, key, dict.fromkeys(changes) | replaced, changes)


def _has(row: Cells, cells: Cells) -> bool:
    return all(row.get(name, "") == cell for name, cell in cells.items())


def _content(table: Path, key: str) -> bytes:
    # A broken link may point to a drive that is reconnected later.
    return read_bytes(table) if os.path.lexists(table) else f"{key},label\n".encode()
