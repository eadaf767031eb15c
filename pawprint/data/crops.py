"""Cut boxes out of photos by one rule, for training and for prediction alike.

A rule is a text that matches CROP_RULE. "square 0.1" is a square whose side is the longer side of
the box plus a tenth of it on both sides. It is moved into the photo where it would hang over, and
only cut where the photo is smaller. "as-is" is the box alone, as MegaDetector's `crop_image` cuts
it.
"""

import contextlib
import itertools
import math
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from pawprint.base.errors import InputError
from pawprint.data.decoding import formats
from pawprint.data.reading import decode_file, read_file

AS_IS = "as-is"
Size = tuple[float, float]
Corners = tuple[int, int, int, int]  # left, top, right and bottom, in pixels


class Box(NamedTuple):
    """A box in an upright photo. `place` is its index in the photo's list of boxes.

    `bbox` is its left, top, width and height in a photo of size `unit`: (1, 1) for fractions, the
    size in pixels, or None for the size of the photo's file. `confidence` is the detector's, or
    None. `label` may be "".
    """

    place: int
    bbox: tuple[float, float, float, float]
    unit: Size | None = (1, 1)
    confidence: float | None = None
    label: str = ""


def square(margin: float) -> str:
    """Return the rule for squares with a margin on all sides, a fraction of the box's longer side.

    `margin` is from 0 to 1 and rounded to three digits.
    """
    return f"square {round(float(margin), 3)}"


def crop_name(photo: str, box: Box) -> str:
    """Return the name of a crop, from the photo's path and the place of the box in its list."""
    return f"{photo}-{box.place}.jpg"


def corners(box: Box, size: tuple[int, int], rule: str) -> Corners:
    """Return the corners of a crop of at least one pixel in a photo of this width and height."""
    unit = box.unit or size
    left, top, width, height = (
        value * side / whole for value, side, whole in zip(box.bbox, size * 2, unit * 2)
    )
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
    path: Path, boxes: list[Box], rule: str, bits: int | None = None, side: int | None = None
) -> list[Image.Image]:
    """Return the upright crop of each box, RGB, from one decoding of the photo.

    `bits` is as for `decode_file`. With `side`, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its
    size, as long as each crop keeps that many pixels on both sides. Raises OSError, ValueError for
    an invalid path, and InputError for an unusable photo or boxes that are not of the upright one.
    """
    data = read_file(path)
    image = decode_file(data, bits, side and _side_of_photo(data, boxes, rule, side)).image
    for unit in {box.unit for box in boxes if box.unit}:
        # The boxes of a turned photo are of the photo as it is stored.
        if (unit[0] - unit[1]) * (image.width - image.height) < 0:
            raise InputError(
                f"the boxes are in a photo of {unit[0]:g}x{unit[1]:g} pixels, but the upright "
                f"photo has {image.width}x{image.height}"
            )
    return [image.crop(corners(box, image.size, rule)) for box in boxes]


def _side_of_photo(data: bytes, boxes: list[Box], rule: str, side: int) -> int | None:
    """Return the pixels that the photo's sides need for `side` pixels in each crop.

    Returns None for a damaged file, which `decode_file` reports. Whether the photo lies on its side
    is not read, so the smaller of both crops counts.
    """
    if any(box.unit is None for box in boxes):
        return None  # pixels only fit the photo at its full size
    with contextlib.suppress(Exception):
        size = formats.open_image(data).size
        sides = [
            min(x1 - x0, y1 - y0)
            for box, turned in itertools.product(boxes, (size, size[::-1]))
            for x0, y0, x1, y1 in [corners(box, turned, rule)]
        ]
        return math.ceil(min(size) * side / min(sides))
    return None
