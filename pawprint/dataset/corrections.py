"""labels.csv: what a person found wrong in the labels that the archive's folders give."""

import csv
from collections.abc import Container, Iterable
from pathlib import Path

from pawprint.core.errors import InputError, printable

COLUMNS = ["path", "label"]
NEITHER = "none"  # the label of a picture that shows neither class, or both


def read_corrections(path: Path, members: Container[str], labels: Iterable[str]) -> dict[str, str]:
    """The right label, or NEITHER, of images by their paths in the archive.

    Raises InputError for a label that is none of `labels`, a path that is none of `members`, a
    path that stands twice, and a file that is no such table.
    """
    known = [*labels, NEITHER]
    corrections: dict[str, str] = {}
    for number, values in read_lines(path):
        problem = _problem(values, known, members, corrections)
        if problem:
            raise InputError(f"{path}: line {number}: {printable(problem)}.")
        corrections[values[0]] = values[1]
    return corrections


def read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The number of each line after the first, and its path and label, unchecked.

    Raises InputError for a file that does not begin with the names of the columns, and for a line
    with another number of values.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # Excel writes its mark first
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
