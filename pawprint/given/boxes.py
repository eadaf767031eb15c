"""Read the boxes that a detector found in photos, and cut them out by one rule.

The boxes are in a JSON of MegaDetector, COCO or COCO Camera Traps; the documentation of
https://github.com/agentmorris/MegaDetector describes these.

A rule is a text that matches CROP_RULE. "square 0.1" is a square whose side is the longer side of
the box plus a tenth of it on both sides. It is moved into the photo where it would hang over, and
only cut where the photo is smaller. "as-is" is the box alone, as MegaDetector's `crop_image` cuts
it. Crops for training and for prediction are cut by the same function, `cut`.
"""

import contextlib
import json
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import compress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from unicodedata import normalize

from PIL import Image

from pawprint.base.columns import CROPS
from pawprint.base.errors import InputError, counted, name_some, printable, reason
from pawprint.base.files import read_bytes, reading, walk
from pawprint.given.metadata_csv import FILE_NAME
from pawprint.given.names import count_suffixes, is_image_name, problem_of_name
from pawprint.given.reading import decode_file, read_file
from pawprint.given.user_tables import csv_rows

# What reading and decoding a user's photo raises. ValueError means an invalid path, ArithmeticError
# a box that is infinitely far away.
FAILURES = (InputError, OSError, ValueError, ArithmeticError)
MALFORMED = (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError)
AS_IS = "as-is"
ANIMAL = "animal"  # MegaDetector's category for this; the others are person and vehicle
MAX_FRACTION = 1.5  # rounding puts some boxes a little outside, and pixels are larger
MAX_STRETCH = 0.02  # difference of a photo's aspect ratio from the JSON's, which rounding explains
NO_FILE = "no such file or directory"  # as `why` says it
# Folders that cameras make, below the folder of a site.
OF_CAMERAS = re.compile(r"dcim|\d{3}[a-z_]{5}|\d+(recnx|ek\d+|_btcf|media|dscim)", re.IGNORECASE)
# The typical thresholds of MegaDetector's versions.
TYPICAL = ((r"redwood", 0.3), (r"(?<![a-z\d])(md|megadetector_)?v[234](?!\d)", 0.8), ("", 0.2))


class Box(NamedTuple):
    """A box: left, top, width and height, as fractions of the upright photo's.

    `place` is its index among all boxes that the JSON has for the photo. `confidence` is the
    detector's, or None, and `label` may be "".
    """

    place: int
    bbox: tuple[float, ...]
    confidence: float | None
    label: str = ""


Size = tuple[float, float]  # width and height


class Photo(NamedTuple):
    """A photo and its boxes.

    `name` is its path in the JSON, and `file` the one below the photos' folder, with slashes.
    `group`, the sequence, and `location` are the JSON's, or "". `size` is the width and height that
    the JSON has, or None. If `problem` is not "", the photo cannot be used. `labels` are those that
    COCO has for it, with "" for one that may be another photo's.
    """

    name: str
    file: str
    boxes: list[Box]
    problem: str
    group: str = ""
    location: str = ""
    size: Size | None = None
    labels: frozenset[str] = frozenset()

    def read(self, folder: Path) -> bytes:
        """Return the bytes, or none without boxes. Raises InputError, OSError or ValueError."""
        if self.problem:
            raise InputError(self.problem)
        return read_file(folder / self.file) if self.boxes else b""

    @property
    def label(self) -> str:
        """The only label, or ""."""
        return min(self.labels) if len(self.labels) == 1 else ""

    @property
    def site(self) -> str:
        """Its folder, without the folders that cameras make."""
        above = PurePosixPath(self.file).parts[:-1]
        return "/".join(part for part in above if not OF_CAMERAS.fullmatch(part))


LeftOut = dict[str, list[str]]  # where boxes that cannot be cut are, keyed by the reason


