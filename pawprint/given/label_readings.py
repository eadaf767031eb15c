"""Choose the labels of photos among all readings of the tables beside them and of their folders.

Each column has a role by its cells: it names photos, or tells their split or group, or may have
labels. Each reading of the labels is data: the columns, what was decided, and the labels of each
photo. If all that remain say the same, the first is taken; otherwise, a person chooses, by options
that the message lists with what they give.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from pawprint.base.classes import NEITHER, UNKNOWN, UNLABELLED
from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.label_cells import SEPARATOR, cell_of, count_labels
from pawprint.given.folders import AUTO, READINGS, describe_class_counts, find_layout
from pawprint.given.label_tables import (
    FILES,
    FOLDERS,
    KEY,
    MAY_BE,
    OF_JSON,
    PHOTO,
    PLACE,
    TABLES,
    NoTableError,
    Photos,
    Table,
    is_table,
    join_tables,
    read_table,
)
from pawprint.given.metadata_csv import is_metadata
from pawprint.given.names import SPLIT_OF_FOLDER, count_suffixes
from pawprint.given.user_tables import parse_csv

Cells = dict[str, str]  # keyed by column
Labels = frozenset[str]  # none of them: the photo shows none
NO_TABLE = Path("none")
UNREAD = {".arrow", ".npz", ".parquet", ".xlsx"}
BESIDE = (".cls", ".txt")  # suffixes of a file with the label of the photo beside it
# Beginnings of columns that tell where photos were taken, or which ones belong together, and not
# what they show, in lower case and without spaces or underscores.
OF_SITES = ("camera", "deployment", "location", "placename", "relativepath", "site", "station")
OF_GROUPS = (*OF_SITES, "lesionid", "patientid", "seqid")
ZEROS, ONES = {"0", "0.0", "False", "FALSE"}, {"1", "1.0", "True", "TRUE"}
NOT_ASKED = {"", "-1", "-1.0"}  # whether the photo shows the label
SEPARATORS = ",;|"  # of labels in a cell, as spaces are
ZERO = "0"
LISTED = 12  # readings in a message
A_LIST = re.compile(r"""\{["']?\w+["']?: *\[([^]\[{}]*)\]\}|[\[({]([^]\[{}():]*)[\])}]""")
OF_NUMBERS = (
    "the classes are numbers; to name them, list them in clean.labels, such as {cat: ['0']}"
)
MAY_GROUP = "may tell which photos belong together: to keep these in one set, rename the column to"


class Asked(NamedTuple):
    """What a person asks for: tables, columns, and what is decided about their cells.

    `separator` is between the labels in a cell, or "" if there is none. `zeros` tells what a row of
    zeros means: NEITHER or UNLABELLED; `blanks` does so for blank cells and -1: ZERO or UNLABELLED.
    `skips` means that rows which name no photo or several labels are left out with a line.
    """

    tables: tuple[Path, ...] = ()
    labels: tuple[str, ...] = ()
    separator: str | None = None
    zeros: str = ""
    blanks: str = ""
    skips: bool = False


NOTHING = Asked()


class Labelled(NamedTuple):
    """Photos with the labels of a table, which `name` describes.

    `photos` maps the name of each photo to its cells in metadata.csv: a label, or "" for a photo
    without one, and perhaps a split, a group and others. `notes` are lines about what was left out,
    of which `unused` are about rows that name no photo, and photos with several labels. Unless
    labels are `exclusive`, they are cells.
    """

    name: str
    photos: Mapping[str, Cells]
    notes: list[str]
    unused: list[str]
    exclusive: bool = True


class Reading(NamedTuple):
    """One way to read the labels, in these columns of a table, or in the folders without one.

    `photos` maps the name of each photo to its labels, or to None if it has none yet. `options` are
    what was decided, by option. `why` says why it has to be, and `several` has the photos whose
    rows have different labels.
    """

    table: Table | None
    columns: list[str]
    options: dict[str, list[str]]
    photos: dict[str, Labels | None]
    why: str = ""
    several: frozenset[str] = frozenset()

    @property
    def labelled(self) -> dict[str, Labels]:
        """The photos with labels."""
        return {name: labels for name, labels in self.photos.items() if labels is not None}

    @property
    def names(self) -> set[str]:
        """All labels."""
        return {label for labels in self.labelled.values() for label in labels}

    @property
    def exclusive(self) -> bool:
        """Whether each photo has exactly one label."""
        return all(len(labels) == 1 for labels in self.labelled.values())

    @property
    def cells(self) -> dict[str, str]:
        """The cell of each photo in metadata.csv, or "" without one."""
        write = "".join if self.exclusive else cell_of
        return {name: "" if each is None else write(each) for name, each in self.photos.items()}


def plain(name: str) -> str:
    """Return a name of a column without differences in writing."""
    return re.sub(r"[\W_]", "", name).lower()


def split_column(table: Table) -> str:
    """Return the column with splits, by its name or else by its cells, or ""."""
    sets = {name: {*table.rows[name].str.lower()} - {""} for name in table.cells}
    named = [name for name in sets if name.lower() == "split"]
    found = (name for name, each in sets.items() if len(each) > 1 and each <= {*SPLIT_OF_FOLDER})
    return next(iter((*named, *found)), "")


def repeats(values: Sequence[str]) -> bool:
    """Return whether a column has several values, each in two rows or more on average."""
    present = [value for value in values if value]
    return 1 < len({*present}) <= len(present) / 2


def read_labels(table: Table, asked: Asked, where: str) -> list[Reading]:
    """Return all readings of a table, or of the columns that are asked for.

    Raises InputError for several columns that are not of 0 and 1, for such a column without a name,
    and for an option without effect.
    """
    own = [split_column(table) or "split", "group"]
    sets = {n: {*table.rows[n]} for n in table.cells if n not in own and n.lower() != "group"}
    flags = [n for n, each in sets.items() if each & (ZEROS | ONES)]
    flags = [name for name in flags if sets[name] <= ZEROS | ONES | NOT_ASKED]
    always = [name for name in flags if sets[name] <= ONES]
    flags = [name for name in flags if name not in always]
    flags, always = (flags, always) if len(flags) > 1 else ([], [])
    if not all(map(str.strip, (*flags, *always))):
        raise InputError(f"{where}: a column of 0 and 1 has no name. Name it.")
    names = {name.lower(): name for name in table.cells}
    wanted = [names.get(label.lower(), "") for label in asked.labels]
    if len(wanted) > 1:
        if odd := {*asked.labels}.difference(flags, always):
            raise InputError(
                f"{where}: expected columns of 0 and 1, or one column. Received: {name_some(odd)}."
            )
        found = [*_of_flags(table, wanted, {"--label": wanted})]
    elif wanted and wanted[0] in flags:
        yes, no = (frozenset([name]) for name in (wanted[0], f"not_{wanted[0]}"))
        of_two = dict.fromkeys(ONES, yes) | dict.fromkeys(ZEROS, no)
        found = [_reading(table, wanted, {}, [of_two.get(c) for c in table.rows[wanted[0]]])]
    elif wanted and wanted[0]:
        found = [*_of_column(table, wanted[0], asked.separator)]
    else:
        found = [*_of_roles(table, [*sets], flags, always, asked.separator)]
        if asked.labels:  # of joined cells
            several = (each for each in found if not each.exclusive)
            found = [each for each in several if asked.labels[0] in each.names]
            found = [_has_or_lacks(each, asked.labels[0]) for each in found]
    return [each for each in _with_effect(found, asked, where) if each.labelled]


def _with_effect(readings: list[Reading], asked: Asked, where: str) -> list[Reading]:
    """Return the readings by what is asked for. Raises InputError for an option without effect."""
    used = dict.fromkeys(name for each in readings for name in each.columns)
    for option in ("separator", "zeros", "blanks"):
        value = getattr(asked, option)
        if value not in (None, "") and readings:
            readings = [each for each in readings if each.options.get(f"--{option}") == [value]]
            if not readings:
                raise InputError(
                    f"{where}: --{option} has no effect on the labels in {name_some(used)}. Leave "
                    "it out."
                )
    return readings


def _has_or_lacks(reading: Reading, label: str) -> Reading:
    names = {True: frozenset([label]), False: frozenset([f"not_{label}"])}
    of_two = {name: names[label in each] for name, each in reading.labelled.items() if each}
    return reading._replace(photos=reading.photos | of_two)


def _of_roles(
    table: Table, columns: list[str], flags: list[str], always: list[str], separator: str | None
) -> Iterator[Reading]:
    """Yield the readings of columns that may have labels.

    A column called label has them. Three columns of 0 and 1, or two of which each row has a 1 in
    exactly one, have them beside others. A column that is always 1 is one of these unless the
    others exclude each other: then it may be, or not.
    """
    if named := [name for name in columns if plain(name) in ("label", "labels")]:
        yield from _of_column(table, named[0], separator)
        return
    is_one_each = bool(flags) and bool(table.rows[flags].isin(ONES).sum(axis=1).eq(1).all())
    for names in ([flags] if is_one_each or not always else []) + [flags + always] * bool(always):
        is_in_doubt = (is_one_each and always) or len(flags) < 3
        if names:
            yield from _of_flags(table, names, {"--label": names} if is_in_doubt else {})
    lines = table.rows if table.kind == FILES else table.rows.drop_duplicates(PLACE)
    for name in columns if not is_one_each and len(flags) < 3 else ():
        if name.strip() and name not in (*flags, table.columns[0]):
            found = [*_of_column(table, name, separator)]
            labels = [label for each in found[0].labelled.values() for label in each]
            cells = lines[name].to_list(), labels if not found[0].exclusive else []
            if any(map(repeats, cells)) and not plain(name).startswith(OF_GROUPS):
                yield from found


def _of_flags(table: Table, names: list[str], options: dict) -> Iterator[Reading]:
    """Yield the readings of several columns of 0 and 1, for each meaning of blanks and of zeros."""
    ones, odd = (
        table.rows[names].isin(ONES).to_numpy(),
        table.rows[names].isin(NOT_ASKED).any(axis=1),
    )
    rows = [frozenset(name for name, is_one in zip(names, row) if is_one) for row in ones]
    for blanks in (ZERO, UNLABELLED) if odd.any() else ("",):
        of_rows = [
            None if blanks == UNLABELLED and is_odd else row for row, is_odd in zip(rows, odd)
        ]
        empty = pd.Series([row == frozenset() for row in of_rows], table.rows.index, bool)
        whys = {"with blank cells or -1": odd, "of zeros": empty}
        why = "; ".join(
            f"{counted(each.sum(), 'row')} {what}, such as {table.rows.loc[each, PLACE].iloc[0]}"
            for what, each in whys.items()
            if each.any()
        )
        for zeros in (NEITHER, UNLABELLED) if empty.any() else ("",):
            more = {"--blanks": [blanks]} if blanks else {}
            more |= {"--zeros": [zeros]} if zeros else {}
            each = [row or None for row in of_rows] if zeros == UNLABELLED else of_rows
            yield _reading(table, names, options | more, each, why)


def _of_column(table: Table, name: str, asked: str | None) -> Iterator[Reading]:
    """Yield the readings of a column: as written, or with several labels in a cell."""
    ways = [*_split(table.rows[name], asked)]
    why = "cells join labels, of which some are nowhere alone" if len(ways) > 1 else ""
    for separator, parts in ways:
        is_asked = asked is not None and any(len(each) > 1 for each in parts.values())
        options = {"--separator": [separator]} if why or is_asked or asked == "" else {}
        of_rows = [frozenset(parts[c]) if parts.get(c) else None for c in table.rows[name]]
        yield _reading(table, [name], {"--label": [name]} | options, of_rows, why)


def _reading(
    table: Table, names: list[str], options: dict, of_rows: Sequence[Labels | None], why: str = ""
) -> Reading:
    """Return the reading with the labels of each photo; those whose rows differ have none yet."""
    found: dict[str, set[Labels]] = {name: set() for name in table.rows[PHOTO] if name}
    for photo, labels in zip(table.rows[PHOTO], of_rows):
        if photo and labels is not None:
            found[photo].add(labels)
    several = frozenset(photo for photo, each in found.items() if len(each) > 1)
    if 2 * len(several) > len(found):  # a row for each label
        photos = {name: frozenset().union(*each) if each else None for name, each in found.items()}
        return Reading(table, names, options, photos, why)
    photos = {name: next(iter(each)) if len(each) == 1 else None for name, each in found.items()}
    return Reading(table, names, options, photos, why, several)


def _split(cells: Sequence[str], asked: str | None) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield each separator, and the labels in each cell.

    A separator is certain if each label that it joins is also alone in a cell. If this is so in
    some cells only, or if there are fewer labels than different cells, cells as they are
    written are another reading. A list in brackets is certain.
    """
    as_written = {cell: [cell] for cell in {*cells} - {""}}
    lists = {cell: found for cell in as_written if (found := _in_list(cell)) is not None}
    if asked == "" or (asked is None and lists):
        yield "", as_written | ({} if asked == "" else lists)
        return
    for separator in (*SEPARATORS, " ") if asked is None else (asked,):
        parts = {c: [p.strip() for p in c.split(separator) if p.strip()] for c in as_written}
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


def _in_list(cell: str) -> list[str] | None:
    """Return the labels in a list: ['hot dog', 'sun'], [cat dog] or {"choices": ["cat"]}."""
    if not (found := A_LIST.fullmatch(cell)):
        return None
    parts = re.findall(r"""'([^']*)'|"([^"]*)"|([^\s,'"]+)""", found[1] or found[2] or "")
    return [label for label in map("".join, parts) if label]


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
    return [Reading(None, [], {"--labels": [reading]}, photos)] if photos else []


