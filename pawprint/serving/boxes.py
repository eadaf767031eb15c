"""Read the boxes that a detector found in photos, and cut them out by one rule.

The boxes are in a JSON of MegaDetector, COCO or COCO Camera Traps; the documentation of
https://github.com/agentmorris/MegaDetector describes these.

A rule is a text that matches CROP_RULE. "square 0.1" is a square whose side is the longer side of
the box plus a tenth of it on both sides. It is moved into the photo where it would hang over, and
only cut where the photo is smaller. "as-is" is the box alone, as MegaDetector's `crop_image` cuts
it. Crops for training and for prediction are cut by the same function, `cut`.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from PIL import Image

from pawprint.base.errors import InputError, name_some, printable, reason
from pawprint.base.files import read_bytes, reading
from pawprint.data.names import count_suffixes, is_image_name, problem_of_name
from pawprint.data.reading import decode_file, read_file

# What reading and decoding a user's photo raises. ValueError means an invalid path, ArithmeticError
# a box that is infinitely far away.
FAILURES = (InputError, OSError, ValueError, ArithmeticError)
MALFORMED = (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError)
AS_IS = "as-is"
ANIMAL = "animal"  # MegaDetector's category for this; the others are person and vehicle
MAX_FRACTION = 1.5  # rounding puts some boxes a little outside, and pixels are larger
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


class Photo(NamedTuple):
    """A photo and its boxes.

    `position` is its place in the JSON's `images`, and `file` its path below the photos' folder,
    with slashes. All crops of a `group` belong in one split. `location` may be "". `size` is the
    width and height that the JSON has, or None. If `problem` is not "", the photo cannot be used.
    `label` is the only one that COCO has for it, or "".
    """

    position: int
    file: str
    boxes: list[Box]
    problem: str
    group: str = ""
    location: str = ""
    size: tuple[float, float] | None = None
    label: str = ""

    def read(self, folder: Path) -> bytes:
        """Return the bytes, or none without boxes. Raises InputError, OSError or ValueError."""
        if self.problem:
            raise InputError(self.problem)
        return read_file(folder / self.file) if self.boxes else b""


def read_boxes(
    path: Path, folder: Path, threshold: float | None = None, has_labels: bool = False
) -> tuple[list[Photo], dict[str, Any], list[str]]:
    """Return the photos of a JSON, its content, and lines about how it was read.

    Photos are below `folder`. `threshold` is the least confidence of a box, by default what is
    typical for the detector. If it `has_labels`, the JSON must be COCO's. Raises InputError for
    other formats.
    """
    what = "labels in COCO's JSON" if has_labels else "boxes in a JSON of MegaDetector or COCO"
    try:
        with reading():
            content = json.loads(read_bytes(path))
        if isinstance(content, list):
            raise TypeError("a list; that of Microsoft's `megadetector` has boxes in pixels")
        if "predictions" in content:
            raise TypeError("SpeciesNet's predictions: convert them with its speciesnet_to_md")
        if has_labels or "annotations" in content:
            photos, notes = _read_coco(content, threshold or 0), list[str]()
        else:
            photos, notes = _read_megadetector(content, threshold)
        photos = list(_below(folder, photos))
    except MALFORMED as error:
        received = f"no {error}" if isinstance(error, KeyError) else reason(error)
        raise InputError(f"{path}: expected {what}. Received: {received}.") from None
    names = [PurePosixPath(photo.file).name for photo in photos]
    if others := [name for name in names if not is_image_name(name)]:
        notes.append(f"left out: {count_suffixes(others)}")
    return [each for each, name in zip(photos, names) if is_image_name(name)], content, notes


def _read_megadetector(
    content: dict[str, Any], threshold: float | None
) -> tuple[list[Photo], list[str]]:
    names = content["detection_categories"]
    # The dialects number the categories differently.
    chosen = {key for key, name in names.items() if name.lower() == ANIMAL} or {*names}
    info = content.get("info") or {}
    least = typical_threshold(info) if threshold is None else threshold
    photos = []
    for position, image in enumerate(content["images"]):
        boxes = [
            Box(place, _four(found["bbox"]), float(found["conf"]))
            for place, found in enumerate(image.get("detections") or [])
            if found["category"] in chosen and found["conf"] >= least
        ]
        if wrong := [box.bbox for box in boxes if max(box.bbox) > MAX_FRACTION]:
            raise ValueError(f"a box in pixels, {wrong[0]}")
        photos.append(Photo(position, image["file"], boxes, image.get("failure") or ""))
    what = name_some(sorted({names[key] for key in chosen}))
    notes = [f"boxes of {what} with a confidence of at least {least:g}"]
    if "format_version" not in info:
        notes.append("no format_version: PytorchWildlife's boxes may lie in photos before EXIF "
                     "turns them upright, so look at some crops")  # fmt: skip
    return photos, notes


def typical_threshold(info: dict[str, Any]) -> float:
    """Return the least confidence that MegaDetector's tools use for a JSON with this `info`."""
    typical = (info.get("detector_metadata") or {}).get("typical_detection_threshold")
    name = str(info.get("detector") or "").lower()
    by_name = next(value for pattern, value in TYPICAL if re.search(pattern, name))
    return by_name if typical is None else float(typical)


