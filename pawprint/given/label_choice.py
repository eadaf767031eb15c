"""Choose the labels of photos among all readings of the tables beside them and of their folders.

If all readings that remain say the same, the first is taken, unless something in it was decided
that nobody asked for. Otherwise a person chooses, by options that the message lists with what they
give.
"""

import posixpath
import shlex
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.labels import NOT, NOT_KNOWN, SEPARATOR, LabelKind
from pawprint.given.folders import AUTO, READINGS, describe_class_counts
from pawprint.given.given_images import Given, require_inside
from pawprint.given.label_readings import OPEN, Asked, Options, Reading, read_folders, read_labels
from pawprint.given.label_tables import FILES, KEY, PHOTO, PLACE, read_tables
from pawprint.given.metadata_csv import FILE_NAME, is_metadata, metadata_csv
from pawprint.given.names import count_suffixes

Cells = dict[str, str]  # keyed by column
NOTHING = Asked()
NO_TABLE = Path("none")
LISTED = 12  # readings in a message
OF_NUMBERS = "the classes are numbers; to name them, write clean.labels, such as {cat: ['0']}"
KEPT = "other columns, kept in photos/metadata.csv (a column called group holds photos together)"


class Labelled(NamedTuple):
    """Photos with the labels of a table, which `name` describes.

    `photos` maps the name of each photo to its cells in metadata.csv: a label, or "" for a photo
    without one, and perhaps a split, a group and others. `notes` are lines about what was left out,
    of which `unused` are about rows that name no photo, and photos with several labels.
    """

    name: str
    photos: Mapping[str, Cells]
    notes: list[str]
    unused: list[str]
    kind: LabelKind


def with_table(given: Given, asked: Asked, labels: dict[str, list[str]] | str) -> Given:
    """Return the photos of `find_labels` with their metadata.csv, or `given` itself."""
    found = find_labels(given, asked, labels)
    if not found:
        return given
    require_inside(given, found.photos)
    table = metadata_csv(found.photos).encode()
    return given._replace(
        files={name: given.files[name] for name in found.photos},
        names=[FILE_NAME, *found.photos],
        images=[*found.photos],
        others=[FILE_NAME],
        read=lambda _: table,
        notes=[*given.notes, *found.notes],
        table=found.name,
        kind=found.kind,
    )


def find_labels(
    given: Given, asked: Asked = NOTHING, labels: dict[str, list[str]] | str = AUTO
) -> Labelled | None:
    """Return the photos in a folder with the labels of its tables.

    Returns None for images that `clean` reads with `clean.labels`: folders of classes, photos with
    a metadata.csv, and photos without labels. Tables or columns that are asked for take precedence.
    Raises InputError if labels are missing or need a choice, and for a CSV or TSV that is damaged.
    """
    folder = given.path
    is_read = labels == AUTO and not any(map(is_metadata, given.others)) and folder.is_dir()
    if asked.tables == (NO_TABLE,) or (asked == NOTHING and not is_read):
        return None
    if not folder.is_dir():
        raise InputError(f"{folder}: cannot use a table with it. Download the archive.")
    tables, reasons = read_tables(given, asked.tables, {*map(str.lower, asked.labels)})
    of_tables = [read_labels(t, asked, f"{folder}: {printable(t.name)}") for t in tables]
    readings = [each for found in of_tables for each in found]
    if asked == NOTHING and not (readings := _beside_folders(readings, given.images)):
        return None
    if not readings:
        shown = (f"{printable(t.name)} with the columns {name_some(t.cells, 20)}" for t in tables)
        named = f" named {name_some(asked.labels)}" if asked.labels else ""
        raise InputError(
            f"{folder}: expected a table with a column of labels{named} beside the names of files. "
            f"Received: {'; '.join([*reasons, *shown]) or 'no table'}. Choose others with --table "
            "FILE or --label COLUMN."
        )
    chosen = _choose(readings, asked, given)
    return _label(chosen, given, asked.skips) if chosen.table.files else None  # the folders