def agree(one: Reading, other: Reading) -> bool:
    """Return whether each label of one reading stands for a label of the other one."""
    common = one.labelled.keys() & other.labelled.keys()
    pairs = {(one.labelled[name], other.labelled[name]) for name in common}
    return bool(pairs) and len(pairs) == len(dict(pairs)) == len({label for _, label in pairs})


def says_no_more(one: Reading, other: Reading) -> bool:
    """Return whether another column has the labels of this one, or names for its numbers."""
    is_variant = one.columns == other.columns and one.table is other.table
    if is_variant or not one.labelled or not one.labelled.keys() <= other.labelled.keys():
        return False
    is_same = all(other.labelled[name] == labels for name, labels in one.labelled.items())
    return is_same or (all(map(str.isdecimal, one.names)) and agree(one, other))


def without_same(readings: list[Reading]) -> list[Reading]:
    """Return the readings without those that say no more than another one."""
    kept: list[Reading] = []
    for each in sorted(readings, key=lambda one: not (one.table and split_column(one.table))):
        if not any(says_no_more(each, other) for other in kept):
            kept = [other for other in kept if not says_no_more(other, each)] + [each]
    return kept


def labels_specimens(reading: Reading, classes: set[str]) -> bool:
    """Return whether the folders are only specimens, with one column of labels.

    Unlike most classes, their names have a digit and another character, such as S01, and each label
    has three or more.
    """
    table, keys = reading.table, {*reading.table.rows[KEY]}
    is_code = all(re.search(r"\d", key) and not key.isdecimal() for key in keys)
    is_place = plain(table.columns[-1]).startswith(OF_SITES)
    is_kind = table.kind == FOLDERS and table.rows[PLACE].nunique() == len(keys)
    number = table.rows[table.rows[PHOTO].isin(reading.labelled)].groupby(reading.columns[0])[KEY]
    return is_kind and is_code and not is_place and classes <= keys and number.nunique().min() > 2


