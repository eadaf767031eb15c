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

Row = dict[str, str]  # by column, in lower case


def read_rows(table: Path, key: str) -> list[Row]:
    """The rows of a CSV with the columns `key` and `label`; none without the file.

    Raises InputError.
    """
    return [row for _, row in csv_rows(_content(table, key), str(table), (key, "label"))]


def read_labels(table: Path, key: str) -> dict[str, str]:
    """The labels in a CSV by its column `key`; none without the file. Raises InputError."""
    return {row[key]: row["label"] for row in read_rows(table, key)}


def write_labels(table: Path, key: str, labels: dict[str, str | None]) -> dict[str, str | None]:
    """Write labels in place of those in a CSV; None removes a row. Other rows stay as they are.

    Returns the labels before: writing them takes the change back. Raises InputError, or OSError if
    the file cannot be read.
    """
    with alone(table):
        return rewrite(table, key, labels)


def rewrite(table: Path, key: str, labels: dict[str, str | None]) -> dict[str, str | None]:
    """As `write_labels`, for one who is `alone` with the table."""
    known, content = read_rows(table, key), _content(table, key)
    mark = "\ufeff" * content.startswith(codecs.BOM_UTF8)
    lines = list(io.StringIO(content.decode("utf-8-sig"), newline=""))  # with their ends
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    rows = csv.reader(lines, strict=True)
    columns = [name.strip().lower() for name in next(rows)]

    def line(row: Row) -> str:
        text = io.StringIO()
        csv.DictWriter(text, columns, lineterminator=end).writerow(row)
        return text.getvalue()

    start, before = rows.line_num, {}
    kept = lines[:start]
    for cells in rows:
        found, start = lines[start : rows.line_num], rows.line_num
        row = dict(zip(columns, cells))  # {} of an empty line
        if row and row[key] in labels:
            before[row[key]], label = row["label"], labels[row[key]]
            if label != row["label"]:
                found = [line(row | {"label": label})] if label else []
        kept += found
    if not kept[-1].endswith(("\r", "\n")):
        kept.append(end)
    new = dict.fromkeys(columns, "")
    if "split" in new:
        new["split"] = split_of_new(known)
    added = {name: label for name, label in labels.items() if label and name not in before}
    kept += [line(new | {key: name, "label": label}) for name, label in added.items()]
    write_text(table.resolve(), mark + "".join(kept))
    return {name: before.get(name) for name in labels}


def split_of_new(rows: list[Row]) -> str:
    """The split of a new row: the stage `split` accepts splits of all images or of none."""
    return "train" if rows and all(row.get("split") for row in rows) else ""


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