def read_boxes(
    path: Path, folder: Path, threshold: float | None = None, has_labels: bool = False
) -> tuple[list[Photo], dict[str, Any], list[str]]:
    """Return the photos of a JSON, its content, and lines about how it was read.

    Photos are below `folder`; those that are equal are one. `threshold` is the least confidence of
    a box, by default what is typical for the detector. If it `has_labels`, the JSON must be COCO's.
    Raises InputError for other formats, and if no box or no photo with boxes can be used.
    """
    what = "labels in COCO's JSON" if has_labels else "boxes in a JSON of MegaDetector or COCO"
    left_out: LeftOut = defaultdict(list)
    try:
        with reading():
            content = json.loads(read_bytes(path))
        if isinstance(content, list):
            raise TypeError("a list; that of Microsoft's `megadetector` has boxes in pixels")
        if "predictions" in content:
            raise TypeError("SpeciesNet's predictions: convert them with its speciesnet_to_md")
        if has_labels or "annotations" in content:
            photos, notes = _read_coco(content, threshold or 0, left_out), list[str]()
        else:
            photos, notes = _read_megadetector(content, threshold, left_out)
        if left_out:
            notes.append(f"left out: {_describe(left_out)}")
        if left_out and not has_labels and not any(photo.boxes for photo in photos):
            raise ValueError(_describe(left_out))
        photos = [*_below(folder, photos, has_labels, notes)]
    except MALFORMED as error:
        raise InputError(f"{path}: expected {what}. Received: {_problem(error)}.") from None
    names = [PurePosixPath(photo.file).name for photo in photos]
    if others := [name for name in names if not is_image_name(name)]:
        notes.append(f"left out: {count_suffixes(others)}")
    return [each for each, name in zip(photos, names) if is_image_name(name)], content, notes