def _ask(folder: Path, readings: list[Reading], images: Collection[str]) -> InputError:
    """Return the question which of several readings is meant, with options and what they give."""
    whys = dict.fromkeys(each.why for each in readings if each.why)
    tables = [*{id(each.table): each.table for each in readings if each.table}.values()]
    photos = [name for table in tables for name in {*table.rows[PHOTO]}]
    odd = {*()}.union(*(t.cells for t in tables)) - {*tables[0].cells}.intersection(
        *(t.cells for t in tables)
    )
    if odd and len({*photos}) == len(photos):
        whys[f"tables of different photos, with columns that differ: {name_some(sorted(odd))}"] = (
            None
        )
    lines = []
    for each in readings:
        names = each.table.files if each.table else []
        same = {PurePosixPath(name).name for name in names}
        options = {"--table": [*same] if len(same) == 1 else names} | each.options
        words = [word for option, values in options.items() if values for word in (option, *values)]
        cells = dict.fromkeys(images, "") | each.cells
        counts = describe_class_counts(count_labels(cells.values(), each.exclusive), each.exclusive)
        lines.append(f"  {' '.join(map(shlex.quote, words))}: {counts}")
    more = [f"  and {len(lines) - LISTED} more"] if lines[LISTED:] else []
    reason = f" ({'; '.join(whys)})" if whys else ""
    return InputError(
        f"{folder}: expected one reading of the labels. Received: {len(readings)}{reason}. Add the "
        "options of one:\n" + "\n".join([*lines[:LISTED], *more])
    )