def _choose(readings: list[Reading], asked: Asked, given: Given) -> Reading:
    """Return the only reading, by what is asked for. Raises InputError for none or several."""
    decided = {"--separator": asked.separator, "--zeros": asked.zeros, "--blanks": asked.blanks}
    wanted = {option: [value] for option, value in decided.items() if value is not None}
    undecided = set() if asked.skips else {"--zeros", "--blanks"} - wanted.keys()
    if asked.skips:  # whatever is in doubt has no label yet
        readings = [each for each in readings if each.options.get("--blanks") != [OPEN]]
        readings = [*{(each.table, *each.columns): each for each in readings}.values()]
    kept: list[Reading] = []
    for each in sorted(readings, key=lambda one: not one.table.split):
        if wanted.items() <= each.options.items() and not any(map(each.says_no_more, kept)):
            kept = [*(other for other in kept if not other.says_no_more(each)), each]
    if len(kept) != 1 or undecided & kept[0].options.keys():
        raise _question(kept or readings, given, {} if kept else wanted)
    return kept[0]


def _beside_folders(readings: list[Reading], images: list[str]) -> list[Reading]:
    """Return the readings that have the labels, with the folders if these may have them, too.

    Tables have to name most of the photos that have the label of a folder. Returns none if the
    folders have them.
    """
    folders = read_folders(images)
    of_files = [each for each in readings if each.table.kind == FILES]
    if of_files and not folders:
        return of_files
    known = {*(folders[0].photos if folders else images)}
    named = known & {name for each in readings for name in each.photos}
    same = [r for r in of_files for one in folders if r.labelled.keys() <= known and r.agrees(one)]
    if same or 2 * len(named) <= len(known):
        return []
    doubt = folders or [one for each in READINGS for one in read_folders(images, each)]
    return [*readings, *doubt]


def _question(readings: list[Reading], given: Given, wanted: Options) -> InputError:
    """Return the question which of several readings is meant, with options and what they give.

    None of them is as `wanted`, if this is not empty.
    """
    whys = dict.fromkeys(why for each in readings for why in each.whys)
    tables = {each.table for each in readings if each.table.files}
    photos = [name for table in tables for name in {*table.rows[PHOTO]}]
    columns = Counter(name for table in tables for name in table.cells)
    odd = sorted(name for name in columns if columns[name] < len(tables))
    if odd and len({*photos}) == len(photos):
        whys[f"tables of different photos, with columns that differ: {name_some(odd)}"] = None
    lines = []
    for each in readings:
        names = each.table.files
        same = [*{posixpath.basename(name) for name in names}]
        options = {"--table": same if len(same) == 1 < len(names) else names, **each.options}
        cells = (dict.fromkeys(given.images, "") | each.cells).values()
        counts = describe_class_counts(each.kind.count(cells), each.kind)
        lines.append(f"  {_typed(options)}: {counts}")
    more = [f"  and {len(lines) - LISTED} more"] if lines[LISTED:] else []
    reason = "; ".join([f"none with {_typed(wanted)}"] * bool(wanted) + [*whys])
    return InputError(
        f"{given.path}: expected one reading of the labels. Received: {len(readings)}"
        f"{reason and f' ({reason})'}. Add the options of one:\n"
        + "\n".join([*lines[:LISTED], *more])
    )


def _typed(options: Options) -> str:
    words = [word for option in options for value in options[option] for word in (option, value)]
    return shlex.join(words)


