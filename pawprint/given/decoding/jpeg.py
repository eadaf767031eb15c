"""Decode JPEG files, reject damaged ones, and optionally decode at a smaller size.

libjpeg fills missing data with grey and only warns, so simplejpeg refuses a JPEG at the first
warning. It can decode directly at 1/2, 1/4 and 1/8.
"""

import re
from collections.abc import Iterator

import numpy as np
import simplejpeg
from PIL import ExifTags, Image

# Markers that begin a segment. Other markers occur inside a scan or have no content.
MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
END_OF_IMAGE = b"\xff\xd9"
START_OF_SCAN = b"\xff\xda"
# A progressive JPEG has about ten scans, and each one takes time to decode for every pixel.
MAX_SCANS = 100
COLOURSPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # mapped from Pillow's modes
# Many cameras write a few bytes that belong to nothing. More of them may stand for image data.
SURPLUS = re.compile(r"(\d+) extraneous bytes before marker")
MAX_SURPLUS = 16
# What else libjpeg warns of in headers of whole pictures, and a limit of TurboJPEG, which only has
# names for some subsamplings.
OF_HEADERS = re.compile("JFIF revision|Adobe color|ICC marker|Invalid SOS|subsampling level")


def decoded_side(size: int) -> int:
    """Return how many pixels each side of an image needs for a square with sides of `size`."""
    return 2 * size


def scale_for(size: tuple[int, int], side: int | None) -> int:
    """Return the divisor for decoding a JPEG of this width and height: 8, 4, 2 or 1.

    It is the largest that leaves at least `side` pixels on both sides, or 1 without `side`.
    """
    limit = min(size) // side if side else 1
    return next((scale for scale in (8, 4, 2) if scale <= limit), 1)


def _segments(data: bytes) -> Iterator[bytes]:
    """Yield the marker of each segment in a JPEG, skipping the data of its scans."""
    marker = MARKER.search(data, 2)
    while marker:
        yield marker[0]
        length = int.from_bytes(data[marker.end() : marker.end() + 2])
        marker = MARKER.search(data, marker.end() + max(length, 2))


def count_scans(data: bytes) -> int:
    """Count the scans in the first image of a JPEG and stop soon after MAX_SCANS.

    Scans in earlier thumbnails and in later images do not count.
    """
    scans = 0
    for marker in _segments(data):
        if marker == END_OF_IMAGE or scans > MAX_SCANS:
            break
        scans += marker == START_OF_SCAN
    return scans


def decode_jpeg(image: Image.Image, data: bytes, scale: int) -> np.ndarray | Image.Image:
    """Decode an opened JPEG at 1/`scale`.

    Returns the pixels of an upright RGB image without a profile, uint8 `(height, width, 3)`. Other
    images keep their mode, EXIF data and profile. Raises ValueError if data are missing, and any
    exception that Pillow raises.
    """
    width, height = (-(-side // scale) for side in image.size)
    buffer = np.empty((height, width, len(image.getbands())), np.uint8)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, COLOURSPACES[image.mode], buffer=buffer, min_height=height, min_width=width
        )
    except ValueError as error:
        if not _is_harmless(str(error), data):
            raise
        image.draft(None, (image.width // scale, image.height // scale))
        return image
    if pixels.shape != buffer.shape:
        raise ValueError(f"a second image, of {pixels.shape[1]}x{pixels.shape[0]} pixels")
    is_upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    if image.mode == "RGB" and is_upright and "icc_profile" not in image.info:
        return pixels
    if image.mode == "CMYK":  # Adobe stores inverted values
        pixels = 255 - pixels
    decoded = Image.fromarray(pixels[..., 0] if image.mode == "L" else pixels, image.mode)
    decoded.info["icc_profile"] = image.info.get("icc_profile")
    decoded.getexif().update(image.getexif())  # `getexif` has skipped damaged data
    return decoded


def _is_harmless(complaint: str, data: bytes) -> bool:
    """Return whether simplejpeg complains of a few surplus bytes or of a header alone.

    libjpeg only reports its first warning, and Pillow none, so the end marker must be there.
    """
    surplus = SURPLUS.search(complaint)
    has_end = data.rfind(END_OF_IMAGE) > data.rfind(START_OF_SCAN)
    is_small = surplus is not None and int(surplus[1]) <= MAX_SURPLUS
    return has_end and (is_small or OF_HEADERS.search(complaint) is not None)
