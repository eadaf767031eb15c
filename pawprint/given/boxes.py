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
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
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
NOT_NAMED = "of category {!r}, which the file does not name"
AS_IS = "as-is"
ANIMAL = "animal"  # MegaDetector's category for this; the others are person and vehicle
MAX_STRETCH = 0.02  # difference of a photo's aspect ratio from the JSON's, which rounding explains
# Folders that cameras make, below the folder of a site.
OF_CAMERAS = re.compile(r"dcim|\d{3}[a-z_]{5}|\d+(recnx|ek\d+|_btcf|media|dscim)", re.IGNORECASE)
LEAST = 0.2  # the least confidence, if the JSON does not say what is typical for its detector


class Box(NamedTuple):
    """A box: left, top, width and height, as fractions of the upright photo's.

    `place` is its index among all boxes that the JSON has for the photo. `confidence` is the
    detector's, or None, and `label` may be "".
    """

    place: int
    bbox: tuple[float, ...]
    confidence: float | None
    label: str = ""


class Photo(NamedTuple):
    """A photo and its boxes.

    `name` is its path in the JSON, and `file` the one below the photos' folder, with slashes. If
    `problem` is not "", the photo cannot be used. `cells` may have a `group`, the sequence, and a
    `location`. `size` is the width and height that COCO has, or None, and `labels` are COCO's, with
    "" for one that may be another photo's.
    """

    name: str
    file: str
    boxes: list[Box]
    problem: str
    cells: dict[str, str]
    size: Sequence[float] | None
    labels: frozenset[str]

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


# Where the boxes, annotations and images that cannot be used are, by what they are and the reason.
LeftOut = dict[tuple[str, str], list[str]]


def read_boxes(
    path: Path, folder: Path, threshold: float | None = None
) -> tuple[list[Photo], dict[str, Any], list[str]]:
    """Return the photos of a JSON, its content, and lines about how it was read.

    Photos are below `folder`; those that are equal are one. `threshold` is the least confidence of
    a box, by default what is typical for the detector. Raises InputError for other formats.
    """
    left_out: LeftOut = defaultdict(list)
    notes: list[str] = []
    try:
        with reading():
            content = json.loads(read_bytes(path))
        if not isinstance(content, dict) or "predictions" in content:
            raise TypeError("another format; convert SpeciesNet's with its speciesnet_to_md")
        if "annotations" in content:
            images, labels, least = *_of_coco(content, left_out), threshold or 0
        else:
            images, labels, least = _of_megadetector(content, threshold, notes)
        photos = [_photo_of(image, labels, least, left_out) for image in images]
        described = ", ".join(
            f"{counted(len(places), what)} {why} ({name_some(places, 1)})"
            for (what, why), places in left_out.items()
        )
        notes += [f"left out: {described}"] if described else []
        photos = [*_below(folder, photos, notes)]
    except MALFORMED as error:
        raise InputError(
            f"{path}: expected boxes in a JSON of MegaDetector or COCO. Received: {_says(error)}."
        ) from None
    names = [PurePosixPath(photo.file).name for photo in photos]
    if others := [name for name in names if not is_image_name(name)]:
        notes.append(f"left out: {count_suffixes(others)}")
    return [each for each, name in zip(photos, names) if is_image_name(name)], content, notes


