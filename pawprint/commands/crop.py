"""The `crop` command."""

import argparse
import os
import posixpath
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd
from PIL import ExifTags, Image

from pawprint.base.columns import CROPS
from pawprint.base.errors import InputError, counted, name_some
from pawprint.base.files import replacing, write_text
from pawprint.base.labels import UNLABELLED
from pawprint.base.threads import map_in_threads, track
from pawprint.commands import add_threshold
from pawprint.data.series import first_of_bursts
from pawprint.given.boxes import AS_IS, FAILURES, Photo, crop_name, cut, read_boxes, why
from pawprint.given.decoding.content import read_exif
from pawprint.given.folders import READINGS, describe_class_counts, find_layout
from pawprint.given.given_images import open_given
from pawprint.given.label_choice import Cells, describe_several, find_labels
from pawprint.given.label_readings import Asked
from pawprint.given.metadata_csv import FILE_NAME, metadata_csv

OF_CROPS = {"confidence", CROPS}  # columns that this command adds
QUALITY = 98  # of the JPEGs, with all colours


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    boxes = "boxes in a JSON of MegaDetector, COCO or COCO Camera Traps"
    parser.add_argument("boxes", type=Path, metavar="BOXES", help=boxes)
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="the folder of the photos")
    parser.add_argument("out", type=Path, metavar="OUT", help="write the crops to this new folder")
    add_threshold(parser)
    rules = parser.add_mutually_exclusive_group()
    margin = "extend squares on all sides by this fraction of the box's longer side; default: 0"
    rules.add_argument("--margin", type=float, default=0.0, metavar="PART", help=margin)
    as_is = "cut the boxes alone, as MegaDetector does, for a model of crops that exist already"
    rules.add_argument("--as-is", action="store_true", help=as_is)
    bits = "bits used by photos above 8 bits, such as 12: 4095 is white; see clean.bits"
    parser.add_argument("--bits", type=int, choices=range(1, 17), metavar="N", help=bits)
    table = "use the labels in this table: CSV, TSV or a JSON of COCO Camera Traps"
    parser.add_argument("--table", type=Path, metavar="FILE", help=table)
    label = "use this column of the table as the label"
    parser.add_argument("--label", default="", metavar="COLUMN", help=label)
    reading = "use the photos' outermost or innermost folders as labels; default: they are places"
    parser.add_argument("--labels", choices=READINGS, help=reading)


def run(arguments: argparse.Namespace) -> int:
    """Cut the boxes that a detector found out of photos, for `pawprint init`.

    Each box of an animal becomes an upright JPEG in OUT, by one rule: a square of its longer side,
    moved inside the photo. MegaDetector's other categories are left out; without the category
    animal, all boxes are cut. A metadata.csv has each crop's label, its group (the sequence, the
    burst that EXIF times tell, or the photo), the location, and the detector's confidence.

    Labels come from --table, --labels, COCO's categories, or a metadata.csv beside the photos.
    Crops without a label go to OUT/unlabelled, for `pawprint app`. Boxes that cannot be cut and
    photos that fail are counted for each reason, with the first. The exit status is 1 if photos
    failed.

    Examples:
      pawprint crop md.json photos crops
      pawprint crop md.json photos crops --table labels.csv --label species
      pawprint crop md.json sorted crops --labels inner
    """
    folder, out = arguments.photos, arguments.out
    if os.path.lexists(out):
        raise InputError(f"{out} exists. Choose a new folder. Nothing is overwritten.")
    if arguments.labels and (arguments.table or arguments.label):
        arguments.error("argument --labels: expected no --table and no --label")
    if not 0 <= arguments.margin <= 1:
        arguments.error("argument --margin: expected 0 to 1")
    photos, _, notes = read_boxes(arguments.boxes, folder, arguments.threshold)
    rule = AS_IS if arguments.as_is else f"square {round(arguments.margin, 3)}"
    cells_of, unused = _cells_of(arguments, photos)
    columns = {column.lower() for cells in cells_of.values() for column in cells}
    unused += [f"the table's {each} is in own_{each}" for each in sorted(columns & OF_CROPS)]
    rows: dict[str, Cells] = {}
    taken: list[Cells] = []
    failed: dict[str, list[str]] = defaultdict(list)
    with replacing(out) as new:
        crop = partial(_crop_photo, arguments, new, rule)
        items = ((photo, cells_of.get(photo.file, {})) for photo in photos)
        results = track(map_in_threads(crop, items), "crop", len(photos), "photo")
        for photo, (crops, exif, error) in zip(photos, results):
            rows |= crops
            taken += [exif] if crops else []
            if error:
                failed[error].append(photo.file)
        reasons = [f"{error}: {name_some(files)}" for error, files in failed.items()]
        if not rows:
            said = [f"{arguments.boxes}: no box to cut", *notes, *unused, *reasons]
            raise InputError("; ".join(said))
        table = pd.DataFrame(taken, [photo["path"] for photo in taken])
        bursts = first_of_bursts(table, ["folder", "camera"])
        for cells in rows.values():  # a sequence stays as it is
            cells["group"] = bursts.get(cells["group"], cells["group"])
        write_text(new / FILE_NAME, metadata_csv(rows))
    labels = Counter(cells["label"] for cells in rows.values())
    labels[""] = labels.pop(UNLABELLED, 0)
    number = sum(map(len, failed.values()))
    counts = (
        f"{counted(len(rows), 'crop')} of {counted(len(taken), 'photo')}; other photos: "
        f"{len(photos) - len(taken) - number:,} without a box to cut, {number:,} failed"
    )
    lines = [*notes, *unused, f"{CROPS}: {rule}", describe_class_counts(labels), counts, *reasons]
    print("\n".join([*lines, "Next:", f"pawprint init NAME --images {out}"]))
    return int(bool(failed))