def _problem(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else reason(error)


def _reason(error: Exception) -> str:
    """Return why a box is left out, from an error of `_fractions` or of reading another format."""
    return str(error) if isinstance(error, InputError) else f"malformed: {_problem(error)}"


def _describe(left_out: LeftOut) -> str:
    """Return text such as "6 boxes without an area (00349.jpg and 5 more)"."""
    return ", ".join(
        f"{len(places):,} box{'es' if places[1:] else ''} {why} ({name_some(places, 1)})"
        for why, places in left_out.items()
    )


def _read_megadetector(
    content: dict[str, Any], threshold: float | None, left_out: LeftOut
) -> tuple[list[Photo], list[str]]:
    names = content["detection_categories"]
    # The dialects number the categories differently.
    chosen = {key for key, name in names.items() if name.lower() == ANIMAL} or {*names}
    info = content.get("info") or {}
    least = typical_threshold(info) if threshold is None else threshold
    photos = []
    for image in content["images"]:
        file, boxes = image["file"], []
        for place, found in enumerate(image.get("detections") or []):
            try:
                confidence = float(found["conf"])
                if confidence >= least and _named(found["category"], names) in chosen:
                    boxes.append(Box(place, _fractions(found["bbox"]), confidence))
            except (InputError, *MALFORMED) as error:
                left_out[_reason(error)].append(file)
        photos.append(Photo(file, file, boxes, image.get("failure") or ""))
    what = name_some(sorted({names[key] for key in chosen}))
    notes = [f"boxes of {what} with a confidence of at least {least:g}"]
    if "format_version" not in info:
        notes.append("no format_version: PytorchWildlife's boxes may lie in photos before EXIF "
                     "turns them upright, so look at some crops")  # fmt: skip
    return photos, notes


def _named(category: object, names: Mapping) -> object:
    """Return a category. Raises InputError if it has no name."""
    if category not in names:
        raise InputError(f"of category {category!r}, which the file does not name")
    return category


def typical_threshold(info: dict[str, Any]) -> float:
    """Return the least confidence that MegaDetector's tools use for a JSON with this `info`."""
    typical = (info.get("detector_metadata") or {}).get("typical_detection_threshold")
    name = str(info.get("detector") or "").lower()
    by_name = next(value for pattern, value in TYPICAL if re.search(pattern, name))
    return by_name if typical is None else float(typical)


def _read_coco(content: dict[str, Any], threshold: float, left_out: LeftOut) -> list[Photo]:
    categories = {(each["id"], each["name"]) for each in content["categories"]}
    names = dict(categories)
    if len(names) < len(categories):
        raise ValueError("categories with the same id")
    pairs = {(image["id"], image["file_name"]) for image in content["images"]}
    files_of = Counter(image_id for image_id, _ in pairs)
    boxed, labels = defaultdict(list), defaultdict(set)
    for each in content["annotations"]:
        # The animal may be in another photo of the sequence.
        is_of_photo = not each.get("sequence_level_annotation")
        image_id = each.get("image_id")
        labels[image_id].add(names.get(each.get("category_id"), "") if is_of_photo else "")
        if each.get("bbox") or each.get("bbox_relative"):
            boxed[image_id].append(each)
    photos = []
    for image in content["images"]:
        file, image_id = image["file_name"], image["id"]
        width, height = (float(image.get(side) or 0) for side in ("width", "height"))
        size = (width, height) if min(width, height) > 0 else None
        annotations = boxed.get(image_id, [])
        boxes = [*_boxes_of(file, annotations, names, size, left_out)]
        problem = "marked as corrupt" if image.get("corrupt") else ""
        if not size and any(not each.get("bbox_relative") for each in annotations):
            problem = "the JSON has its boxes in pixels, but not its width and height"
        if files_of[image_id] > 1:
            problem = "the JSON has its id twice, and annotations may be another photo's"
        boxes = [box for box in boxes if box.confidence is None or box.confidence >= threshold]
        values = (image.get(key) for key in ("seq_id", "location"))
        group, location = ("" if value is None else str(value) for value in values)
        of_photo = frozenset(labels.get(image_id, ()))
        photos.append(Photo(file, file, boxes, problem, group, location, size, of_photo))
    for image_id in [each for each in boxed if each not in files_of]:
        left_out["of an image_id that no image has"] += [repr(image_id)] * len(boxed[image_id])
    return photos


def _boxes_of(
    file: str, annotations: list[dict], names: Mapping, size: Size | None, left_out: LeftOut
) -> Iterator[Box]:
    """Yield the boxes of a photo in COCO's JSON, but none in pixels without a size."""
    for place, each in enumerate(annotations):
        relative = each.get("bbox_relative")
        try:
            label = names[_named(each.get("category_id"), names)]
            if relative or size:
                bbox = _fractions(relative or each["bbox"], None if relative else size)
                score = None if each.get("score") is None else float(each["score"])
                is_of_photo = not each.get("sequence_level_annotation")
                yield Box(place, bbox, score, label if is_of_photo else "")
        except (InputError, *MALFORMED) as error:
            left_out[_reason(error)].append(f"{file}, annotation {each.get('id')}")


def _fractions(
    numbers: Sequence[float], size: tuple[float, float] | None = None
) -> tuple[float, ...]:
    """Return a box as in `Box`, given in pixels of a photo of this size or else in fractions.

    Further numbers are left out. Raises InputError, with the reason, if it cannot be cut.
    """
    bbox = tuple(map(float, numbers[:4]))
    if len(bbox) < 4:
        raise InputError(f"of {len(bbox)} instead of four numbers")
    if min(bbox[2:]) <= 0 or not math.isfinite(sum(bbox)):
        raise InputError("without an area")
    if size and max(bbox[2:]) <= 1:
        raise InputError("of at most one pixel; fractions would be a bbox_relative")
    if not size and max(bbox) > MAX_FRACTION:
        raise InputError("in pixels instead of fractions")
    left, top, width, height = (value / whole for value, whole in zip(bbox, (size or (1, 1)) * 2))
    if max(left, top) >= 1 or min(left + width, top + height) <= 0:
        raise InputError("outside the photo")
    return left, top, width, height


def _below(
    folder: Path, photos: list[Photo], has_labels: bool, notes: list[str]
) -> Iterator[Photo]:
    """Yield each photo once, with the path of its file below `folder`, for `read_boxes`.

    Macs decompose letters in names. If no photo that is needed has a file, all paths may begin in
    another way, which `notes` then say.
    """
    root = normalize("NFC", folder.absolute().as_posix()).rstrip("/") + "/"
    below = (path.relative_to(folder).as_posix() for path in walk(folder, lambda *_: None))
    names = {normalize("NFC", name): name for name in below}
    paths = (normalize("NFC", photo.name.replace("\\", "/")) for photo in photos)
    files = [path.removeprefix(root).removeprefix("./") for path in paths]
    needed = [*compress(files, (photo.labels if has_labels else photo.boxes for photo in photos))]
    if needed and names.keys().isdisjoint(needed):
        beginnings = _find_beginnings(needed, names)
        notes.append(f"{folder}: has no {needed[0]} or other photo of the JSON")
        if len(beginnings) == 1:
            ((old, new),) = beginnings
            files = [new + file.removeprefix(old) for file in files]
            notes[-1] += f", but all with {new!r} instead of {old!r}"
    same = defaultdict(list)
    for file, photo in zip(files, photos):
        same[names.get(file, file)].append(photo)
    if absent := sum(map(is_image_name, {*names.values()} - same.keys())):
        notes.append(f"{folder}: {counted(absent, 'photo')} not in the JSON")
    for file, (photo, *others) in same.items():
        is_one = all(photo == other for other in others)
        problem = "" if is_one else "the JSON has it twice, with other boxes or labels"
        problem = photo.problem or problem_of_name(file) or problem
        yield photo._replace(file=file, problem=printable(problem))


def _find_beginnings(files: list[str], names: Collection[str]) -> set[tuple[str, str]]:
    """Return the beginnings of all these files, each with another that makes them `names`."""
    found = set()
    for name in names:
        parts = [path.split("/")[::-1] for path in (files[0], name)]
        end = "/".join(os.path.commonprefix(parts)[::-1])  # noqa: RUF071 - of lists
        old, new = files[0].removesuffix(end), name.removesuffix(end)
        if end and all(f.startswith(old) and new + f.removeprefix(old) in names for f in files):
            found.add((old, new))
    return found


def crop_name(photo: Photo, box: Box) -> str:
    """Return the name of a crop, which has the photo's path and the place of the box."""
    return f"{photo.file}-{box.place}.jpg"


def corners(bbox: tuple[float, ...], size: tuple[int, int], rule: str) -> tuple[int, int, int, int]:
    """Return the left, top, right and bottom of a crop of at least one pixel, in pixels.

    `bbox` is as in `Box`, and `size` the width and height of the upright photo.
    """
    left, top, width, height = (value * side for value, side in zip(bbox, size * 2))
    if rule == AS_IS:
        x0, y0, x1, y1 = (
            round(min(max(value, 0), side - 1))
            for value, side in zip((left, top, left + width, top + height), size * 2)
        )
        return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)
    side = max(1, round(max(width, height) * (1 + 2 * float(rule.split()[1]))))
    x0, x1 = _inside(left + width / 2, side, size[0])
    y0, y1 = _inside(top + height / 2, side, size[1])
    return x0, y0, x1, y1


