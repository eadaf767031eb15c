"""The `crop` command."""

import argparse
import csv
import os
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from pawprint.base.classes import UNLABELLED
from pawprint.base.errors import InputError, counted, printable
from pawprint.base.files import replacing
from pawprint.base.progress import track
from pawprint.commands import add_threshold, align, fraction
from pawprint.commands.forms import Asked, find_form
from pawprint.commands.given import open_given
from pawprint.data.boxes import Photo, photo_labels, read_boxes
from pawprint.data.crops import AS_IS, crop_name, cut, square
from pawprint.data.folder_messages import describe_class_counts
from pawprint.data.folders import AUTO, READINGS, find_layout
from pawprint.data.metadata_csv import CROPS, FILE_NAME, parse_metadata_csv
from pawprint.data.reading import FAILURES, why
from pawprint.pipeline.mapping import map_in_threads

QUALITY = 95  # of the JPEGs, with all colours
Cells = dict[str, str]  # of a row in metadata.csv, by column


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    boxes = "boxes in a JSON of MegaDetector, COCO or COCO Camera Traps"
    parser.add_argument("boxes", type=Path, metavar="BOXES", help=boxes)
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="the folder of the photos")
    parser.add_argument("out", type=Path, metavar="OUT", help="write the crops to this new folder")
    add_threshold(parser)
    rules = parser.add_mutually_exclusive_group()
    margin = "extend squares on all sides by this fraction of the box's longer side; default: 0"
    rules.add_argument("--margin", type=fraction, default=0.0, metavar="PART", help=margin)
    as_is = "cut the boxes alone, as MegaDetector does, for a model of crops that exist already"
    rules.add_argument("--as-is", action="store_true", help=as_is)
    table = "use the labels in this table: CSV, TSV, or a JSON of COCO Camera Traps"
    parser.add_argument("--table", type=Path, metavar="FILE", help=table)
    label = "use this column of the table as the label"
    parser.add_argument("--label", default="", metavar="COLUMN", help=label)
    reading = "use the photos' outermost or innermost folders as labels; default: they are places"
    parser.add_argument("--labels", choices=READINGS, help=reading)


def run(arguments: argparse.Namespace) -> int:
    """Cut the boxes that a detector found out of photos, for `pawprint init`.

    Each box of an animal becomes an upright JPEG in OUT, by one rule: a square of its longer side,
    moved inside the photo. MegaDetector's other categories are left out; without the category
    animal, all boxes are cut. A metadata.csv has each crop's label, its group (the photo or the
    sequence), the location, and the detector's confidence.

    Labels come from COCO's categories, --table, a metadata.csv beside the photos, or --labels.
    Crops without a label go to OUT/unlabelled, for `pawprint app`. Photos that fail are listed with
    the reason, and the exit status is 1.

    Examples:
      pawprint crop md.json photos crops
      pawprint crop md.json photos crops --table labels.csv --label species
      pawprint crop md.json sorted crops --labels inner
    """
    out = arguments.out
    if os.path.lexists(out):
        raise InputError(f"{out} exists. Choose a new folder. Nothing is overwritten.")
    found = read_boxes(arguments.boxes, arguments.photos, arguments.threshold)
    cells_of = _cells_of(arguments, found.photos)
    rule = AS_IS if arguments.as_is else square(arguments.margin)
    rows: list[Cells] = []
    failed: list[tuple[str, str]] = []
    with replacing(out) as partial_out:
        partial_out.mkdir()
        crop = partial(_crop_photo, arguments.photos, partial_out, rule, cells_of)
        each = map_in_threads(crop, found.photos)
        for photo, result in zip(found.photos, track(each, "crop", len(found.photos), "photo")):
            if isinstance(result, str):
                failed.append((printable(photo.file), result))
            else:
                rows += result
        if not rows:
            said = "; ".join([*found.notes, *map(": ".join, failed[:1])])
            raise InputError(f"{arguments.boxes}: found no box to cut. {said}")
        columns = dict.fromkeys(column for row in rows for column in row)
        with (partial_out / FILE_NAME).open("x", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    labels = Counter("" if row["label"] == UNLABELLED else row["label"] for row in rows)
    without = sum(not photo.boxes and not photo.problem for photo in found.photos)
    print("\n".join([*found.notes, f"{CROPS}: {rule}", describe_class_counts(labels)]))
    print(
        f"{counted(len(rows), 'crop')} in {out}, of {counted(len(found.photos), 'photo')}: "
        f"{without:,} without a box to cut, {len(failed):,} failed"
    )
    if failed:
        print(align(failed))
    print(f"Next: pawprint init NAME --images {out}")
    return int(bool(failed))


def _cells_of(arguments: argparse.Namespace, photos: list[Photo]) -> Mapping[str, Cells]:
    """Return the cells that a table or the folders give a photo: a label, and perhaps others."""
    folder, table = arguments.photos, arguments.table
    if table and table.suffix.lower() == ".json":
        return photo_labels(table, folder)
    with open_given(folder) as given:
        # Without labels that are asked for, folders are places, and only a metadata.csv counts.
        labels = arguments.labels or AUTO
        asked = Asked(table, arguments.label)
        if form := find_form(given.path, given.files, asked, labels) if table else None:
            return form.photos
        rows = parse_metadata_csv(str(folder), given.names, given.read)
        if rows is None and not arguments.labels:
            return {}
        layout = find_layout(given.names, rows, labels, str(folder))
    cells = {name: {"label": place.label} for name, place in layout.places.items()}
    for name, row in (rows or {}).items():
        cells[name] |= {**row.further, "split": row.split}
        cells[name] |= {"group": row.group} if row.group else {}
    if rows is None:  # the folders are the classes, not the places
        cells = {name: cell | {"location": ""} for name, cell in cells.items()}
    return cells


def _crop_photo(
    folder: Path, out: Path, rule: str, cells_of: Mapping[str, Cells], photo: Photo
) -> list[Cells] | str:
    """Write the crops of a photo and return their rows, or the reason why it fails."""
    if photo.problem:
        return photo.problem
    if not photo.boxes:
        return []
    cells = cells_of.get(photo.file, {})
    rows = []
    try:
        crops = cut(folder / photo.file, photo.boxes, rule)
    except FAILURES as error:
        return why(error)
    for box, crop in zip(photo.boxes, crops):
        label = box.label or cells.get("label", "")
        where = "labelled" if label else UNLABELLED
        name = PurePosixPath(where, crop_name(photo.file, box))
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        crop.save(out / name, "JPEG", quality=QUALITY, subsampling=0)
        own = {"group": photo.group, "location": photo.location}
        confidence = "" if box.confidence is None else f"{box.confidence:g}"
        row = {"file_name": str(name), **own, **cells, "label": label or UNLABELLED}
        rows.append(row | {"confidence": confidence, CROPS: rule})
    return rows
