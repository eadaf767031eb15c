"""What Pillow lacks: JPEG strictly and with few pixels; 8 bits of grey of more; sRGB of profiles.

libjpeg fills what is missing with grey, and warns. It decodes at 1/2, 1/4 and 1/8 directly. X-rays
and microscopes write grey of more than 8 bits. Colours of files without a profile (ICC) are sRGB.
"""

import functools
import io
import re
from collections.abc import Iterator
from itertools import product

import numpy as np
import simplejpeg
from PIL import Image, ImageCms, ImageOps

# Of a segment of a JPEG; others occur inside a scan, or have no content.
MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
START_OF_SCAN, END_OF_IMAGE = b"\xda", b"\xd9"
# A progressive JPEG has about ten scans, and decoding each takes time for all pixels.
MAX_SCANS = 100
COLOURSPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # by Pillow's modes
# APPn and comments; some cameras write a few bytes behind one.
METADATA, MAX_PADDING = {bytes([code]) for code in (*range(0xE0, 0xF0), 0xFE)}, 16
# What is unusual in metadata, or in the header of a complete image; TurboJPEG names some
# subsamplings only.
OF_METADATA = re.compile("JFIF revision|Adobe color|ICC marker|before marker 0x(c[0-2]|db|e|fe)")
HARMLESS = re.compile("Invalid SOS|subsampling level")


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


def without_metadata(data: bytes) -> bytes:
    """A JPEG without the metadata in its header, and at most MAX_PADDING bytes behind each."""
    bare, start, end, is_metadata = bytearray(), 0, 0, False  # of the segment before
    for marker, next_end in _segments(data):
        if not is_metadata or marker.start() - end > MAX_PADDING:
            bare += data[start : marker.start()]
        start, end, is_metadata = marker.start(), next_end, marker[1] in METADATA
        if marker[1] == START_OF_SCAN:
            break
    bare += memoryview(data)[start:]
    return bytes(bare)


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
    how = {"colorspace": COLOURSPACES[image.mode], "buffer": buffer}
    how |= {"min_height": height, "min_width": width}
    try:
        pixels = simplejpeg.decode_jpeg(data, **how)
    except ValueError as error:
        if OF_METADATA.search(str(error)):
            simplejpeg.decode_jpeg(without_metadata(data), **how)  # ValueError if it is damaged
        elif not HARMLESS.search(str(error)):
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
