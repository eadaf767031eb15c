"""Rules for Pillow: long texts, how small to decode, 8 bits of 16, sRGB, alpha.

What a program sets in Pillow holds for the whole process. Scanners write large texts and profiles.
X-rays and microscopes write grey of more than 8 bits. Some programs write alpha 0 for all pixels.
Colours of files without a profile (ICC) are sRGB.
"""

import contextlib
import functools
import io
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from itertools import product
from typing import cast

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

DECODES_HERE = ContextVar("DECODES_HERE", default=False)


class _OfProgram(int):
    """A value that a program has set in Pillow, and that does not hold for this decoder.

    Pillow asks if it is true, or if a number is larger than it or twice it.
    """

    def __bool__(self) -> bool:
        return int(self) != 0 and not DECODES_HERE.get()

    def __lt__(self, other: float) -> bool:
        return int(self) < other and not DECODES_HERE.get()

    def __rmul__(self, factor: int) -> int:
        return sys.maxsize if DECODES_HERE.get() else factor * int(self)


@contextlib.contextmanager
def strictly(max_pixels: int) -> Iterator[None]:
    """Reject truncated images and allow many pixels in this thread, whatever Pillow's globals say.

    Pillow has module variables for both, which other threads read at the same time. They therefore
    get values that differ by thread.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        # Pillow only asks if it is true.
        ImageFile.LOAD_TRUNCATED_IMAGES = _OfProgram(True)  # type: ignore[assignment]
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = _OfProgram(Image.MAX_IMAGE_PIXELS)
    before = DECODES_HERE.set(True)
    try:
        yield
    finally:
        DECODES_HERE.reset(before)


def open_strictly(data: bytes, formats: Iterable[str]) -> ImageFile.ImageFile:
    """Open an image as `Image.open`, without a limit of pixels, which a program may have changed.

    Raises UnidentifiedImageError, with what Pillow says of the format that the first bytes name.
    """
    problem = ""
    for form in formats:
        factory, accept = Image.OPEN[form]
        if accept is None or accept(data[:16]) is True:
            try:
                return factory(io.BytesIO(data), "")
            except (SyntaxError, IndexError, TypeError, struct.error) as error:
                problem = f"{form}, {error}" if accept else problem
    raise UnidentifiedImageError(problem)


def side_for(size: int) -> int:
    """Return the pixels that each side of a decoded image needs to become a square of `size`."""
    return 2 * size


def scale_for(size: tuple[int, int], side: int | None) -> int:
    """Return by what a JPEG of this width and height is divided: 8, 4, 2 or 1; 1 without `side`.

    It is the largest number that leaves both sides with at least `side` pixels.
    """
    limit = min(size) // side if side else 1
    return next((scale for scale in (8, 4, 2) if scale <= limit), 1)


PNG = b"\x89PNG\r\n\x1a\n"
# Chunks of a PNG.
PROFILE = b"iCCP"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# The keywords of texts from which Pillow reads the EXIF orientation.
OF_ORIENTATION = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0", b"exif\0")
MAX_TEXT = 2**20  # bytes
MAX_PROFILE = 4 * 2**20  # bytes of a profile; profiles of presses have half a megabyte


def split_png(data: bytes) -> tuple[bytes, bytes | None]:
    """Return a PNG without its profile and texts, and the profile.

    The profile is None if there is none, or if it is damaged or too large.

    Pillow refuses an image for the size of these, by limits that a program can change. Texts of the
    EXIF orientation stay, up to MAX_TEXT bytes.
    """
    kept = []
    start = 0
    end = len(PNG)
    profile = None
    while end + 8 <= len(data):
        chunk = end
        length, kind = struct.unpack_from(">I4s", data, chunk)
        end += 12 + length
        if kind != PROFILE and kind not in TEXTS:
            continue
        content = data[chunk + 8 : end - 4]
        if kind == PROFILE:
            profile = _content(kind, content, MAX_PROFILE)
        elif content.startswith(OF_ORIENTATION) and _content(kind, content, MAX_TEXT) is not None:
            continue
        kept.append(data[start:chunk])
        start = end
    return b"".join([*kept, data[start:]]) if kept else data, profile


def _content(kind: bytes, chunk: bytes, limit: int) -> bytes | None:
    """Return the content of a chunk after its keyword, as PNG, third edition, 11.3.2.3 and 11.3.3.

    None if it is damaged or has more than `limit` bytes.
    """
    _, _, content = chunk.partition(b"\0")
    is_compressed = kind != b"tEXt"
    if kind == b"iTXt":
        is_compressed = content[:1] != b"\0"
        content = content[2:].split(b"\0", 2)[-1]  # after a language and the keyword in it
    elif is_compressed:
        content = content[1:]  # after the method
    if not is_compressed:
        return content if len(content) <= limit else None
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(content, limit)  # the argument limits memory
    except zlib.error:
        return None
    return None if inflate.unconsumed_tail else content


PNG_DEPTH = 24  # position of the bits of a value


def scale_transparency(image: Image.Image, data: bytes) -> None:
    """Give the transparent value of an opened PNG 8 bits, as its pixels get.

    Pillow leaves it as it is in the file, and finds it in no pixel, or in others.
    """
    transparent = image.info.get("transparency")
    depth = data[PNG_DEPTH]
    if isinstance(transparent, tuple) and depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    elif isinstance(transparent, int) and image.mode == "L":
        image.info["transparency"] = transparent * 255 // (2**depth - 1)


def without_transparency(image: Image.Image, form: str | None) -> Image.Image:
    """Return an RGBA image on white, or without its alpha if that hides a picture.

    Some programs write alpha 0 for all pixels, and mean nothing by it; in a BMP, nobody means
    anything. Encoders of WebP change the colours of what nobody sees.
    """
    extrema = cast(
        "tuple[tuple[int, int], ...]", image.getextrema()
    )  # pairs, as it has several bands
    *colours, (_, most_opaque) = extrema
    is_picture = form == "BMP" or any(low < high for low, high in colours)
    if most_opaque == 0 and is_picture and form != "WEBP":
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white


WHITE_IS_ZERO = (262, 0)  # tag and value: PhotometricInterpretation of a TIFF, TIFF 6.0
BITS_PER_SAMPLE = 258
CODESTREAM = b"\xff\x4f\xff\x51"  # start and size of a JPEG 2000, ISO/IEC 15444-1, A.5.1


def is_deep(image: Image.Image) -> bool:
    """Return whether an image that was opened is grey of more than 8 bits."""
    return image.mode.startswith("I;16") or (image.format == "PPM" and image.mode == "I")


def to_8_bits(
    image: ImageFile.ImageFile, data: bytes, bits: int | None
) -> tuple[Image.Image, tuple[int, int]]:
    """Return a grey image of the file `data` in RGB, upright; the bits that it uses, and has.

    The value `2**bits - 1` and larger ones become 255. Without `bits` it is the largest that the
    file can hold. A transparent value becomes white.
    """
    tags = getattr(image, "tag_v2", {})
    is_inverted = tags.get(WHITE_IS_ZERO[0]) == WHITE_IS_ZERO[1]
    values, largest = _own_values(image, data, tags.get(BITS_PER_SAMPLE, (16,))[0])
    top = largest if bits is None else 2**bits - 1
    scaled = (np.minimum(values, top) * 255 + top // 2) // top
    scaled = 255 - scaled if is_inverted else scaled
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        scaled[values == transparent] = 255
    rgb = Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    return rgb, (int(values.max()).bit_length(), largest.bit_length())


def _own_values(image: ImageFile.ImageFile, data: bytes, depth: int) -> tuple[np.ndarray, int]:
    """Return the upright values as the file has them, uint32, and the largest that it can hold.

    Pillow stretches values of a PGM and of a JPEG 2000 to 16 bits.
    """
    codec = image.tile[0]
    values: np.ndarray = np.asarray(ImageOps.exif_transpose(image)).astype(np.uint32)
    if image.format == "PPM" and codec.codec_name != "raw":
        _, largest = cast("tuple[str, int]", codec.args)
        return (values * largest + 32767) // 65535, largest
    if image.format == "JPEG2000":
        depth = min((data[data.index(CODESTREAM) + 42] & 0x7F) + 1, 16)
        values = values >> (16 - depth)
    return values, 2**depth - 1


SRGB = ImageCms.createProfile("sRGB")
MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}  # Pillow's modes by ICC.1:2022, 7.2.6
# The range is 255. sRGB of some cameras, with gamma 2.2, differs by 6, such a grey by 9. Adobe RGB,
# Display P3 and grey for print differ by more than 20.
MAX_DIFFERENCE = 10
LEVELS = np.linspace(0, 255, 9).round()
SAMPLES = {
    "L": Image.fromarray(np.arange(256, dtype=np.uint8)[None]),
    "RGB": Image.fromarray(np.array([list(product(LEVELS, repeat=3))], np.uint8)),
}


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Return the image, in RGB if its colours differ visibly from sRGB.

    A damaged profile, and one for another kind of image, is ignored.
    """
    if not isinstance(profile, bytes) or len(profile) > MAX_PROFILE:
        return image
    transform = _transform(profile, image.mode)
    converted = ImageCms.applyTransform(image, transform) if transform else None
    return converted or image


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform of a profile to sRGB, or None if it is sRGB or cannot be used."""
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if MODES.get(source.profile.xcolor_space) != mode:
            return None
        transform = ImageCms.buildTransform(source, SRGB, mode, "RGB")
    except (OSError, ImageCms.PyCMSError):
        return None
    if samples := SAMPLES.get(mode):
        pair = (ImageCms.applyTransform(samples, transform), samples.convert("RGB"))
        converted, unconverted = (np.asarray(image).astype(int) for image in pair)
        if np.abs(converted - unconverted).max() <= MAX_DIFFERENCE:
            return None
    return transform
