"""Decode JPEG files, reject truncated ones, and optionally decode at a smaller size.

libjpeg fills missing data with grey and only warns, and it reports only its first warning. It can
decode directly at 1/2, 1/4 and 1/8. Many cameras write extra bytes that are not part of the JPEG.
These are accepted if the picture is complete: each restart interval, in order, has data for all of
its units.
"""

import math
import re
import struct
from collections.abc import Iterator
from itertools import product

import numpy as np
import simplejpeg
from PIL import Image

# Markers that begin a segment. Other markers occur inside a scan or have no content.
MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
RESTART = re.compile(rb"\xff+([\xd0-\xd7])")
START_OF_IMAGE = b"\xd8"
END_OF_IMAGE = b"\xd9"
START_OF_SCAN = b"\xda"
RESTART_INTERVAL = b"\xdd"
SEQUENTIAL = (0xC0, 0xC1)  # frames whose scans contain all coefficients, with Huffman coding
FRAMES = (b"\xc0", b"\xc1", b"\xc2")
ALL_COEFFICIENTS = b"\x00\x3f\x00"
METADATA = {bytes([code]) for code in (*range(0xE0, 0xF0), 0xFE)}  # APPn segments and comments
# A progressive JPEG has about ten scans, and each one takes time to decode for every pixel.
MAX_SCANS = 100
COLOURSPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # mapped from Pillow's modes
# Warnings about bytes outside a complete picture. TurboJPEG only has names for some subsamplings.
BESIDE_PICTURE = re.compile("extraneous bytes|JFIF revision|Adobe color|ICC marker|Invalid SOS")
UNNAMED = re.compile("subsampling level")
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
# Extra bytes after the data of an interval or a segment. Webcams write up to 14. A longer run of a
# single byte value is padding.
MAX_EXTRA = 16
MAX_PADDING = 512
AHEAD = bytes(64)  # longer than libjpeg's read-ahead, so that all bytes before it are counted
SMALLEST = {"min_height": 1, "min_width": 1}  # decode at 1/8
MAX_WIDTH = 65_000  # slightly below libjpeg's limit
MAX_ALONE = 200_000  # restart intervals that are decoded separately
MAX_TRIED = 500_000_000  # pixels times intervals, if each interval is decoded with all earlier ones
Bytes = bytes | bytearray


def decoded_side(size: int) -> int:
    """Return how many pixels each side of an image needs for a square with sides of `size`."""
    return 2 * size


def scale_for(size: tuple[int, int], side: int | None) -> int:
    """Return the divisor for decoding a JPEG of this width and height: 8, 4, 2 or 1.

    It is the largest that leaves at least `side` pixels on both sides, or 1 without `side`.
    """
    limit = min(size) // side if side else 1
    return next((scale for scale in (8, 4, 2) if scale <= limit), 1)


def _segments(data: Bytes) -> Iterator[tuple[re.Match, int]]:
    """Yield the marker and the end of each segment in a JPEG, skipping the data of its scans."""
    marker = MARKER.search(data, 2)
    while marker:
        length = int.from_bytes(data[marker.end() : marker.end() + 2])
        end = marker.end() + max(length, 2)
        yield marker, end
        marker = MARKER.search(data, end)


def count_scans(data: bytes) -> int:
    """Count the scans in the first image of a JPEG and stop soon after MAX_SCANS.

    Scans in earlier thumbnails and in later images do not count.
    """
    scans = 0
    for marker, _ in _segments(data):
        if marker[1] == END_OF_IMAGE or scans > MAX_SCANS:
            break
        scans += marker[1] == START_OF_SCAN
    return scans


def from_first_marker(data: bytes) -> bytes:
    """Remove up to MAX_EXTRA bytes before the first segment of a JPEG.

    Pillow does not recognise a JPEG that starts with such bytes.
    """
    if data[:2] == b"\xff\xd8" and data[2:3] != b"\xff":
        marker = MARKER.search(data, 2, 4 + MAX_EXTRA)
        return data[:2] + data[marker.start() :] if marker else data
    return data