def _cells_of(
    arguments: argparse.Namespace, photos: list[Photo]
) -> tuple[Mapping[str, Cells], list[str]]:
    """Return the cells that a table or the folders give a photo: a label, and perhaps others.

    The second result are lines about rows of the table that are not used.
    """
    folder, labels = arguments.photos, arguments.labels
    own = folder / FILE_NAME
    table = arguments.table or (own if own.exists() and not labels else None)
    if not (table or labels or arguments.label):
        return {}, []
    if table and table.suffix.lower() == ".json" and not arguments.label:
        of_table, _, notes = read_boxes(table, folder)
        usable = [each for each in of_table if not each.problem]
        cells = {each.file: each.cells | {"label": each.label} for each in usable}
        unusable = [f"{each.file}: {each.problem}" for each in of_table if each.problem]
        notes += [f"not used: {name_some(unusable)}"] if unusable else []
        several = [each.file for each in usable if len(each.labels - {""}) > 1]
        notes += [describe_several(several, several)] if several else []
        if not any(cells[each.file]["label"] for each in photos if each.file in cells):
            what = f"expected labels of photos in {arguments.boxes}, by the same paths"
            received = "; ".join([f"{name_some(cells)}, without such labels", *notes])
            raise InputError(f"{table}: {what}. Received: {received}.")
        return cells, [f"{table}: {note}" for note in notes]
    with open_given(folder) as given:
        if table or arguments.label:
            column = (arguments.label,) if arguments.label else ()
            asked = Asked((table,) if table else (), column, skips=True)
            found = find_labels(given, asked)
            return (found.photos, found.unused) if found else ({}, [])
        places = find_layout(given.names, None, labels, str(folder)).places
    return {name: {"label": place.label} for name, place in places.items()}, []


def _crop_photo(
    arguments: argparse.Namespace, out: Path, rule: str, item: tuple[Photo, Cells]
) -> tuple[dict[str, Cells], Cells, str]:
    """Write the crops of a photo, given with its cells from the table or the folders.

    Returns their cells by name, the photo's path and EXIF, and why it fails, or "".
    """
    photo, of_table = item
    try:
        data = photo.read(arguments.photos)
        crops = cut(data, photo, rule, arguments.bits)
    except FAILURES as error:
        return {}, {}, why(error)
    found = read_exif(data)
    # With --labels, folders are classes, not locations.
    cells = {"group": photo.file, "location": "" if arguments.labels else photo.site, "label": ""}
    for given in (photo.cells, of_table):
        named = {column.lower(): cell for column, cell in given.items() if cell}
        cells |= {f"own_{each}" if each in OF_CROPS else each: cell for each, cell in named.items()}
    is_asked = arguments.table or arguments.label or arguments.labels
    rows = {}
    for box, crop in zip(photo.boxes, crops):
        label = cells["label"] if is_asked else box.label or cells["label"]
        name = Path("labelled" if label else UNLABELLED, crop_name(photo, box))
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        crop.save(out / name, "JPEG", quality=QUALITY, subsampling=0, exif=_exif_of(found))
        row = cells | {"label": label or UNLABELLED}
        confidence = "" if box.confidence is None else str(box.confidence)
        rows[name.as_posix()] = row | {"confidence": confidence, CROPS: rule}
    return rows, found | {"path": photo.file, "folder": posixpath.dirname(photo.file)}, ""


def _exif_of(found: Cells) -> bytes:
    """Return when and with which camera a photo was taken, as `read_exif` has `found` it."""
    exif = Image.Exif()
    if found["camera"]:
        exif[ExifTags.Base.Model] = found["camera"]
    if found["taken"]:
        taken, _, part = found["taken"].replace("-", ":").replace("T", " ").partition(".")
        times = {ExifTags.Base.DateTimeOriginal: taken, ExifTags.Base.SubsecTimeOriginal: part}
        exif[ExifTags.IFD.Exif] = times
    return exif.tobytes() if exif else b""
