"""labels.csv: what a person found wrong in the labels that the archive's folders give."""

import csv
from collections.abc import Container, Iterable
from pathlib import Path

from stages.shared.errors import InputError, printable

COLUMNS = ["path", "label"]
NEITHER = "none"  # the label of a picture that shows neither class, or both


def read_corrections(path: Path, members: Container[str], labels: Iterable[str]) -> dict[str, str]:
    """The right label, or NEITHER, of images by their paths in the archive.

    Raises InputError for a label that is none of `labels`, a path that is none of `members`, a
    path that stands twice, and a file that is no such table.
    """
    known = [*labels, NEITHER]
    corrections = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # Excel writes its mark first
            lines = csv.reader(file, strict=True)
            first = next(lines, [])
            if first != COLUMNS:
                raise InputError(
                    f"{path}: line 1: expected {','.join(COLUMNS)}. Received: "
                    f"{printable(repr(','.join(first)))}."
                )
            for values in lines:
                problem = _problem(values, known, members, corrections)
                if problem:
                    raise InputError(f"{path}: line {lines.line_num}: {printable(problem)}.")
                corrections[values[0]] = values[1]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: expected a table that begins with the line {','.join(COLUMNS)}. "
            f"Received: {error}"
        ) from None
    return corrections


def _problem(
    values: list[str], known: list[str], members: Container[str], before: Container[str]
) -> str | None:
    if len(values) != len(COLUMNS):
        return f"expected {','.join(COLUMNS)}. Received: {','.join(values)!r}"
    name, label = values
    if name not in members:
        return f"expected the path of a file in the archive. Received: {name!r}"
    if label not in known:
        return f"expected the label {', '.join(known[:-1])} or {known[-1]}. Received: {label!r}"
    if name in before:
        return f"expected each path once. Received: {name!r} again"
    return None
