"""Labels that a person gives in labels.csv or metadata.csv, written by one process at a time."""

import codecs
import contextlib
import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from pawprint.files import write_text
from pawprint.tables import csv_rows

Cells = dict[str, str]  # by column, in lower case
Changes = dict[str, Cells | None]  # cells of the row of each image, see `image_of`; None: no row


def read_rows(table: Path, key: str) -> list[Cells]:
    """The rows of a CSV with the columns `key` and `label`; none without the file.

    Raises InputError.
    """
    return [row for _, row in csv_rows(_content(table, key), str(table), (key, "label"))]


def image_of(row: Cells, key: str) -> str:
    """What the image of a row is known by: `pixels_sha256` or, without, the column `key`."""
    return row.get("pixels_sha256") or row[key]


def write_rows(table: Path, key: str, changes: Changes) -> Changes:
    """Write cells in place of those in a CSV. Columns that it lacks are added, other cells stay.

    Returns the cells before: writing them takes the change back. Raises InputError, or OSError if
    the file cannot be read.
    """
    with alone(table):
        return rewrite(table, key, changes)


def rewrite(table: Path, key: str, changes: Changes) -> Changes:
    """As `write_rows`, for one who is `alone` with the table."""
    known, content = read_rows(table, key), _content(table, key)
    mark = "\ufeff" * content.startswith(codecs.BOM_UTF8)
    (header, first), *records = _records(content.decode("utf-8-sig"))
    end = "\r\n" if first.endswith("\r\n") else "\n"
    columns = [name.strip().lower() for name in header]
    given = dict.fromkeys(name for cells in changes.values() for name in cells or ())
    more = [name for name in given if name not in columns]
    new = dict.fromkeys(columns + more, "")
    if "split" in new:
        # The stage `split` accepts splits of all images or of none.
        new["split"] = "train" if known and all(row.get("split") for row in known) else ""

    def line(row: Cells) -> str:
        text = io.StringIO()
        csv.DictWriter(text, list(new), lineterminator=end).writerow(row)
        return text.getvalue()

    text, before = _longer(first, more), {}
    for values, found in records:
        row = dict(zip(new, values + [""] * len(more)))
        if values:  # not an empty line
            found = _longer(found, [""] * len(more))
            image = image_of(row, key)
            if image in changes:
                cells = changes[image]
                before[image] = {name: row[name] for name in cells or row}
                if not cells:
                    found = ""
                elif not cells.items() <= row.items():
                    found = line(row | cells)
        text += found
    if not text.endswith(("\r", "\n")):
        text += end
    added = [cells for image, cells in changes.items() if cells and image not in before]
    text += "".join(line(new | cells) for cells in added)
    write_text(table.resolve(), mark + text)
    return {image: before.get(image) for image in changes}


@contextlib.contextmanager
def alone(table: Path) -> Iterator[None]:
    """No other thread or process is in such a block for this table, which need not exist."""
    table = table.resolve()
    table.parent.mkdir(parents=True, exist_ok=True)
    lock = table.with_name(f".{table.name}.lock")
    with FileLock(lock):
        try:
            yield
        finally:
            # `fetch` would pack it. Those who wait for a file that is gone lock a new one.
            with contextlib.suppress(OSError):  # Windows removes it when it is closed
                lock.unlink()


def _content(table: Path, key: str) -> bytes:
    # A link to a file that is missing may be to a drive that comes back.
    return table.read_bytes() if os.path.lexists(table) else f"{key},label\n".encode()


def _records(content: str) -> Iterator[tuple[list[str], str]]:
    """The cells and the text of each row of a CSV; there are no cells in an empty line."""
    lines = list(io.StringIO(content, newline=""))  # with their ends
    start, rows = 0, csv.reader(lines, strict=True)
    for cells in rows:
        yield cells, "".join(lines[start : rows.line_num])
        start = rows.line_num


def _longer(line: str, cells: list[str]) -> str:
    """The text of a row with more cells. Those that it has stay byte for byte."""
    text = line.rstrip("\r\n")
    return ",".join([text, *cells]) + line[len(text) :]
