"""The 8 bits of grey images of more, as X-rays and microscopes write them; sRGB of colour profiles.

Colours of files without a profile (ICC) are sRGB.
"""

import functools
import io
from itertools import product

import numpy as np
from PIL import Image, ImageCms, ImageOps

WHITE_IS_ZERO = 262, 0  # tag and value: PhotometricInterpretation of a TIFF, TIFF 6.0
BITS_PER_SAMPLE = 258
CODESTREAM = b"\xff\x4f\xff\x51"  # start and size of a JPEG 2000, ISO/IEC 15444-1, A.5.1


def is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or (image.format == "PPM" and image.mode == "I")


def to_8_bits(
    image: Image.Image, data: bytes, bits: int | None
) -> tuple[Image.Image, tuple[int, int]]:
    """The image of a file of these bytes in RGB, upright; the bits it uses, and those of its file.

    The value `2**bits - 1` and larger ones become 255. Without `bits` it is the largest that the
    file can hold. A transparent value becomes white.
    """
    tags, transparent = getattr(image, "tag_v2", {}), image.info.get("transparency")
    is_inverted = tags.get(WHITE_IS_ZERO[0]) == WHITE_IS_ZERO[1]
    values, largest = _own_values(image, data, tags.get(BITS_PER_SAMPLE, (16,))[0])
    top = largest if bits is None else 2**bits - 1
    scaled = (np.minimum(values, top) * 255 + top // 2) // top
    scaled = 255 - scaled if is_inverted else scaled
    if isinstance(transparent, int):
        scaled[values == transparent] = 255
    rgb = Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    return rgb, (int(values.max()).bit_length(), largest.bit_length())


def _own_values(image: Image.Image, data: bytes, depth: int) -> tuple[np.ndarray, int]:
    """The upright values as the file has them, uint32, and the largest that it can hold.

    Pillow stretches those of a PGM and of a JPEG 2000 to 16 bits.
    """
    codec = image.tile[0]
    values = np.asarray(ImageOps.exif_transpose(image)).astype(np.uint32)
    if image.format == "PPM" and codec.codec_name != "raw":
        largest = codec.args[1]
        return (values * largest + 32767) // 65535, largest
    if image.format == "JPEG2000":
        depth = min((data[data.index(CODESTREAM) + 42] & 0x7F) + 1, 16)
        values = values >> (16 - depth)
    return values, 2**depth - 1


SRGB = ImageCms.createProfile("sRGB")
MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}  # of Pillow, by ICC.1:2022, 7.2.6
MAX_PROFILE = 4 * 2**20  # of a profile; those of presses have half a megabyte
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
    if not isinstance(profile, bytes) or len(profile) > MAX_PROFILE:
        return image
    transform = _transform(profile, image.mode)
    return ImageCms.applyTransform(image, transform) if transform else image


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From colours of this profile to sRGB, or None if it is sRGB or cannot be used."""
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if MODES.get(source.profile.xcolor_space) != mode:
            return None
        transform = ImageCms.buildTransform(source, SRGB, mode, "RGB")
    except (OSError, ImageCms.PyCMSError):
        return None
    if samples := SAMPLES.get(mode):
        pair = ImageCms.applyTransform(samples, transform), samples.convert("RGB")
        converted, unconverted = (np.asarray(image).astype(int) for image in pair)
        if np.abs(converted - unconverted).max() <= MAX_DIFFERENCE:
            return None
    return transform
