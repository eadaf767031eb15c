"""JPEG by libjpeg-turbo: strictly, and with no more pixels than are used.

libjpeg fills what is missing with grey, and warns. It decodes at 1/2, 1/4 and 1/8 directly.
"""

import re

import numpy as np
import simplejpeg
from PIL import Image

# Of a segment of a JPEG; others occur inside a scan, or have no content.
MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
START_OF_SCAN, END_OF_IMAGE = b"\xda", b"\xd9"
# A progressive JPEG has about ten scans, and decoding each takes time for all pixels.
MAX_SCANS = 100
COLOURS = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # by Pillow's modes
# What is unusual in the header of a complete image; TurboJPEG names some subsamplings only.
HARMLESS = re.compile("JFIF revision|Adobe color|Invalid SOS|subsampling level")


def count_scans(data: bytes) -> int:
    """Of the first image of a JPEG, without thumbnails before and images after it.

    Of more than MAX_SCANS, no more are counted.
    """
    scans, marker = 0, MARKER.search(data, 2)
    while marker and marker[1] != END_OF_IMAGE and scans <= MAX_SCANS:
        scans += marker[1] == START_OF_SCAN
        length = int.from_bytes(data[marker.end() : marker.end() + 2])
        marker = MARKER.search(data, marker.end() + max(length, 2))
    return scans


def side_for(size: int) -> int:
    """The pixels that each side of a decoded image has at least, if it is to become a square."""
    return 2 * size


def scale_for(size: tuple[int, int], side: int | None) -> int:
    """8, 4, 2 or 1: by which a JPEG of this width and height is divided, or 1 for no `side`.

    It is the largest that leaves both sides with at least `side` pixels.
    """
    most = min(size) // side if side else 1
    return next((scale for scale in (8, 4, 2) if scale <= most), 1)


def decode_jpeg(image: Image.Image, data: bytes, scale: int) -> Image.Image:
    """A JPEG that was opened, in its mode, divided by `scale`, with EXIF and profile.

    Raises ValueError if data are missing, and other exceptions of Pillow.
    """
    width, height = (-(-side // scale) for side in image.size)
    buffer = np.empty((height, width, len(image.getbands())), np.uint8)
    least = {"min_height": height, "min_width": width}
    try:
        pixels = simplejpeg.decode_jpeg(data, COLOURS[image.mode], **least, buffer=buffer)
    except ValueError as error:
        if not HARMLESS.search(str(error)):
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