def _label(reading: Reading, given: Given, skips: bool) -> Labelled:
    """Return the photos with the labels of a reading, and their other cells."""
    table, where = reading.table, f"{given.path}: {printable(reading.table.name)}"
    missing = table.rows.loc[table.rows[PHOTO] == "", PLACE]
    lacks = "with no file below the images, or several" if table.kind == FILES else "without photos"
    gone = f"{counted(len(missing), 'row')} {lacks}: {name_some(missing, 3)}"
    if len(missing) and table.kind == FILES and not skips:
        raise InputError(
            f"{where}: {gone}. Add the files, write the paths of names that are in several "
            "folders, or remove the rows."
        )
    of_flags = reading.columns if len(reading.columns) > 1 else []
    odd = [name for name in of_flags if reading.kind.name_in(name) != name]
    odd += sorted(name for name in reading.names if SEPARATOR in name)
    if odd and not reading.kind.exclusive:
        raise InputError(
            f"{where}: expected no {SEPARATOR} in labels, no {NOT_KNOWN} at their end, and no "
            f"{NOT.strip()} at their start. Received: {printable(odd[0])}. Rename it."
        )
    joined = {name for name, each in reading.labelled.items() if skips and len(each) != 1}
    cells = reading.cells | dict.fromkeys(joined, "")
    further, said = _further(reading, where)
    photos = {name: {"label": ""} for name in given.images}
    photos |= {name: {"label": cells[name]} | further.get(name, {}) for name in cells}
    if len(reading.columns) > 1:
        said["labels of no photo"] = [n for n in reading.columns if n not in reading.names]
        said["labels of all photos"] = sorted(frozenset.intersection(*{*reading.labelled.values()}))
    left = sorted({*given.others}.difference(photos))
    unused = [gone] if len(missing) else []
    unused += filter(None, [describe_several(reading.several | joined)])
    notes = [OF_NUMBERS] if all(map(str.isdecimal, reading.names)) else []
    notes += [f"{what}: {name_some(names)}" for what, names in said.items() if names]
    notes += [f"left out: {count_suffixes(left)}"] if left else []
    column = "/".join(table.columns) or "the first column"
    used = name_some(reading.columns)
    name = f"{table.name}, with the {table.kind} in {column}, labels in {used}"
    return Labelled(name, photos, [*notes, *unused], unused, reading.kind)


def _further(reading: Reading, where: str) -> tuple[dict[str, Cells], dict[str, list[str]]]:
    """Return the cells of each photo in the columns that have no labels, and what became of these.

    Folders are groups, unless each has a label of its own. Raises InputError for a photo in two
    splits or groups.
    """
    table, split = reading.table, reading.table.split
    others = [name for name in table.cells if name.strip() and name not in reading.columns]
    own = {*map(str.lower, reading.columns), "label", "file_name"}  # metadata.csv has its own
    names = [name for name in others if name.lower() not in own]
    rows = table.rows[table.rows[PHOTO] != ""]
    group = next((name for name in names if name.lower() == "group"), "")
    labels = rows[PHOTO].map(reading.photos).groupby(rows[KEY]).first()
    if table.kind != FILES and labels.nunique() < len(labels):
        group = group or "group"
        cells = rows.get(group, rows[KEY])
        rows = rows.assign(**{group: cells.where(cells != "", rows[KEY])})
        names = [*dict.fromkeys([*names, group])]
    pairs = {name: rows[[PHOTO, name]].drop_duplicates()[PHOTO] for name in names}
    several = {name: [*photos[photos.duplicated()]] for name, photos in pairs.items()}
    if odd := next((name for name in (split, group) if several.get(name)), ""):
        raise InputError(
            f"{where}: expected one {odd} for each photo. Received: several for "
            f"{name_some(several[odd])}. Correct the rows."
        )
    kept = [name for name in names if not several[name]]
    photos = rows.drop_duplicates(PHOTO).set_index(PHOTO)[kept].rename(columns={split: "split"})
    said = {
        "column of splits": [split] if split.lower() not in ("", "split") else [],
        KEPT: [n for n in kept if n not in (split, group)],
        "columns left out, in which rows of a photo differ": [n for n in names if several[n]],
        "columns left out, which metadata.csv has itself": [n for n in others if n not in names],
    }
    return photos.to_dict("index"), said


def describe_several(photos: Collection[str]) -> str:
    """Return a line about photos that have several labels, or "" for none."""
    what = f"{counted(len(photos), 'photo')} with several labels"
    return f"{what}, unlabelled until you choose one: {name_some(sorted(photos))}" if photos else ""