def find_labels(
    folder: Path,
    files: Mapping[str, Path],
    images: list[str],
    others: list[str],
    asked: Asked = NOTHING,
    labels: dict[str, list[str]] | str = AUTO,
) -> Labelled | None:
    """Return the photos in a folder with the labels of its tables.

    Returns None for images that `clean` reads with `clean.labels`: folders of classes, photos with
    a metadata.csv, and photos without labels. Tables or columns that are asked for take precedence.
    Raises InputError if labels are missing or need a choice, and for a CSV or TSV that is damaged.
    """
    is_read = labels == AUTO and not any(map(is_metadata, others)) and folder.is_dir()
    if asked.tables == (NO_TABLE,) or (asked == NOTHING and not is_read):
        return None
    if not folder.is_dir():
        raise InputError(f"{folder}: cannot use a table with it. Download the archive.")
    tables, reasons = _read_tables(folder, files, images, others, asked)
    readings = [
        each
        for table in tables
        for each in read_labels(table, asked, f"{folder}: {printable(name_some(table.files))}")
    ]
    if asked == NOTHING and not (readings := _without_doubt(tables, readings, images)):
        return None
    if not readings:
        numbered = {f"{label} (1)".lower() for label in asked.labels}
        twice = [name for each in tables for name in each.cells if name.lower() in numbered]
        reasons += [f"columns of the same name twice, to be told apart as {n}" for n in twice]
        reasons += [
            f"{printable(each.name)} with the columns {name_some(each.cells, 20)}"
            for each in tables
        ]
        raise InputError(
            f"{folder}: expected a table with a column of labels"
            f"{(asked.labels and f' named {name_some(asked.labels)}') or ''} beside the names of "
            f"files. Received: {'; '.join(reasons) or 'no table'}. Choose others with --table FILE "
            "or --label COLUMN."
        )
    first, *more = without_same(readings)
    decided = {"--zeros": asked.zeros, "--blanks": asked.blanks}
    if more or any(option in first.options and not decided[option] for option in decided):
        raise _ask(folder, [first, *more], images)
    return _label(folder, first, images, others, asked.skips)


