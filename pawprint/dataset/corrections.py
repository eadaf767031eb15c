"""labels.csv: corrections by a person of the labels that the folders of the archive give."""

import csv
from collections.abc import Container, Iterable
from pathlib import Path
from unicodedata import normalize

from pawprint.core.errors import InputError, printable
from pawprint.core.labels import NEITHER

COLUMNS = ["path", "label"]


def read_corrections(path: Path, members: Container[str], labels: Iterable[str]) -> dict[str, str]:
    """The correct label, or NEITHER, of images by their paths in the archive.

    Raises InputError with the line number for a label that is not one of `labels`, a path that is
    not one of `members` and a path that occurs twice, and for a file that is not such a table.
    """
    known = [*labels, NEITHER]
    corrections: dict[str, str] = {}
    for number, values in read_lines(path):
        values = [values[0], normalize("NFC", values[1])]
        problem = _problem(values, known, members, corrections)
        if problem:
            raise InputError(f"{path}: line {number}: {printable(problem)}.")
        corrections[values[0]] = values[1]
    return corrections


def read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The line number, and the path and label as they are, of each line after the header.

    Raises InputError for another header, and for a line with another number of values.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # Excel writes a byte order mark
            lines = csv.reader(file, strict=True)
            first = next(lines, [])
            found = [(lines.line_num, values) for values in lines] if first == COLUMNS else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: expected a table that begins with the line {','.join(COLUMNS)}. "
            f"Received: {error}"
        ) from None
    if first != COLUMNS:
        raise InputError(
            f"{path}: line 1: expected {','.join(COLUMNS)}. Received: "
            f"{printable(repr(','.join(first)))}."
        )
    for number, values in found:
        if len(values) != len(COLUMNS):
            received = printable(repr(",".join(values)))
            raise InputError(
                f"{path}: line {number}: expected {','.join(COLUMNS)}. Received: {received}."
            )
    return found


def _problem(
    values: list[str], known: list[str], members: Container[str], before: Container[str]
) -> str | None:
    name, label = values
    if name not in members:
        return f"expected the path of a file in the archive. Received: {name!r}"
    if label not in known:
        return f"expected the label {', '.join(known[:-1])} or {known[-1]}. Received: {label!r}"
    if name in before:
        return f"expected each path once. Received: {name!r} again"
    return None
