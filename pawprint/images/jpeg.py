"""The parts of a JPEG, and whether its image is complete.

libjpeg fills what is missing with grey, and Pillow ignores its warnings.
"""

import io
import re
from typing import NamedTuple

from PIL import Image

from pawprint.images.archive import UnusableImageError

# Of a segment of a JPEG; others occur inside a scan, or have no content.
MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
# A progressive JPEG has about ten scans, and decoding each takes time for all pixels.
MAX_SCANS = 100
START_OF_SCAN, END_OF_IMAGE = b"\xda", b"\xd9"
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
ARITHMETIC = {*range(0xC9, 0xD0)} - {0xCC}  # where an encoder may leave out zeros at the end
PADDING = bytes(range(1, 255)) * 2  # not FF, which begins a marker
HOLE = bytes(256)
GREY = range(126, 130)  # of a channel that nothing was decoded for: 128, inverted 127


class Parts(NamedTuple):
    """Of the first image of a JPEG, without thumbnails before and images after it.

    `start` is where the data of the first scan begin, and `end` where the end marker stands, None
    without one. `is_finished` is whether the scans have all bits of all channels.
    """

    scans: int
    start: int
    end: int | None
    is_arithmetic: bool
    is_finished: bool


def parts_of_jpeg(data: bytes) -> Parts:
    """Of a JPEG with more than MAX_SCANS, no more are read."""
    scans, start, is_arithmetic, is_progressive = 0, 0, False, False
    rest: dict[tuple[int, int], int] = {}  # bits to come, by channel and coefficient
    marker = MARKER.search(data, 2)
    while marker and marker[1] != END_OF_IMAGE and scans <= MAX_SCANS:
        end = marker.end() + max(int.from_bytes(data[marker.end() : marker.end() + 2]), 2)
        segment = data[marker.end() + 2 : end]
        if marker[1][0] in FRAMES:
            is_arithmetic, is_progressive = marker[1][0] in ARITHMETIC, marker[1][0] & 3 == 2
            rest = {(channel, 0): 1 for channel in segment[6::3]}
        elif marker[1] == START_OF_SCAN and segment:
            scans, start = scans + 1, start or end
            first, last, bits = segment[-3:] if is_progressive else (0, 0, 0)
            for channel in segment[1:-3:2]:
                rest |= {(channel, index): bits & 0xF for index in range(first, min(last, 63) + 1)}
        marker = MARKER.search(data, end)
    return Parts(scans, start, marker and marker.start(), is_arithmetic, not any(rest.values()))


def require_complete(data: bytes, parts: Parts, image: Image.Image) -> None:
    """Raise UnusableImageError if a part of the image that was decoded from `data` is missing.

    Bytes before the end marker change the image only if it lacks some. After a hole of zeros,
    decoding ends before or after the last of its data.
    """

    def gives(*pieces: bytes) -> bool:
        """Whether these bytes give the same pixels."""
        with Image.open(io.BytesIO(b"".join(pieces)), formats=["JPEG"]) as copy:
            return copy.tobytes() == image.tobytes()

    if parts.end is None or not parts.is_finished:
        raise UnusableImageError("truncated", "the file ends before the image")
    if parts.is_arithmetic:
        return
    corner = image.getpixel((image.width - 1, image.height - 1))
    is_grey = all(value in GREY for value in (corner if isinstance(corner, tuple) else [corner]))
    start, end = parts.start, parts.end
    if (is_grey or parts.scans > 1) and not gives(data[:end], PADDING, data[end:]):
        raise UnusableImageError("truncated", "data of the image are missing")
    hole = data.find(HOLE, start, end)
    if (
        hole >= 0
        # Zeros are data, too: of the last scans of a flat image, and of grey at the end.
        and parts.scans == 1
        and not is_grey
        and not gives(data[:hole], data[end:])
        and gives(data[: end - len(HOLE)], data[end:])
    ):
        raise UnusableImageError("damaged", "zeros in place of data of the image")