def _read_tables(
    folder: Path, files: Mapping[str, Path], images: list[str], others: list[str], asked: Asked
) -> tuple[list[Table], list[str]]:
    """Return the tables whose rows name some of the images, and why others are none.

    Raises InputError if one that is asked for is none.
    """
    photos, stems = Photos(folder, images, others), {PurePosixPath(name).stem for name in images}
    paths = [files[name] for name in others if is_table(files[name], stems)]
    for path in asked.tables[::-1]:  # on this computer, in the folder, or by name
        named = [files[name] for name in others if str(path) in (name, PurePosixPath(name).name)]
        found = [path] if path.exists() or not named else named
        paths = [*found, *(paths if path != asked.tables[-1] else ())]
        if path.suffix.lower() in UNREAD:
            raise InputError(
                f"{path}: expected a CSV, TSV or JSON. Received: {path.suffix}. Convert it."
            )
    tables, reasons = [], []
    for path in paths:
        try:
            table = read_table(path, photos, {*map(str.lower, asked.labels)})
            tables += [table] if table.cells else []
            reasons += [] if table.cells else [f"{path} with {table.columns[0]} alone"]
        except InputError as error:
            is_sure = path.suffix.lower() in TABLES and not isinstance(error, NoTableError)
            if asked.tables or is_sure:
                way = " To use the folders, add --table none." if asked == NOTHING else ""
                raise InputError(f"{error}{way}") from None
            reasons.append(str(error))
    return [*join_tables(tables)], reasons


