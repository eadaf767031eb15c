"""Choose the column that contains the labels."""

from collections.abc import Sequence
from typing import NamedTuple

from pawprint.errors import InputError, name_some, printable
from pawprint.forms import Cells

ZEROS = {"0", "0.0"}
FLAGS = {*ZEROS, "1", "1.0"}
SEVERAL = "A photo has exactly one class: if it needs several labels, make a project for each."


class Row(NamedTuple):
    """A row of a table: where it is, such as "line 2", its cells, and the name of its photo."""

    place: str
    cells: Cells
    photo: str


def find_labels(rows: Sequence[Row], asked: str, where: str) -> tuple[list[str], list[str]]:
    """Return the columns with the labels, and each row's label, or "" if it is missing.

    There are several columns if each stands for a class and contains 0 or 1. Otherwise, the column
    is the one that is `asked` for, that is called label, or that alone repeats its values. Raises
    InputError if no column or several columns could contain the labels, and for a row with several
    labels.
    """
    columns = dict.fromkeys(name for row in rows for name in row.cells if _may_be(name, asked))
    values = {name: [row.cells.get(name, "") for row in rows] for name in columns}
    choices = [name for name in columns if name.lower() == (asked or "label").lower()]
    if not choices and not asked:
        flags = [name for name in columns if {*values[name]} & ZEROS and {*values[name]} <= FLAGS]
        choices = [name for name in columns if name not in flags and repeats(values[name])]
        ones = [[name for name in flags if float(row.cells[name])] for row in rows]
        odd = next((place for place, found in enumerate(ones) if len(found) != 1), None)
        if len(flags) > 1 and odd is None:
            return flags, [name for (name,) in ones]
        if len(flags) > 1 and odd is not None and not choices:
            raise _several(where, rows[odd], name_some(ones[odd]) or "no class with a 1")
        choices += [name for name in flags if {*values[name]} - ZEROS]
    if len(choices) != 1:
        raise InputError(
            f"{where}: expected one column of labels{asked and f' named {asked}'}. Received: "
            f"{name_some(choices or columns, 20) or 'none'}. Choose one with --label COLUMN."
        )
    labels = values[choices[0]]
    for row, label in zip(rows, labels):
        if label.startswith(("[", '{"choices"')):
            raise _several(where, row, label)
    return choices, labels


def _may_be(name: str, asked: str) -> bool:
    return name == asked or bool(name.strip() and name.lower() not in ("split", "group"))


def repeats(values: Sequence[str]) -> bool:
    """Return whether a column has several values, each in two rows or more on average."""
    present = [value for value in values if value]
    return 1 < len({*present}) <= len(present) / 2


def _several(where: str, row: Row, received: str) -> InputError:
    found = printable(f"{where}: {row.place}: expected one label. Received: {received}.")
    return InputError(f"{found} {SEVERAL}")