def _inside(centre: float, side: int, limit: int) -> tuple[int, int]:
    side = min(side, limit)
    start = min(max(round(centre - side / 2), 0), limit - side)
    return start, start + side


def cut(
    data: bytes, photo: Photo, rule: str, bits: int | None = None, side: int | None = None
) -> list[Image.Image]:
    """Return the upright crop of each box, RGB, from one decoding of the photo.

    `bits` is as for `decode_file`. With `side`, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its
    size, as long as the smallest crop keeps that many pixels on both sides. Raises InputError for a
    photo that cannot be used, such as one above 8 bits that uses fewer than its format has, if
    `bits` does not say how many are used.
    """
    if not photo.boxes:
        return []
    if side:
        shorter = min if rule == AS_IS else max  # a crop's side is at least this part of a photo's
        side = math.ceil(side / min(shorter(box.bbox[2:]) for box in photo.boxes))
    decoded = decode_file(data, bits, side)
    image = decoded.image
    width, height = photo.size or image.size
    if (width - height) * (image.width - image.height) < 0:
        raise InputError("the boxes belong to the photo before EXIF turns it upright")
    if abs(width * image.height / (height * image.width) - 1) > MAX_STRETCH:
        raise InputError(f"the JSON has {width:g} x {height:g} pixels, in another ratio")
    used, held = decoded.used_bits, decoded.file_bits
    if held > 8 and (used < held if bits is None else used > bits):
        raise InputError(f"uses {used} of {held} bits: see --bits of `crop`, or clean.bits")
    return [image.crop(corners(box.bbox, image.size, rule)) for box in photo.boxes]


def rules_of(paths: list[Path]) -> set[str | None]:
    """Return the rules by which `pawprint crop` cut images, by metadata.csv in the folders above.

    None stands for other images in such a table.
    """
    folders = {folder for path in paths for folder in (path, *path.absolute().parents)}
    rules: set[str | None] = set()
    for folder in folders:
        with contextlib.suppress(InputError, OSError):  # no table, or another one
            rows = csv_rows(read_bytes(folder / FILE_NAME), "", ("file_name",))
            rules |= {row.get(CROPS) for _, row in rows}
    return rules


def why(error: Exception) -> str:
    """Return why a photo failed, in one line, from one of FAILURES."""
    if isinstance(error, InputError):
        return printable(str(error))
    return str(getattr(error, "strerror", None) or error).lower()
