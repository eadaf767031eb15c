"""labels.csv: corrections by a person of the labels that the folders of the archive give."""

from collections.abc import Container, Iterable
from pathlib import Path
from unicodedata import normalize

from pawprint.errors import InputError, printable
from pawprint.labels import NEITHER
from pawprint.tables import csv_rows

COLUMNS = ("path", "label")


def read_corrections(path: Path, members: Container[str], labels: Iterable[str]) -> dict[str, str]:
    """The correct label, or NEITHER, of images by their paths in the archive.

    Raises InputError with the line number for a label that is not one of `labels`, a path that is
    not one of `members` and a path that occurs twice, and for a file that is not such a table.
    """
    known = [*labels, NEITHER]
    corrections: dict[str, str] = {}
    for line, row in read_lines(path):
        name, label = row["path"], normalize("NFC", row["label"])
        problem = None
        if name not in members:
            problem = f"expected the path of a file in the archive. Received: {name!r}"
        elif label not in known:
            problem = (
                f"expected the label {', '.join(known[:-1])} or {NEITHER}. Received: {label!r}"
            )
        elif name in corrections:
            problem = f"expected each path once. Received: {name!r} again"
        if problem:
            raise InputError(f"{path}: line {line}: {printable(problem)}.")
        corrections[name] = label
    return corrections


def read_lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The line number, and the cells by COLUMNS as they are, of each row. Raises InputError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a file that can be read. Received: {error}") from None
    return csv_rows(content, str(path), COLUMNS)