def _without_doubt(
    tables: list[Table], readings: list[Reading], images: list[str]
) -> list[Reading]:
    """Return the readings that have the labels, with the folders if these may have them, too.

    A table has to name most of the photos that have the label of a folder. Returns none if the
    folders have them.
    """
    folders = read_folders(images)
    of_files = [each for each in readings if each.table.kind == FILES]
    if of_files and not folders:
        return of_files
    known = {*(folders[0].photos if folders else images)}
    photos = {id(table): {*table.rows[PHOTO]} & known for table in tables}
    large = {table for table in photos if 2 * len(photos[table]) > len(known)}
    if not large and 2 * len({*()}.union(*photos.values())) > len(known):
        large = {*photos}
    readings = [each for each in readings if id(each.table) in large]
    if any(each.table.kind == FILES and agree(each, one) for each in readings for one in folders):
        return []
    classes = folders[0].names - {UNKNOWN} if folders else set()
    if len(readings) == 1 and labels_specimens(readings[0], classes):
        return readings
    doubt = folders or [one for each in READINGS for one in read_folders(images, each)]
    return readings and readings + doubt


def _label(
    folder: Path, reading: Reading, images: list[str], others: list[str], skips: bool
) -> Labelled:
    """Return the photos with the labels of a reading, and their other cells."""
    table, where = reading.table, f"{folder}: {printable(reading.table.name)}"
    missing = table.rows.loc[table.rows[PHOTO] == "", PLACE]
    lacks = "with no file below the images, or several" if table.kind == FILES else "without photos"
    unused = (
        [f"{counted(len(missing), 'row')} {lacks}: {name_some(missing, 3)}"] if len(missing) else []
    )
    if unused and table.kind == FILES and not skips:
        raise InputError(
            f"{where}: {unused[0]}. Add the files, write the paths of names that are in several "
            "folders, or remove the rows."
        )
    if odd := sorted(name for name in reading.names if SEPARATOR in name and not reading.exclusive):
        raise InputError(
            f"{where}: expected names of labels without {SEPARATOR}. Received: "
            f"{printable(odd[0])}. Rename it."
        )
    joined = {name for name, each in reading.labelled.items() if skips and len(each) != 1}
    cells = reading.cells | dict.fromkeys(joined, "")
    further, notes = _further(reading, where)
    photos = {name: {"label": ""} for name in images}
    photos |= {name: {"label": cells[name]} | further.get(name, {}) for name in cells}
    unused += filter(None, [describe_several(reading.several | joined)])
    left = sorted({*others}.difference(photos))
    of_flags = reading.columns if len(reading.columns) > 1 else []
    every = [n for n in of_flags if all(n in each for each in reading.labelled.values())]
    never = [name for name in of_flags if name not in reading.names]
    lines = (
        all(map(str.isdecimal, reading.names)) and OF_NUMBERS,
        never and f"labels of no photo: {name_some(never)}",
        every and f"labels of all photos: {name_some(every)}",
        *notes,
        left and f"left out: {count_suffixes(left)}",
        *unused,
    )
    column = "/".join(table.columns) or "the first column"
    name = (
        f"{table.name}, with the {table.kind} in {column}, labels in {name_some(reading.columns)}"
    )
    return Labelled(name, photos, [line for line in lines if line], unused, reading.exclusive)


