"""JPEG, strictly and with few pixels.

libjpeg fills what is missing with grey, and warns; it names its first warning only. It decodes at
1/2, 1/4 and 1/8 directly. Many cameras write bytes that belong to no part of a JPEG. They are no
damage if the picture is whole: each restart interval, in its order, has the data of all its units.
"""

import math
import re
import struct
from collections.abc import Iterator
from itertools import product

import numpy as np
import simplejpeg
from PIL import Image

# Of a segment of a JPEG; others occur inside a scan, or have no content.
MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
RESTART = re.compile(rb"\xff+([\xd0-\xd7])")
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = b"\xd8", b"\xd9", b"\xda"
RESTART_INTERVAL = b"\xdd"
SEQUENTIAL = 0xC0, 0xC1  # frames whose scans have all coefficients, by Huffman codes
FRAMES = b"\xc0", b"\xc1", b"\xc2"
ALL_COEFFICIENTS = b"\x00\x3f\x00"
METADATA = {bytes([code]) for code in (*range(0xE0, 0xF0), 0xFE)}  # APPn and comments
# A progressive JPEG has about ten scans, and decoding each takes time for all pixels.
MAX_SCANS = 100
COLOURSPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # by Pillow's modes
# What may stand beside a whole picture. TurboJPEG names some subsamplings only.
BESIDE_PICTURE = re.compile("extraneous bytes|JFIF revision|Adobe color|ICC marker|Invalid SOS")
UNNAMED = re.compile("subsampling level")
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
# Behind the data of an interval or a segment; webcams write up to 14 bytes. More, and of one value
# only, are padding.
MAX_EXTRA, MAX_PADDING = 16, 512
AHEAD = bytes(64)  # more than libjpeg reads ahead, so that it counts all bytes before them
SMALLEST = {"min_height": 1, "min_width": 1}  # decoded at 1/8
MAX_WIDTH = 65_000  # a little less than libjpeg's
# Restart intervals, each decoded alone; or pixels times intervals, each decoded with all before.
MAX_ALONE, MAX_TRIED = 200_000, 500_000_000


def _segments(data: bytes) -> Iterator[tuple[re.Match, int]]:
    """The marker and the end of each segment of a JPEG, without the data of its scans."""
    marker = MARKER.search(data, 2)
    while marker:
        length = int.from_bytes(data[marker.end() : marker.end() + 2])
        end = marker.end() + max(length, 2)
        yield marker, end
        marker = MARKER.search(data, end)


def count_scans(data: bytes) -> int:
    """Of the first image of a JPEG, without thumbnails before and images after it.

    Of more than MAX_SCANS, no more are counted.
    """
    scans = 0
    for marker, _ in _segments(data):
        if marker[1] == END_OF_IMAGE or scans > MAX_SCANS:
            break
        scans += marker[1] == START_OF_SCAN
    return scans


def from_first_marker(data: bytes) -> bytes:
    """A JPEG without up to MAX_EXTRA bytes before its first segment, by which Pillow knows none."""
    if data[:2] == b"\xff\xd8" and data[2:3] != b"\xff":
        marker = MARKER.search(data, 2, 4 + MAX_EXTRA)
        return data[:2] + data[marker.start() :] if marker else data
    return data


