"""Read boxes in photos from a detector's JSON: MegaDetector, COCO and COCO Camera Traps.

Formats: https://lila.science/megadetector-output-format and https://lila.science/coco-camera-traps
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from pawprint.base.errors import InputError, counted, name_some, printable, reason
from pawprint.base.named_file import read_bytes, reading
from pawprint.data.crops import Box
from pawprint.data.names import count_suffixes, is_image_name, problem_of_name

ANIMAL = "animal"  # the category of MegaDetector that is cropped
EMPTY = "empty"  # the category of COCO Camera Traps for photos that show nothing
# Folders that cameras make when a folder is full, below the folder of the site.
OF_CAMERAS = re.compile(r"dcim|\d{3}[a-z_]{5}|\d+(recnx|ek\d+|_btcf|media|dscim)", re.IGNORECASE)
# The thresholds of MegaDetector's `get_typical_confidence_threshold_from_results`.
OLD_DETECTOR = re.compile(r"(?<![a-z\d])(md|megadetector_)?v[234](?!\d)", re.IGNORECASE)
TYPICAL, OF_OLD, OF_REDWOOD = 0.2, 0.8, 0.3


class Photo(NamedTuple):
    """A photo and its boxes.

    `position` is its place in the JSON's `images`, and `file` its path below the photos' folder,
    with slashes. All crops of a `group` belong in one split. `location` may be "". `labels` are
    those of all annotations, with and without a box. If `problem` is not "", the photo cannot be
    used.
    """

    position: int
    file: str
    boxes: list[Box]
    group: str
    location: str
    labels: frozenset[str]
    problem: str


class Boxes(NamedTuple):
    """The photos of a JSON, its whole content, and lines about how it was read."""

    photos: list[Photo]
    content: dict[str, Any]
    notes: list[str]


def read_boxes(path: Path, folder: Path, threshold: float | None = None) -> Boxes:
    """Read the boxes of photos below a folder, with at least this confidence.

    Without `threshold`, the detector's typical one counts. Raises InputError for other formats,
    boxes in pixels where fractions belong, and damaged files.
    """
    content = _parse(path)
    try:
        is_coco = "annotations" in content
        found, notes = _read_coco(content) if is_coco else _read_megadetector(content, threshold)
        photos = list(_photos_below(folder, found))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else reason(error)
        raise InputError(
            f"{path}: expected boxes in a JSON of MegaDetector or COCO. Received: {what}."
        ) from None
    flat = sum(not _has_area(box) for photo in photos for box in photo.boxes)
    notes += [f"left out: {counted(flat, 'box')} without an area"] if flat else []
    if others := [photo.file for photo in photos if not is_image_name(photo.file)]:
        notes.append(f"left out: {count_suffixes(others)}")
    photos = [
        photo._replace(boxes=[*filter(_has_area, photo.boxes)])
        for photo in photos
        if is_image_name(photo.file)
    ]
    return Boxes(photos, content, notes)


def _has_area(box: Box) -> bool:
    return math.isfinite(sum(box.bbox)) and min(box.bbox[2:]) > 0


def _parse(path: Path) -> dict[str, Any]:
    try:
        with reading():
            content = json.loads(read_bytes(path))
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}: expected JSON. Received: {reason(error)}.") from None
    received = ""
    if isinstance(content, list):
        received = "a list, as of Microsoft's `megadetector`, with boxes in pixels"
    elif not isinstance(content, dict) or not {"images", "predictions"} & content.keys():
        received = "no `images`"
    elif "predictions" in content:
        received = "predictions of SpeciesNet. Convert them with megadetector-utils, "
        received += "megadetector.data_management.speciesnet_to_md"
    if received:
        raise InputError(
            f"{path}: expected boxes in a JSON of MegaDetector or COCO. Received: {received}."
        )
    return content


def _read_megadetector(
    content: dict[str, Any], threshold: float | None
) -> tuple[list[Photo], list[str]]:
    names = content["detection_categories"]
    # Dialects number the categories differently.
    chosen = {key for key, name in names.items() if name.lower() == ANIMAL} or {*names}
    least = typical_threshold(content.get("info") or {}) if threshold is None else threshold
    photos = []
    for position, image in enumerate(content["images"]):
        boxes = [
            Box(index, _fractions(found["bbox"]), confidence=float(found["conf"]))
            for index, found in enumerate(image.get("detections") or [])
            if found["category"] in chosen and found["conf"] >= least
        ]
        problem = image.get("failure") or ""
        photos.append(Photo(position, image["file"], boxes, "", "", frozenset(), problem))
    what = name_some(sorted({names[key] for key in chosen}))
    notes = [f"boxes of {what} with a confidence of at least {least:g}"]
    if "format_version" not in (content.get("info") or {}):
        notes.append(
            "no format_version, as from PytorchWildlife, whose boxes may belong to photos before "
            "they are turned upright: look at some crops"
        )
    return photos, notes


def typical_threshold(info: dict[str, Any]) -> float:
    """Return the confidence from which MegaDetector's tools count a box, by the JSON's `info`."""
    typical = (info.get("detector_metadata") or {}).get("typical_detection_threshold")
    if typical is not None:
        return float(typical)
    detector = str(info.get("detector") or "")
    if "redwood" in detector.lower():
        return OF_REDWOOD
    return OF_OLD if OLD_DETECTOR.search(detector) else TYPICAL


def _fractions(bbox: list[float]) -> tuple[float, float, float, float]:
    if max(bbox) > 1.5:  # rounding puts some boxes a little outside
        raise ValueError(f"the box {bbox}, in pixels and not in fractions of the photo")
    return _four(bbox)


def _four(bbox: list[float]) -> tuple[float, float, float, float]:
    """Return a box, which in COCO Camera Traps may have further numbers."""
    left, top, width, height = map(float, bbox[:4])
    return left, top, width, height


def _read_coco(content: dict[str, Any]) -> tuple[list[Photo], list[str]]:
    names = {category["id"]: category["name"] for category in content["categories"]}
    annotations = defaultdict(list)
    for each in content["annotations"]:
        annotations[each["image_id"]].append(each)
    photos, whole = [], 0
    for position, image in enumerate(content["images"]):
        size = (image["width"], image["height"]) if image.get("width") else None
        of_photo, boxes = annotations[image["id"]], []
        for index, each in enumerate(of_photo):
            bbox = each.get("bbox_relative") or each.get("bbox")
            name = names[each["category_id"]]
            whole += not bbox
            if bbox and name != EMPTY:
                unit = (1, 1) if each.get("bbox_relative") else size
                # The animal may be in another photo of the sequence.
                label = "" if each.get("sequence_level_annotation") else name
                boxes.append(Box(index, _four(bbox), unit, each.get("score"), label))
        labels = frozenset(names[each["category_id"]] for each in of_photo)
        group, location = (str(image.get(key, "")) for key in ("seq_id", "location"))
        problem = "marked as corrupt" if image.get("corrupt") else ""
        file = image["file_name"]
        photos.append(Photo(position, file, boxes, group, location, labels, problem))
    return photos, [f"{counted(whole, 'annotation')} without a box"] if whole else []


def photo_labels(path: Path, folder: Path) -> dict[str, dict[str, str]]:
    """Return the label, group and location of each photo in a COCO JSON, for boxes of another JSON.

    The label is "" if the annotations of a photo have several labels, or none.
    """
    return {
        photo.file: {
            "label": min(photo.labels) if len(photo.labels) == 1 else "",
            "group": photo.group,
            "location": photo.location,
        }
        for photo in read_boxes(path, folder).photos
    }


def _photos_below(folder: Path, photos: list[Photo]) -> Iterator[Photo]:
    """Yield the photos with paths below `folder`, and as groups and locations what paths tell."""
    seen = set()
    for photo in photos:
        file = photo.file.replace("\\", "/")
        root = folder.absolute().as_posix().rstrip("/") + "/"
        file = file.removeprefix(root).removeprefix("./")
        problem = photo.problem or problem_of_name(file)
        if file in seen:
            problem = "listed twice"
        seen.add(file)
        above = PurePosixPath(file).parts[:-1]
        site = "/".join(part for part in above if not OF_CAMERAS.fullmatch(part))
        yield photo._replace(
            file=file,
            group=photo.group or file,
            location=photo.location or site,
            problem=printable(str(problem)),
        )
