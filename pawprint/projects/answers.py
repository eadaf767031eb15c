"""Read the answers of a model: the log of a service, or a table of `pawprint predict`."""

import json
from collections.abc import Collection, Iterator, Sequence
from math import nan
from pathlib import Path
from unicodedata import normalize

from pawprint.classes import UNKNOWN, UNSURE
from pawprint.dataset.user_tables import Cells, csv_rows
from pawprint.errors import InputError, name_some, printable
from pawprint.named_file import read_bytes, reading

KEYS = {"pixels_sha256", "label", "probabilities", "model"}  # keys that a line must have
# Reasons for ignoring rows in a table.
TORN = "in incomplete rows"
OTHER_MODEL = "of another model"
COPY = "copies"


def read_answers(path: Path, labels: Sequence[str], has_scores: bool) -> list[dict]:
    """Read a log or a table of `predict`, as CSV or JSON lines, into rows like `predict_each`.

    With `has_scores`, each row must have a number as `unknown_score`. An incomplete line of JSON,
    for example after a power failure, has the error TORN instead of a label. Raises InputError for
    any other file, and for a CSV table with other labels. JSON lines with other labels are
    attributed to another model.
    """
    where = printable(str(path))
    with reading():
        content = read_bytes(path)
    names = [_column_of(label) for label in labels]
    if has_scores:
        names.append("unknown_score")
    columns = ("label", *names, "pixels_sha256", "model")
    is_json = is_json_lines(content)
    found = (
        _cells_of_lines(content, where, labels) if is_json else csv_rows(content, where, columns)
    )
    rows: list[dict] = []
    for line, cells in found:
        label = cells["label"]
        numbers = [_number(cells[name]) for name in names]
        are_right = all(0 <= number <= 1 for number in numbers[: len(labels)])
        are_right &= numbers[-1] == numbers[-1]  # excludes NaN
        if label and not (are_right and label in (*labels, UNSURE, UNKNOWN)):
            raise InputError(
                f"{where}: line {line}: expected the label {', '.join(labels)}, {UNSURE} or "
                f"{UNKNOWN}, and numbers as `pawprint predict` writes them. Received: "
                f"{printable(', '.join([label, *(cells[name] for name in names)]))}."
            )
        row: dict = {"path": f"line {line}", "error": ""} | cells
        if not label:
            row["error"] = row["error"] or "no label"
        row |= {"path": printable(row["path"]), "error": printable(row["error"])}
        row["unknown_score"] = numbers[-1] if has_scores else None
        rows.append(row | {"probabilities": dict(zip(labels, numbers))})
    return rows


def is_json_lines(content: bytes) -> bool:
    """Return whether a file consists of JSON lines, or is empty like a log without answers."""
    return content.lstrip()[:1] in (b"", b"{")


def records_in(content: bytes) -> Iterator[tuple[int, dict | None]]:
    """Yield the number and the object of each line, or None for an incomplete line."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            yield number, record if isinstance(record, dict) else None


def _cells_of_lines(
    content: bytes, where: str, labels: Sequence[str]
) -> Iterator[tuple[int, Cells]]:
    """Yield the cells in each line of a log, named like CSV columns.

    The error of an incomplete line is TORN. The model of a line with other labels is OTHER_MODEL.
    """
    empty = dict.fromkeys(("label", "model", "unknown_score", *map(_column_of, labels)), "")
    for line, record in records_in(content):
        if record is None:
            yield line, empty | {"error": TORN}
            continue
        probabilities = record.get("probabilities", "none")
        if not record.keys() >= KEYS or not isinstance(probabilities, dict | None):
            raise InputError(
                f"{where}: line {line}: expected a line of `pawprint serve --log` or `pawprint "
                f"predict --format jsonl`. Received: the keys {printable(', '.join(record))}."
            )
        known = probabilities or {}
        if known and known.keys() != {*labels}:
            record |= {"label": None, "model": OTHER_MODEL}
        numbers = {_column_of(label): known.get(label) for label in labels}
        cells = {"unknown_score": None} | record | numbers
        yield line, {key: _cell(value) for key, value in cells.items()}


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _column_of(label: str) -> str:
    return normalize("NFC", f"probability_{label}".lower())


def rows_with(source: Path, columns: Collection[str]) -> list[Cells]:
    """Return the complete rows in a table of `predict`, as CSV or JSON lines.

    Raises InputError if the table cannot be read, or lacks one of the columns.
    """
    where = printable(str(source))
    with reading():
        content = read_bytes(source)
    if not is_json_lines(content):
        return [cells for _, cells in csv_rows(content, where, columns)]
    records = [(line, record) for line, record in records_in(content) if record is not None]
    for line, record in records:
        if missing := [name for name in columns if name not in record]:
            raise InputError(
                f"{where}: line {line}: expected the keys {', '.join(columns)}, as from `pawprint "
                f"predict --format jsonl`. Received: no {missing[0]}."
            )
    return [{key: _cell(value) for key, value in record.items()} for _, record in records]


def refuse_corrected(source: Path, corrected: Sequence[str]) -> None:
    """Raise InputError if a table has labels that its model did not predict, with their photos."""
    if corrected:
        raise InputError(
            f"{printable(str(source))}: expected the labels that the model predicted. Received: "
            f"{name_some(corrected)}. Put corrected labels in a metadata.csv, or move the photos "
            "into folders named after the classes; then `pawprint score` their folder, or add them "
            "to the project."
        )


def _number(cell: str) -> float:
    """Return the number in a cell, or NaN if there is none."""
    try:
        return float(cell.replace(",", "."))  # spreadsheets in many languages write a decimal comma
    except ValueError:
        return nan


def select_answers(
    rows: Sequence[dict], model: str | None
) -> tuple[list[dict], dict[str, int], list[dict]]:
    """Return a model's answers, each image only once, from rows as `predict_each` returns them.

    Also returns the number of ignored rows by reason, and the rows without a label.
    """
    whole = [row for row in rows if row["error"] != TORN]
    own = [row for row in whole if row["model"] == (model or "")]
    labelled = [row for row in own if row["label"]]
    once = list({row["pixels_sha256"]: row for row in reversed(labelled)}.values())[::-1]
    left_out = {
        TORN: len(rows) - len(whole),
        OTHER_MODEL: len(whole) - len(own),
        COPY: len(labelled) - len(once),
    }
    return once, left_out, [row for row in own if not row["label"]]