def decode_jpeg(image: Image.Image, data: bytes, scale: int) -> Image.Image:
    """A JPEG that was opened, in its mode, divided by `scale`, with EXIF and profile.

    Raises ValueError if data are missing, and other exceptions of Pillow.
    """
    width, height = (-(-side // scale) for side in image.size)
    buffer = np.empty((height, width, len(image.getbands())), np.uint8)
    how = {"colorspace": COLOURSPACES[image.mode], "buffer": buffer}
    how |= {"min_height": height, "min_width": width}
    try:
        pixels = simplejpeg.decode_jpeg(data, **how)
    except ValueError as error:
        if BESIDE_PICTURE.search(str(error)):
            _require_whole(data, COLOURSPACES[image.mode])
        elif not UNNAMED.search(str(error)):
            raise
        image.draft(None, (image.width // scale, image.height // scale))
        return image
    if pixels.shape != buffer.shape:
        raise ValueError(f"an image of {pixels.shape[1]}x{pixels.shape[0]} pixels behind another")
    if image.mode == "CMYK":  # inverted, as Adobe does
        pixels = 255 - pixels
    decoded = Image.fromarray(pixels[..., 0] if image.mode == "L" else pixels, image.mode)
    decoded.info["icc_profile"] = image.info.get("icc_profile")
    decoded.getexif().update(image.getexif())  # which has ignored a damaged one
    return decoded


def _require_whole(data: bytes, colourspace: str) -> None:
    """Raise ValueError if a JPEG lacks data.

    It is decoded without its metadata and the bytes that belong to no part of it.
    """
    bare, code, end, frame, scan = bytearray(data[:2]), START_OF_IMAGE, 2, 0, 0
    complete = set()  # pairs of a component and a coefficient
    for marker, next_end in _segments(data):
        between = data[end : marker.start()]
        if code == START_OF_SCAN:
            _add_scan(bare, frame, scan, between, colourspace)
        elif code not in METADATA:
            _require_few(between)
        code, end = marker[1], next_end
        if code == END_OF_IMAGE:
            break
        start = len(bare)
        if code not in METADATA:
            bare += data[marker.start() : end]
        if code in FRAMES:
            frame = start
        elif code == START_OF_SCAN:
            scan = start
            if bare[frame + 1] in SEQUENTIAL:
                bare[-3:] = ALL_COEFFICIENTS  # some phones write others, without a meaning
            first, last, bits = bare[-3:]
            if bits & 15 == 0:
                complete |= {*product(bare[scan + 5 : -3 : 2], range(first, last + 1))}
    if len(complete) != 64 * bare[frame + 9]:
        raise ValueError("premature end: scans are missing")
    if extra := _count_extra(bare, b"", colourspace):
        raise ValueError(f"{extra} bytes that belong to no part of the image")


def _require_few(extra: bytes) -> None:
    """Raise ValueError for so many bytes of no part of a JPEG that they may stand for data."""
    if len(extra) > (MAX_PADDING if len(set(extra)) == 1 else MAX_EXTRA):
        raise ValueError(f"{len(extra)} bytes that belong to no part of the image")


def _add_scan(bare: bytearray, frame: int, scan: int, data: bytes, colourspace: str) -> None:
    """Add the data of a scan, without extra bytes, to a JPEG that ends with the scan's header.

    `frame` and `scan` are where the two headers begin. Raises ValueError if data are missing.
    """
    pieces = RESTART.split(data)  # intervals, between the numbers of their markers
    head = bare
    if len(pieces) > 1 and bare[frame + 1] in SEQUENTIAL and bare[scan + 4] == bare[frame + 9]:
        head, needed = _small_image(bare, frame)
        pieces = pieces[: 2 * needed - 1]  # a scanner writes more than its image has
        are_too_many = needed > MAX_ALONE
    else:
        are_too_many = len(pieces) * math.prod(_size(bare, frame)) > MAX_TRIED
    if are_too_many:
        raise ValueError("extra bytes in too many restart intervals")
    for interval, number in zip(pieces[:-1:2], pieces[1::2]):
        bare += _trimmed(head, interval, AHEAD, colourspace) + b"\xff" + number
    last = _trimmed(bare, pieces[-1], b"", colourspace)
    before = last[-12:-8]  # the last 8 bytes may be some that libjpeg has read ahead
    if len(last) < len(pieces[-1]) and len(before) == 4 and len(set(before)) == 1:
        raise ValueError("bytes of one value in place of data")
    bare += last


def _size(bare: bytes, frame: int) -> tuple[int, int]:
    """Height and width."""
    return struct.unpack_from(">HH", bare, frame + 5)


def _small_image(bare: bytes, frame: int) -> tuple[bytes, int]:
    """A JPEG up to the data of its only scan, but of little more than the units of an interval.

    And how many intervals it has. Each can be the first one of the small image, because none
    depends on those before. Units are of 8 x 8 values of each component, or of several.
    """
    components = bare[frame + 9]
    factors = [bare[frame + 11 + 3 * index] for index in range(components)]
    across = 8 * max(factor >> 4 for factor in factors) if components > 1 else 8
    down = 8 * max(factor & 15 for factor in factors) if components > 1 else 8
    height, width = _size(bare, frame)
    intervals = [end for marker, end in _segments(bare) if marker[1] == RESTART_INTERVAL]
    units = int.from_bytes(bare[intervals[-1] - 2 : intervals[-1]]) if intervals else 0
    if not units:
        raise ValueError("restart markers in a scan without restart intervals")
    needed = -(-(-(-width // across) * -(-height // down)) // units)
    columns = min(units + 1, MAX_WIDTH // across)
    size = struct.pack(">HH", down * (units // columns + 1), across * columns)
    return bare[: frame + 5] + size + bare[frame + 9 :], needed


def _trimmed(head: bytes, data: bytes, ahead: bytes, colourspace: str) -> bytes:
    """The data of an interval without what follows its last unit. Raises ValueError for damage."""
    kept = data
    while extra := _count_extra(head + kept + ahead, ahead, colourspace):
        kept = kept[:-extra]
    _require_few(data[len(kept) :])
    return kept


def _count_extra(data: bytes, ahead: bytes, colourspace: str) -> int:
    """The bytes after the last unit of a JPEG without its end, up to `ahead`, its last bytes.

    None, if some of those were taken for data. Raises ValueError if the data are damaged.
    """
    try:
        simplejpeg.decode_jpeg(data + b"\xff" + END_OF_IMAGE, colourspace, **SMALLEST)
    except ValueError as error:
        first = EXTRANEOUS.search(str(error))
        if not first:
            raise
        return max(int(first[1]) - len(ahead), 0)
    return 0
