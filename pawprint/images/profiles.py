"""Colour profiles (ICC) in image files: their colours in sRGB, which files without one have."""

import functools
import io
from itertools import product

import numpy as np
from PIL import Image, ImageCms

SRGB = ImageCms.createProfile("sRGB")
MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}  # of Pillow, by ICC.1:2022, 7.2.6
MAX_BYTES = 4 * 2**20  # of a profile; those of presses have half a megabyte
# Of 255. The sRGB of some cameras, with gamma 2.2, differs by 6, such a grey by 9. Adobe RGB,
# Display P3 and grey for print differ by more than 20.
MAX_DIFFERENCE = 10
LEVELS = np.linspace(0, 255, 9).round()
SAMPLES = {
    "L": Image.fromarray(np.arange(256, dtype=np.uint8)[None]),
    "RGB": Image.fromarray(np.array([list(product(LEVELS, repeat=3))], np.uint8)),
}


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """The image, in RGB if its colours differ visibly from sRGB.

    A damaged profile, and one for another kind of image, is ignored.
    """
    if not isinstance(profile, bytes) or len(profile) > MAX_BYTES:
        return image
    transform = _transform(profile, image.mode)
    return ImageCms.applyTransform(image, transform) if transform else image


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From colours of this profile to sRGB, or None if it is sRGB or cannot be used."""
    try:
        given = ImageCms.getOpenProfile(io.BytesIO(profile))
        if MODES.get(given.profile.xcolor_space) != mode:
            return None
        transform = ImageCms.buildTransform(given, SRGB, mode, "RGB")
    except (OSError, ImageCms.PyCMSError):
        return None
    if samples := SAMPLES.get(mode):
        pair = ImageCms.applyTransform(samples, transform), samples.convert("RGB")
        converted, same = (np.asarray(each).astype(int) for each in pair)
        if np.abs(converted - same).max() <= MAX_DIFFERENCE:
            return None
    return transform