def _says(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else reason(error)


@contextlib.contextmanager
def _leaving_out(left_out: LeftOut, what: str, where: str, entry: Any) -> Iterator[None]:
    """Leave out an entry of the JSON that raises an error."""
    try:
        yield
    except (InputError, *MALFORMED) as error:
        said = str(error) if isinstance(error, InputError) else f"malformed: {_says(error)}"
        has_id = isinstance(entry, dict) and "id" in entry
        left_out[what, said].append(f"{where}, id {entry['id']}" if has_id else where)


Labels = Mapping[object, str | None]  # of the boxes of each category; None: they are not wanted


def _of_megadetector(
    content: dict, threshold: float | None, notes: list[str]
) -> tuple[list[dict], Labels, float]:
    """Return the images, the labels, and the least confidence of a box."""
    names = content["detection_categories"]
    # The dialects number the categories differently.
    chosen = {key for key, name in names.items() if name.lower() == ANIMAL} or {*names}
    info = content.get("info") or {}
    typical = (info.get("detector_metadata") or {}).get("typical_detection_threshold") or LEAST
    least = float(typical if threshold is None else threshold)
    what = name_some(sorted({names[key] for key in chosen}))
    notes.append(f"boxes of {what} with a confidence of at least {least:g}")
    return content["images"], {key: "" if key in chosen else None for key in names}, least


def _of_coco(content: dict, left_out: LeftOut) -> tuple[list[dict], Labels]:
    """Return the images in MegaDetector's form, with their `size` and `labels`, and the labels."""
    images = []
    boxes: dict[object, list[dict]] = defaultdict(list)
    labels: dict[object, set[str]] = defaultdict(set)
    for place, image in enumerate(content["images"]):
        with _leaving_out(left_out, "image", f"images[{place}]", image):
            found = {"detections": boxes[image["id"]], "labels": labels[image["id"]]}
            size = [float(image.get(side) or 0) for side in ("width", "height")]
            failure = "marked as corrupt" if image.get("corrupt") else ""
            record = {"file": str(image["file_name"]), "failure": failure, "size": size}
            images.append(image | record | found)
    for part, name in (("categories", "name"), ("images", "file")):
        pairs = {(each["id"], each[name]) for each in (content | {"images": images})[part]}
        if len(dict(pairs)) < len(pairs):
            raise ValueError(f"{part} with the same id")
    names = {each["id"]: each["name"] for each in content["categories"]}
    for place, each in enumerate(content["annotations"]):
        with _leaving_out(left_out, "annotation", f"annotations[{place}]", each):
            category, image_id = each.get("category_id"), each["image_id"]
            if image_id not in boxes:
                raise InputError("of an image_id that no image has")
            is_of_photo = not each.get("sequence_level_annotation")  # or of another one
            labels[image_id].add(names.get(category, "") if is_of_photo else "")
            if each.get("bbox"):
                box = {"category": category, "conf": each.get("score"), "is_of_photo": is_of_photo}
                boxes[image_id].append(each | box)
            elif category not in names:
                raise InputError(NOT_NAMED.format(category))
    return images, names


def _photo_of(image: dict, label_of: Labels, least: float, left_out: LeftOut) -> Photo:
    """Return a photo with the boxes that are wanted and can be cut."""
    file, boxes = image["file"], []
    problem, detections = image.get("failure") or "", image.get("detections") or []
    if not isinstance(detections, list):
        problem, detections = "malformed: its detections are not a list", []
    for place, each in enumerate(detections):
        with _leaving_out(left_out, "box", file, each):
            category, confidence = each["category"], each.get("conf")
            if category not in label_of:
                raise InputError(NOT_NAMED.format(category))
            label = label_of[category] if each.get("is_of_photo", True) else ""
            confidence = None if confidence is None else float(confidence)
            if label is not None and (confidence is None or confidence >= least):
                bbox = _fractions(each["bbox"], image.get("size"))
                boxes.append(Box(place, bbox, confidence, label))
    keys = {"group": "seq_id", "location": "location"}
    cells = {column: str(image[key]) for column, key in keys.items() if image.get(key) is not None}
    labels = frozenset(image.get("labels", ()))
    return Photo(file, file, boxes, problem, cells, image.get("size"), labels)


def _fractions(numbers: Sequence[float], size: Sequence[float] | None) -> tuple[float, ...]:
    """Return a box as in `Box`, given in pixels of a photo of this size or else in fractions.

    Further numbers are left out. Raises InputError, with the reason, if it cannot be cut.
    """
    if size and min(size) <= 0:
        raise InputError("in pixels, without the width and height of the photo")
    left, top, width, height = map(float, numbers[:4])
    if min(width, height) <= 0 or not math.isfinite(left + top + width + height):
        raise InputError("without an area")
    if size and max(width, height) <= 1:
        raise InputError("in fractions instead of pixels")
    x, y = size or (1, 1)
    if left >= x or top >= y or min(left + width, top + height) <= 0:
        raise InputError("outside the photo")
    return left / x, top / y, width / x, height / y


def _below(folder: Path, photos: list[Photo], notes: list[str]) -> Iterator[Photo]:
    """Yield each photo once, with the path of its file below `folder`, for `read_boxes`.

    Macs decompose letters in names. If no photo that is needed has a file, all paths may begin in
    another way, which `notes` then say.
    """
    root = normalize("NFC", folder.absolute().as_posix()).rstrip("/") + "/"
    below = (path.relative_to(folder).as_posix() for path in walk(folder, lambda *_: None))
    names = {normalize("NFC", name): name for name in below}
    paths = (normalize("NFC", photo.name.replace("\\", "/")) for photo in photos)
    files = [path.removeprefix(root).removeprefix("./") for path in paths]
    needed = [file for file, photo in zip(files, photos) if photo.boxes or photo.labels]
    if needed and names.keys().isdisjoint(needed):
        said = f"has no {needed[0]} or other photo of the JSON"
        # The folders that all have in common may have another name and place.
        parts = os.path.commonprefix([file.split("/")[:-1] for file in needed])  # noqa: RUF071
        old = "".join(f"{part}/" for part in parts)
        first, *ends = (file.removeprefix(old) for file in needed)
        found = [name.removesuffix(first) for name in names if f"/{name}".endswith(f"/{first}")]
        beginnings = [new for new in found if all(new + end in names for end in ends)]
        if len(beginnings) == 1:
            (new,) = beginnings
            files = [new + file.removeprefix(old) for file in files]
            said = f"at the beginning of the JSON's paths, {old!r} was replaced by {new!r}"
        notes.append(f"{folder}: {said}")
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
    if abs(width * image.height / (height * image.width) - 1) > MAX_STRETCH:
        raise InputError(
            f"the JSON has {width:g} x {height:g} pixels: another photo, or before EXIF turns it"
        )
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