def _further(reading: Reading, where: str) -> tuple[dict[str, Cells], list[str]]:
    """Return the cells of each photo in the columns that have no labels, and lines about them.

    Folders are groups, unless each has a label of its own. Raises InputError for a photo in two
    splits or groups.
    """
    table, split = reading.table, split_column(reading.table)
    used = {*map(str.lower, reading.columns), "label", "file_name"}  # metadata.csv has its own
    names = [name for name in table.cells if name.strip() and name.lower() not in used]
    group = next((name for name in names if name.lower() == "group"), "")
    rows = table.rows[table.rows[PHOTO] != ""]
    labels = rows[PHOTO].map(reading.photos).groupby(rows[KEY]).first()
    if table.kind != FILES and labels.nunique() < len(labels):
        rows = rows.assign(
            **{
                group or "group": rows[group].where(rows[group] != "", rows[KEY])
                if group
                else rows[KEY]
            }
        )
        names, group = [*dict.fromkeys([*names, group or "group"])], group or "group"
    of_photos = rows.groupby(PHOTO)
    odd = [name for name in names if (of_photos[name].nunique() > 1).any()]
    for name in {split, group}.intersection(odd):
        several = of_photos[name].nunique()
        raise InputError(
            f"{where}: expected one {name} for each photo. Received: several for "
            f"{name_some(several.index[several > 1])}. Correct the rows."
        )
    kept = [name for name in names if name not in (odd)]
    photos = of_photos[kept].first().rename(columns={split: "split"}).to_dict("index")
    offered = [
        n for n in names if plain(n).startswith(OF_GROUPS) and 1 < rows[n].nunique() < len(rows)
    ]
    notes = (
        split and split.lower() != "split" and f"splits in {split}",
        not group and offered and f"{name_some(offered)} {MAY_GROUP} group in photos/metadata.csv",
        kept and f"other columns, kept in photos/metadata.csv: {name_some(kept)}",
        odd and f"columns that differ among the rows of a photo are left out: {name_some(odd)}",
    )
    return photos, [note for note in notes if note]


def describe_several(photos: Collection[str]) -> str:
    """Return a line about photos that have several labels, or "" for none."""
    what = f"{counted(len(photos), 'photo')} with several labels"
    return f"{what}, unlabelled until you choose one: {name_some(sorted(photos))}" if photos else ""


def metadata_csv(photos: Mapping[str, Cells]) -> str:
    """Return a metadata.csv of the photos that have a label, given their cells by name."""
    columns = dict.fromkeys(["file_name", *(name for cells in photos.values() for name in cells)])
    rows = [{"file_name": name, **cells} for name, cells in photos.items() if cells["label"]]
    return pd.DataFrame(rows, columns=[*columns]).to_csv(index=False, lineterminator="\n")


def label_files(files: Mapping[str, Path], images: list[str], others: list[str]) -> list[str]:
    """Return the files that may hold labels, sorted by suffix, and the columns of each CSV or TSV.

    These are tables, and files with the name of a photo beside them, which may be a caption or a
    label.
    """
    photos = {PurePosixPath(name).with_suffix("") for name in images}
    stems, found = {path.name for path in photos}, []
    for path in map(PurePosixPath, others):
        suffix = path.suffix.lower()
        is_beside = suffix in BESIDE and path.with_suffix("") in photos
        if (
            is_beside
            or suffix in TABLES | OF_JSON | UNREAD
            or (suffix and is_table(files[str(path)], stems))
        ):
            found.append((suffix, str(path), "" if is_beside else _columns_of(files[str(path)])))
    return [f"{name}{columns}" for _, name, columns in sorted(found)]


def _columns_of(path: Path) -> str:
    """Return text such as " (image, age)", or "" for a file that is not a CSV or TSV."""
    if path.suffix.lower() not in TABLES | MAY_BE:
        return ""
    try:
        with path.open("rb") as file:
            return f" ({name_some(parse_csv(file.readline(), '', ()).header)})"
    except InputError as error:
        return f" ({error})"
