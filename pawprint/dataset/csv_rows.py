"""Rows of a CSV that a person wrote, perhaps with a spreadsheet."""

import csv
import io
from collections.abc import Collection

from pawprint.core.errors import InputError, printable


def csv_rows(content: bytes, where: str, columns: Collection[str]) -> list[tuple[int, dict]]:
    """The line number and the cells of each row by column, in lower case and perhaps with others.

    Raises InputError that begins with `where` for other columns, and for a row with another number
    of cells.
    """
    try:
        text = content.decode("utf-8-sig")  # Excel writes a byte order mark
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip().lower() for name in next(lines, [])]
        found = [(lines.line_num, cells) for cells in lines if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{where}: expected a CSV in UTF-8. Received: {printable(str(error))}."
        ) from None
    if set(columns) - set(header) or len(set(header)) < len(header):
        raise InputError(
            f"{where}: line 1: expected the columns {','.join(columns)}, separated by commas. "
            f"Received: {printable(repr(','.join(header)))}."
        )
    for line, cells in found:
        if len(cells) != len(header):
            raise InputError(
                f"{where}: line {line}: expected {len(header)} cells. Received: {len(cells)}."
            )
    return [(line, dict(zip(header, cells))) for line, cells in found]
