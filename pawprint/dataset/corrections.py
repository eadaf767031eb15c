"""labels.csv: corrections by a person of the labels that the folders of the archive give."""

import re
from collections.abc import Collection, Container, Iterable
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from pawprint.errors import InputError, printable
from pawprint.labels import NEITHER
from pawprint.tables import csv_rows

COLUMNS = ("path", "label")  # and perhaps `pixels_sha256`
SHA256 = re.compile("[0-9a-f]{64}")


class Correction(NamedTuple):
    """The label, or NEITHER, of an image.

    With `pixels_sha256`, this is the image with these pixels, and the path is where it once was.
    Without, it is the image that has the path.
    """

    path: str
    label: str
    pixels_sha256: str = ""

    @property
    def image(self) -> str:
        """What the image is known by."""
        return self.pixels_sha256 or self.path


def read_corrections(
    path: Path, members: Container[str], labels: Iterable[str]
) -> list[Correction]:
    """The rows of labels.csv.

    Raises InputError with the line number for a label that is not one of `labels`, a path without
    `pixels_sha256` that is not one of `members`, an image that occurs twice, and another
    `pixels_sha256` than 64 hexadecimal digits, and for a file that is not such a table.
    """
    known = [*labels, NEITHER]
    corrections: dict[str, Correction] = {}
    for line, row in read_lines(path, COLUMNS):
        name, label = row["path"], normalize("NFC", row["label"])
        pixels = row.get("pixels_sha256", "")
        correction = Correction(name, label, pixels)
        problem = None
        if pixels and not SHA256.fullmatch(pixels):
            problem = (
                f"expected pixels_sha256 of 64 hexadecimal digits, or none. Received: {pixels!r}"
            )
        elif not pixels and name not in members:
            problem = f"expected the path of a file in the archive. Received: {name!r}"
        elif label not in known:
            problem = (
                f"expected the label {', '.join(known[:-1])} or {NEITHER}. Received: {label!r}"
            )
        elif correction.image in corrections:
            problem = f"expected each image once. Received: {correction.image!r} again"
        if problem:
            raise InputError(f"{path}: line {line}: {printable(problem)}.")
        corrections[correction.image] = correction
    return [*corrections.values()]


def read_lines(path: Path, columns: Collection[str]) -> list[tuple[int, dict[str, str]]]:
    """The line number, and the cells by column as they are, of each row. Raises InputError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a file that can be read. Received: {error}") from None
    return csv_rows(content, str(path), columns)