def decode_jpeg(image: Image.Image, data: bytes, scale: int) -> Image.Image:
    """Decode an opened JPEG at 1/`scale` in its own mode and keep its EXIF data and profile.

    Raises ValueError if data are missing, and any exception that Pillow raises.
    """
    width, height = (-(-side // scale) for side in image.size)
    buffer = np.empty((height, width, len(image.getbands())), np.uint8)
    colourspace = COLOURSPACES[image.mode]
    try:
        pixels = simplejpeg.decode_jpeg(
            data, colourspace, buffer=buffer, min_height=height, min_width=width
        )
    except ValueError as error:
        if BESIDE_PICTURE.search(str(error)):
            _require_whole(data, colourspace)
        elif not UNNAMED.search(str(error)):
            raise
        image.draft(None, (image.width // scale, image.height // scale))
        return image
    if pixels.shape != buffer.shape:
        raise ValueError(f"a second image, of {pixels.shape[1]}x{pixels.shape[0]} pixels")
    if image.mode == "CMYK":  # Adobe stores inverted values
        pixels = 255 - pixels
    decoded = Image.fromarray(pixels[..., 0] if image.mode == "L" else pixels, image.mode)
    decoded.info["icc_profile"] = image.info.get("icc_profile")
    decoded.getexif().update(image.getexif())  # `getexif` has skipped damaged data
    return decoded


def _require_whole(data: bytes, colourspace: str) -> None:
    """Raise ValueError if a JPEG lacks data."""
    bare = _Bare(data[:2], colourspace)
    code = START_OF_IMAGE
    end = 2
    for marker, next_end in _segments(data):
        between = data[end : marker.start()]
        if code == START_OF_SCAN:
            bare.add_data(between)
        elif code not in METADATA:
            _require_few(between)
        code = marker[1]
        end = next_end
        if code == END_OF_IMAGE:
            break
        if code not in METADATA:
            bare.add_segment(code, data[marker.start() : end])
    bare.require_complete()


def _require_few(extra: bytes) -> None:
    """Raise ValueError if there are so many extra bytes that they may replace image data."""
    if len(extra) > (MAX_PADDING if len(set(extra)) == 1 else MAX_EXTRA):
        raise ValueError(f"{len(extra)} bytes that are not part of the image")


class _Bare:
    """A JPEG without metadata and extra bytes, built one part at a time.

    `frame` and `scan` are the positions in `content` of the last frame header and scan header.
    `complete` is the set of (component, coefficient) pairs that the scans have refined to the last
    bit.
    """

    def __init__(self, start: bytes, colourspace: str) -> None:
        self.content = bytearray(start)
        self.colourspace = colourspace
        self.frame = 0
        self.scan = 0
        self.complete: set[tuple[int, int]] = set()

    def add_segment(self, code: bytes, segment: bytes) -> None:
        """Add a segment, such as a frame header or a scan header, with this marker code."""
        start = len(self.content)
        self.content += segment
        if code in FRAMES:
            self.frame = start
        elif code == START_OF_SCAN:
            self.scan = start
            if self._is_sequential():
                self.content[-3:] = ALL_COEFFICIENTS  # some phones write meaningless values
            first, last, bits = self.content[-3:]
            if bits & 15 == 0:
                components = self.content[start + 5 : -3 : 2]
                self.complete |= {*product(components, range(first, last + 1))}

    def add_data(self, data: bytes) -> None:
        """Add the data of the last scan, without any extra bytes.

        Raises ValueError if data are missing.
        """
        pieces = RESTART.split(data)  # intervals alternate with the numbers in their markers
        head: Bytes = self.content
        if len(pieces) > 1 and self._is_sequential() and self._has_all_components():
            head, needed = _small_image(self.content, self.frame)
            # One scanner writes more intervals than its image has.
            pieces = pieces[: 2 * needed - 1]
            are_too_many = needed > MAX_ALONE
        else:
            height, width = _size(self.content, self.frame)
            are_too_many = len(pieces) * height * width > MAX_TRIED
        if are_too_many:
            raise ValueError("extra bytes in too many restart intervals")
        for interval, number in zip(pieces[:-1:2], pieces[1::2]):
            self.content += _trimmed(head, interval, AHEAD, self.colourspace) + b"\xff" + number
        last = _trimmed(self.content, pieces[-1], b"", self.colourspace)
        before = last[-12:-8]  # libjpeg may have read ahead by up to 8 bytes
        if len(last) < len(pieces[-1]) and len(before) == 4 and len(set(before)) == 1:
            raise ValueError("identical bytes in place of data")
        self.content += last

    def require_complete(self) -> None:
        """Raise ValueError if scans are missing, or if any bytes are not part of the image."""
        if len(self.complete) != 64 * self.content[self.frame + 9]:
            raise ValueError("premature end: scans are missing")
        if extra := _count_extra(self.content, b"", self.colourspace):
            raise ValueError(f"{extra} bytes that are not part of the image")

    def _is_sequential(self) -> bool:
        return self.content[self.frame + 1] in SEQUENTIAL

    def _has_all_components(self) -> bool:
        return self.content[self.scan + 4] == self.content[self.frame + 9]


def _size(bare: Bytes, frame: int) -> tuple[int, int]:
    """Return the height and width in the header that begins at `frame`."""
    height, width = struct.unpack_from(">HH", bare, frame + 5)
    return height, width


def _small_image(bare: Bytes, frame: int) -> tuple[Bytes, int]:
    """Return a JPEG that is just large enough for one interval, and the number of intervals.

    It ends where the data of its only scan would begin. Any interval can follow, because intervals
    do not depend on each other. A unit has 8 x 8 values, or several such blocks, of each component.
    """
    components = bare[frame + 9]
    factors = [bare[frame + 11 + 3 * index] for index in range(components)]
    unit_width = 8 * max(factor >> 4 for factor in factors) if components > 1 else 8
    unit_height = 8 * max(factor & 15 for factor in factors) if components > 1 else 8
    height, width = _size(bare, frame)
    intervals = [end for marker, end in _segments(bare) if marker[1] == RESTART_INTERVAL]
    units = int.from_bytes(bare[intervals[-1] - 2 : intervals[-1]]) if intervals else 0
    if not units:
        raise ValueError("restart markers in a scan without restart intervals")
    needed = math.ceil(math.ceil(width / unit_width) * math.ceil(height / unit_height) / units)
    columns = min(units + 1, MAX_WIDTH // unit_width)
    size = struct.pack(">HH", unit_height * (units // columns + 1), unit_width * columns)
    return bare[: frame + 5] + size + bare[frame + 9 :], needed


def _trimmed(head: Bytes, data: bytes, ahead: bytes, colourspace: str) -> bytes:
    """Return the data of an interval up to its last unit. Raises ValueError if it is damaged."""
    kept = data
    while extra := _count_extra(head + kept + ahead, ahead, colourspace):
        kept = kept[:-extra]
    _require_few(data[len(kept) :])
    return kept


def _count_extra(data: Bytes, ahead: bytes, colourspace: str) -> int:
    """Count the bytes after the last unit of a JPEG that has no end marker.

    The data end with `ahead`, which does not count. Returns 0 if part of `ahead` was read as image
    data. Raises ValueError if the data are damaged.
    """
    try:
        simplejpeg.decode_jpeg(data + b"\xff" + END_OF_IMAGE, colourspace, **SMALLEST)
    except ValueError as error:
        first = EXTRANEOUS.search(str(error))
        if not first:
            raise
        return max(int(first[1]) - len(ahead), 0)
    return 0
