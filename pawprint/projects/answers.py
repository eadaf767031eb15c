"""Read the answers of a model: the log of a service, or a table of `pawprint predict`."""

import contextlib
import json
from collections.abc import Collection, Sequence
from math import nan
from pathlib import Path
from unicodedata import normalize

from pawprint.classes import UNKNOWN, UNSURE
from pawprint.columns import PROBABILITY
from pawprint.dataset.user_tables import Cells, csv_rows
from pawprint.errors import InputError, name_some, printable
from pawprint.named_file import read_bytes, reading

KEYS = ("pixels_sha256", "label", "probabilities", "model")  # in a line of JSON
# Reasons for ignoring rows in a table.
TORN = "in incomplete rows"
OTHER_MODEL = "of another model"
COPY = "copies"


def read_answers(path: Path, labels: Sequence[str], has_scores: bool) -> list[dict]:
    """Read a log or a table of `predict`, as CSV or JSON lines, into rows like `predict_each`.

    With `has_scores`, each row must have a number as `unknown_score`. An incomplete line of JSON,
    for example after a power failure, has the error TORN instead of a label. Raises InputError for
    any other file, and for a CSV table without one of the labels. Rows with other labels are
    attributed to another model.
    """
    of_labels = [_column_of(label) for label in labels]
    names = [*of_labels, "unknown_score"] if has_scores else of_labels
    empty = dict.fromkeys(("label", "model", "error", "unknown_score", *names), "")
    rows: list[dict] = []
    for line, given in _read_cells(path, ("label", *names, "pixels_sha256", "model"), KEYS):
        cells = {"path": f"line {line}"} | empty | given
        found = {name for name in given if name.startswith(PROBABILITY)}
        if found and found != {*of_labels}:
            cells |= {"label": "", "model": OTHER_MODEL}
        label = cells["label"]
        numbers = [_number(cells[name]) for name in names]
        are_right = all(0 <= number <= 1 for number in numbers[: len(labels)])
        are_right &= numbers[-1] == numbers[-1]  # excludes NaN
        if label and not (are_right and label in (*labels, UNSURE, UNKNOWN)):
            raise InputError(
                f"{printable(str(path))}: line {line}: expected the label {', '.join(labels)}, "
                f"{UNSURE} or {UNKNOWN}, and numbers as `pawprint predict` writes them. Received: "
                f"{printable(', '.join([label, *(cells[name] for name in names)]))}."
            )
        if not label:
            cells["error"] = cells["error"] or "no label"
        row: dict = cells | {key: printable(cells[key]) for key in ("path", "error")}
        row["unknown_score"] = numbers[-1] if has_scores else None
        rows.append(row | {"probabilities": dict(zip(labels, numbers))})
    return rows


def _read_cells(
    path: Path, columns: Collection[str], keys: Collection[str]
) -> list[tuple[int, Cells]]:
    """Return the number of each line in a log or a table of `predict`, and its cells by column.

    CSV must have these columns, and lines of JSON these keys. JSON gets the columns of CSV; an
    incomplete line has only an `error`, TORN. Raises InputError.
    """
    where = printable(str(path))
    with reading():
        content = read_bytes(path)
    if content.lstrip()[:1] not in (b"", b"{"):  # a log without answers is empty
        return csv_rows(content, where, columns)
    rows = []
    for line, text in enumerate(content.split(b"\n"), start=1):
        record = None
        with contextlib.suppress(ValueError):
            record = json.loads(text)
        if not isinstance(record, dict):
            rows += [(line, {"error": TORN})] if text.strip() else []
            continue
        probabilities = record.get("probabilities")
        missing = [key for key in keys if key not in record]
        if missing or not isinstance(probabilities, dict | None):
            raise InputError(
                f"{where}: line {line}: expected the keys {', '.join(keys)}, as `pawprint predict "
                "--format jsonl` or `pawprint serve --log` writes them. Received: "
                f"{'no ' + ' and no '.join(missing) if missing else 'other probabilities'}."
            )
        record |= {_column_of(label): value for label, value in (probabilities or {}).items()}
        cells = {key: "" if value is None else str(value) for key, value in record.items()}
        rows.append((line, cells))
    return rows


def _column_of(label: str) -> str:
    return normalize("NFC", f"{PROBABILITY}{label}".lower())


def rows_with(source: Path, columns: Collection[str]) -> list[Cells]:
    """Return the complete rows in a table of `predict`, as CSV or JSON lines.

    Raises InputError if the table cannot be read, or lacks one of the columns.
    """
    rows = (cells for _, cells in _read_cells(source, columns, columns))
    return [cells for cells in rows if cells.get("error") != TORN]


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
