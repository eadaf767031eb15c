"""Return each way to read the labels of photos, from a table's columns or from their folders.

A column has a role by its cells: it names photos, or tells their split or group, or may have
labels. A reading is data: the columns, what was decided, and the labels of each photo. Which one is
taken is decided in label_choice.py.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pawprint.base.errors import InputError, counted, name_some
from pawprint.base.labels import (
    NEITHER,
    NOT_KNOWN,
    ONE_CLASS,
    SEVERAL_LABELS,
    UNLABELLED,
    LabelKind,
    cell_of,
)
from pawprint.given.folders import AUTO, READINGS, find_layout
from pawprint.given.label_tables import FILES, FOLDERS, PHOTO, PLACE, TOGETHER, Table, plain

Labels = frozenset[str]  # none of them: the photo shows none; with NOT_KNOWN, not known
Options = dict[str, list[str]]
# Beginnings of columns that tell where photos were taken, or which ones belong together, and not
# what they show, in lower case and without spaces or underscores.
OF_GROUPS = (
    *("camera", "deployment", "location", "placename", "relativepath", "site", "station"),
    *(f"{each}id" for each in TOGETHER),
)
ZEROS, ONES = {"0", "0.0", "False", "FALSE"}, {"1", "1.0", "True", "TRUE"}
NOT_ASKED = {"", "-1", "-1.0"}  # whether the photo shows the label
ZERO = "0"
OF_ZEROS = (NEITHER, UNLABELLED)  # what a row of zeros can mean
OPEN = "not-known"
OF_BLANKS = (OPEN, ZERO, UNLABELLED)  # what NOT_ASKED can mean
FEW = 3  # so many columns of 0 and 1 have the labels, and no other column
SEPARATORS = ",;|"  # of labels in a cell, as spaces are
OF_FOLDERS = Table([], FOLDERS, [], pd.DataFrame())  # of readings of folders
A_LIST = re.compile(r"""\{["']?\w+["']?: *\[([^]\[{}]*)\]\}|[\[({]([^]\[{}():]*)[\])}]""")


class Asked(NamedTuple):
    """What a person asks for: tables, columns, and what is decided about their cells.

    `separator` is between the labels in a cell, or "" if there is none. `zeros` tells what a row of
    zeros means, and `blanks` what blank cells and -1 do: the label is not known of the photo, the
    photo does not show it, or the photo has no label yet. `skips` means that rows which name no
    photo or several labels are left out with a line.
    """

    tables: tuple[Path, ...] = ()
    labels: tuple[str, ...] = ()
    separator: str | None = None
    zeros: str | None = None
    blanks: str | None = None
    skips: bool = False


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to read the labels, in these columns of a table, or in the folders without one.

    `photos` maps the name of each photo to its labels, or to None if it has none yet. `options` are
    what was decided, by option. `whys` say why it has to be, and `several` has the photos whose
    rows have different labels.
    """

    table: Table
    columns: list[str]
    options: Options
    photos: Mapping[str, Labels | None]
    whys: Sequence[str] = ()
    several: Labels = frozenset()

    @cached_property
    def labelled(self) -> dict[str, Labels]:
        """The photos with labels."""
        return {name: labels for name, labels in self.photos.items() if labels is not None}

    @cached_property
    def names(self) -> set[str]:
        """All labels."""
        parts = {part for labels in {*self.labelled.values()} for part in labels}
        return {*map(self.kind.name_in, parts)}

    @cached_property
    def kind(self) -> LabelKind:
        """The kind of labels: classes if each photo has exactly one, which is known."""
        is_one = all(len(labels) == 1 for labels in self.labelled.values())
        is_one &= self.options.get("--blanks") != [OPEN]
        return ONE_CLASS if is_one else SEVERAL_LABELS

    @property
    def cells(self) -> dict[str, str]:
        """The cell of each photo in metadata.csv, or "" without one."""
        write = "".join if self.kind.exclusive else cell_of
        return {name: "" if each is None else write(each) for name, each in self.photos.items()}

    def says_no_more(self, other: "Reading") -> bool:
        """Return whether another column has the labels of this one, or names for its numbers."""
        is_variant = self.columns == other.columns and self.table is other.table
        is_part = self.labelled.keys() <= other.labelled.keys()
        is_named = is_part and all(map(str.isdecimal, self.names)) and self.agrees(other)
        return not is_variant and (is_named or self.labelled.items() <= other.labelled.items())

    def agrees(self, other: "Reading") -> bool:
        """Return whether labels, mostly of several photos, stand for those of the other one."""
        common = self.labelled.keys() & other.labelled.keys()
        pairs = {(self.labelled[name], other.labelled[name]) for name in common}
        is_one_to_one = len(pairs) == len(dict(pairs)) == len({label for _, label in pairs})
        return is_one_to_one and 0 < 2 * len(pairs) <= len(common)


def read_folders(images: list[str], reading: str = AUTO) -> list[Reading]:
    """Return the reading of the folders, or none if they are in doubt."""
    try:
        places = find_layout(images, None, reading, "").places
    except InputError:
        return []
    photos = {name: frozenset([place.label]) for name, place in places.items() if place.label}
    if reading == AUTO:
        same = (each for one in READINGS for each in read_folders(images, one))
        return [each for each in same if each.photos == photos][:1]
    return [Reading(OF_FOLDERS, [], {"--labels": [reading]}, photos)] if photos else []


def read_labels(table: Table, asked: Asked, where: str) -> list[Reading]:
    """Return all readings of a table, or of the columns that are asked for.

    Raises InputError for several columns that are not of 0 and 1, and for one without a name.
    """
    own = {table.split or "split", "split", "group"}
    sets = {n: cells for n, cells in table.cells.items() if not own & {n, n.lower()}}
    of_two = [n for n, c in sets.items() if c - NOT_ASKED and c <= ZEROS | ONES | NOT_ASKED]
    always = [name for name in of_two if sets[name] <= ONES]
    flags = [name for name in of_two if name not in always]
    if len(flags) < 2:
        flags = always = []
    if not all(map(str.strip, (*flags, *always))):
        raise InputError(f"{where}: a column of 0 and 1 has no name. Name it.")
    names = {name.lower(): name for name in table.cells}
    wanted = [names.get(label.lower(), "") for label in asked.labels]
    if len(wanted) > 1:
        if odd := [a for a, name in zip(asked.labels, wanted) if name not in (*flags, *always)]:
            raise InputError(f"{where}: expected 0/1 columns, or one. Received: {name_some(odd)}.")
        found = [*_of_flags(table, wanted, {"--label": wanted})]
    elif wanted and wanted[0] in flags:
        of_flag = _of_flags(table, wanted, {"--label": wanted})
        found = [_has_or_lacks(each, wanted[0]) for each in of_flag]
    elif wanted and wanted[0]:
        found = [*_of_column(table, wanted[0], asked.separator)]
    else:
        found = [*_of_roles(table, [*sets], flags, always, asked.separator)]
        if wanted:  # a label of joined cells
            (label,) = asked.labels
            joined = [each for each in found if not each.kind.exclusive and label in each.names]
            found = [_has_or_lacks(each, label) for each in joined]
    return [each for each in found if each.labelled]


def _has_or_lacks(reading: Reading, label: str) -> Reading:
    names = {True: frozenset([label]), False: frozenset([f"not_{label}"])}
    of_two = {
        name: names[label in each] if f"{label}{NOT_KNOWN}" not in each else None
        for name, each in reading.labelled.items()
    }
    return replace(reading, photos={**reading.photos, **of_two})


def _of_roles(
    table: Table, columns: list[str], flags: list[str], always: list[str], separator: str | None
) -> Iterator[Reading]:
    """Yield the readings of columns that may have labels.

    A column called label has them. FEW columns of 0 and 1, or two of which each row has a 1 in
    exactly one, have them beside others. A column that is always 1 is one of these unless the
    others exclude each other: then it may be, or not.
    """
    if named := [name for name in columns if plain(name) in ("label", "labels")]:
        yield from _of_column(table, named[0], separator)
        return
    is_one_each = bool(flags) and bool(table.rows[flags].isin(ONES).sum(axis=1).eq(1).all())
    ways = [flags] if is_one_each or not always else []
    ways += [flags + always] if always else []
    is_certain = len(flags) >= FEW and (len(ways) == 1)
    for names in ways if flags else ():
        yield from _of_flags(table, names, {} if is_certain else {"--label": names})
    if is_one_each or len(flags) >= FEW:
        return
    lines = table.rows if table.kind == FILES else table.rows.drop_duplicates(PLACE)
    for name in columns:
        if name.strip() and name not in (*flags, table.columns[0]):
            found = [*_of_column(table, name, separator)]
            joined = [] if found[0].kind.exclusive else [*found[0].labelled.values()]
            cells = lines[name].to_list(), [label for each in joined for label in each]
            if any(map(_repeats, cells)) and not plain(name).startswith(OF_GROUPS):
                yield from found


def _repeats(values: Sequence[str]) -> bool:
    """Return whether a column has several values, each in two rows or more on average."""
    present = [value for value in values if value]
    return 1 < len({*present}) <= len(present) / 2


def _of_flags(table: Table, names: list[str], options: Options) -> Iterator[Reading]:
    """Yield the readings of columns of 0 and 1, for each meaning of blanks and of zeros in all.

    A 0 in a single column is a class, and a blank cell there an unlabelled photo.
    """
    every = table.rows[names]
    odd = every.isin(NOT_ASKED).any(axis=1)
    meanings = [each for each in OF_BLANKS if each != OPEN or len(names) > 1]
    for blanks in meanings if odd.any() else ("",):
        # A column of 1 and blanks has no photo that is known to lack the label.
        has_both = every.isin(ZEROS).any() | ~every.isin(NOT_ASKED).any()
        cells = every.loc[:, has_both | (blanks != OPEN)]
        names = [*cells]
        shown = [frozenset(compress(names, row)) for row in cells.isin(ONES).to_numpy()]
        marked = [f"{name}{NOT_KNOWN}" for name in names]
        open_ = [frozenset(compress(marked, row)) for row in cells.isin(NOT_ASKED).to_numpy()]
        most = {OPEN: len(names) - 1, UNLABELLED: 0}.get(blanks, len(names))
        added = open_ if blanks == OPEN else [frozenset()] * len(open_)
        of_rows = [
            one | more if len(each) <= most else None
            for one, more, each in zip(shown, added, open_)
        ]
        empty = pd.Series([row == frozenset() for row in of_rows], cells.index, bool)
        empty &= len(names) > 1
        reasons = {"with blank cells or -1": odd, "in which all labels are 0": empty}
        whys = [
            f"{counted(each.sum(), 'row')} {what}, such as {table.rows.loc[each, PLACE].iloc[0]}"
            for what, each in reasons.items()
            if each.any()
        ]
        for zeros in OF_ZEROS if empty.any() else ("",):
            decided = {o: [v] for o, v in (("--blanks", blanks), ("--zeros", zeros)) if v}
            each = [row or None for row in of_rows] if zeros == UNLABELLED else of_rows
            yield _reading(table, names, options | decided, each, whys)


def _of_column(table: Table, name: str, asked: str | None) -> Iterator[Reading]:
    """Yield the readings of a column: as written, or with several labels in a cell."""
    cells = table.rows[name]
    ways = [*_split({*cells} - {""}, asked)]
    whys = ["cells join labels, of which some are nowhere alone"] if len(ways) > 1 else []
    for separator, parts in ways:
        options = {"--separator": [separator]} if whys or separator == asked else {}
        labels = {cell: frozenset(each) for cell, each in parts.items() if each}
        of_rows = [labels.get(cell) for cell in cells]
        yield _reading(table, [name], {"--label": [name]} | options, of_rows, whys)


def _reading(
    table: Table, names: list[str], options: Options, labels: list[Labels | None], whys: list[str]
) -> Reading:
    """Return the reading with the labels of each photo; those whose rows differ have none yet."""
    found: dict[str, set[Labels]] = {}
    for photo, each in zip(table.rows[PHOTO], labels):
        found.setdefault(photo, set()).update(() if each is None else (each,))
    found.pop("", None)
    several = frozenset(photo for photo, each in found.items() if len(each) > 1)
    photos = {photo: min(each, default=None, key=len) for photo, each in found.items()}
    if 2 * len(several) > len(found):  # a row for each label
        photos |= {photo: frozenset().union(*found[photo]) for photo in several}
        return Reading(table, names, options, photos, whys)
    return Reading(table, names, options, photos | dict.fromkeys(several), whys, several)


def _split(cells: Collection[str], asked: str | None) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield each separator, and the labels in each cell.

    A separator is certain if each label that it joins is also alone in a cell. If this is so in
    some cells only, or if there are fewer labels than different cells, cells as they are
    written are another reading. A list in brackets is certain.
    """
    as_written = {cell: [cell] for cell in cells}
    if asked is None:
        as_written |= {c: _in_list(each) for c in cells if (each := A_LIST.fullmatch(c))}
    is_written = all([cell] == each for cell, each in as_written.items())
    separators = [*SEPARATORS, " "] if asked is None and is_written else [asked or "\0"]
    for separator in [each for each in separators if any(each in cell for cell in cells)]:
        parts = {c: [p.strip() for p in c.split(separator) if p.strip()] for c in cells}
        alone = {each[0].lower(): each[0] for each in parts.values() if len(each) == 1}
        joined = [each for each in parts.values() if len(each) > 1]
        known = [each for each in joined if {*map(str.lower, each)} <= {*alone}]
        found = {c: [alone.get(p.lower(), p) for p in each] for c, each in parts.items()}
        names = {label for each in found.values() for label in each}
        is_shorter = bool(joined) and len(names) < len(parts)
        if known or is_shorter or asked is not None:
            yield separator, found
            is_odd = any({*SEPARATORS} & {*label} for label in names)
            if asked is not None or (len(known) == len(joined) and not is_odd):
                return
    yield "", as_written


def _in_list(found: re.Match[str]) -> list[str]:
    """Return the labels in a list: ['hot dog', 'sun'], [cat dog] or {"choices": ["cat"]}."""
    parts = re.findall(r"""'([^']*)'|"([^"]*)"|([^\s,'"]+)""", found[1] or found[2] or "")
    return [label for label in map("".join, parts) if label]