def _read_coco(content: dict[str, Any], threshold: float) -> list[Photo]:
    names = {category["id"]: category["name"] for category in content["categories"]}
    boxed, labels = defaultdict(list), defaultdict(set)
    for each in content["annotations"]:
        # The animal may be in another photo of the sequence.
        is_of_photo = not each.get("sequence_level_annotation")
        if each.get("bbox") or each.get("bbox_relative"):
            label = names[each["category_id"]] if is_of_photo else ""
            boxed[each["image_id"]].append((label, each))
        else:
            label = names.get(each.get("category_id"), "") if is_of_photo else ""
        labels[each.get("image_id")].add(label)
    photos = []
    for position, image in enumerate(content["images"]):
        size = (image["width"], image["height"]) if image.get("width") else None
        problem = "marked as corrupt" if image.get("corrupt") else ""
        boxes = []
        for place, (label, each) in enumerate(boxed[image["id"]]):
            relative = each.get("bbox_relative")
            if not relative and not size:
                problem = "the JSON has its boxes in pixels, but not its width and height"
            in_pixels = zip(each.get("bbox") or (), (size or (1, 1)) * 2)
            bbox = _four(relative or [value / whole for value, whole in in_pixels])
            if each.get("score", 1) >= threshold:
                boxes.append(Box(place, bbox, each.get("score"), label))
        of_photo = labels[image["id"]]
        label = min(of_photo) if len(of_photo) == 1 else ""
        values = (image.get(key) for key in ("seq_id", "location"))
        group, location = ("" if value is None else str(value) for value in values)
        file = image["file_name"]
        photos.append(Photo(position, file, boxes, problem, group, location, size, label))
    return photos


def _four(numbers: Sequence[float]) -> tuple[float, ...]:
    """Return the numbers of a box without further ones. Raises ValueError for fewer than four."""
    if len(numbers) < 4:
        raise ValueError(f"a box of {len(numbers)} instead of four numbers")
    return tuple(numbers[:4])


def _below(folder: Path, photos: list[Photo]) -> Iterator[Photo]:
    """Yield the photos with paths below `folder`, boxes with an area, groups and locations."""
    seen = set()
    root = folder.absolute().as_posix().rstrip("/") + "/"
    for photo in photos:
        file = photo.file.replace("\\", "/").removeprefix(root).removeprefix("./")
        repeated = "the JSON lists it twice" if file in seen else ""
        seen.add(file)
        above = PurePosixPath(file).parts[:-1]
        site = "/".join(part for part in above if not OF_CAMERAS.fullmatch(part))
        yield photo._replace(
            file=file,
            boxes=[box for box in photo.boxes if _has_area(box.bbox)],
            problem=printable(photo.problem or problem_of_name(file) or repeated),
            group=photo.group or file,
            location=photo.location or site,
        )


def _has_area(bbox: tuple[float, ...]) -> bool:
    left, top, width, height = bbox
    return min(width, height) > 0 and math.isfinite(left + top + width + height)


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
    photo that cannot be used.
    """
    if not photo.boxes:
        return []
    if side:
        shorter = min if rule == AS_IS else max  # a crop's side is at least this part of a photo's
        side = math.ceil(side / min(shorter(box.bbox[2:]) for box in photo.boxes))
    image = decode_file(data, bits, side).image
    width, height = photo.size or image.size
    if (width - height) * (image.width - image.height) < 0:
        raise InputError("the boxes belong to the photo before EXIF turns it upright")
    return [image.crop(corners(box.bbox, image.size, rule)) for box in photo.boxes]


def why(error: Exception) -> str:
    """Return why a photo failed, in one line, from one of FAILURES."""
    if isinstance(error, InputError):
        return printable(str(error))
    return str(getattr(error, "strerror", None) or error).lower()
