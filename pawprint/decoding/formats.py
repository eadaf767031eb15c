"""The formats that are read, and their rules: text chunks, 16-bit values, profiles, alpha.

A setting that a program changes in Pillow affects the whole process. Scanners write large text
chunks and profiles, X-ray machines and microscopes write grey images above 8 bits, and some
programs write an alpha of 0 for every pixel. Files without an ICC profile are taken to be sRGB.
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
import pi_heif
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from pawprint.decoding.limits import MAX_PIXELS

# Pillow tries these in order; TGA is left out because it has no signature. Other formats that
# Pillow reads run other programs (EPS: Ghostscript), can contain an image of a different size than
# they declare (ICO), or have no size limit (FITS).
FORMATS: tuple[str, ...] = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "HEIF")
FORMATS += ("PPM", "JPEG2000", "PCX", "SGI", "SUN", "PSD", "DDS", "QOI", "TGA")
# Many phones save photos as HEIC. One thread is enough, because images are decoded in parallel.
pi_heif.register_heif_opener(
    decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
)
Image.init()  # otherwise Pillow loads only five common formats at the first `open`
DECODES_HERE = ContextVar("DECODES_HERE", default=False)


class _OfProgram(int):
    """A value that a program has set in Pillow, which does not apply to this decoder.

    Pillow checks whether it is true, and compares a number with it or with its double.
    """

    def __bool__(self) -> bool:
        return int(self) != 0 and not DECODES_HERE.get()

    def __lt__(self, other: float) -> bool:
        return int(self) < other and not DECODES_HERE.get()

    def __rmul__(self, factor: int) -> int:
        return sys.maxsize if DECODES_HERE.get() else factor * int(self)


@contextlib.contextmanager
def strictly() -> Iterator[None]:
    """Reject truncated images and allow MAX_PIXELS in this thread, overriding Pillow's globals.

    Pillow keeps both settings in module variables, which other threads read at the same time. These
    variables are therefore set to objects that behave differently in each thread.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        # Pillow only tests this value for truth.
        ImageFile.LOAD_TRUNCATED_IMAGES = _OfProgram(True)  # type: ignore[assignment]
    if Image.MAX_IMAGE_PIXELS is not None and MAX_PIXELS > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = _OfProgram(Image.MAX_IMAGE_PIXELS)
    before = DECODES_HERE.set(True)
    try:
        yield
    finally:
        DECODES_HERE.reset(before)


def open_strictly(data: bytes, formats: Iterable[str]) -> ImageFile.ImageFile:
    """Open an image like `Image.open`, but without its pixel limit, which a program may change.

    Raises UnidentifiedImageError, with Pillow's message about the format detected from the first
    bytes.
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


PNG = b"\x89PNG\r\n\x1a\n"
# Types of PNG chunks.
PROFILE = b"iCCP"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# Keywords of the text chunks in which Pillow looks for the EXIF orientation.
OF_ORIENTATION = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0", b"exif\0")
MAX_TEXT = 2**20  # in bytes
MAX_PROFILE = 4 * 2**20  # in bytes; printing profiles take about half a megabyte


def split_png(data: bytes) -> tuple[bytes, bytes | None]:
    """Remove the colour profile and text chunks from a PNG and return it with the profile.

    The profile is None if the file has none, or if it is damaged or too large.

    Pillow rejects images in which these chunks exceed limits that a program can change. Text chunks
    with the EXIF orientation are kept, up to MAX_TEXT bytes.
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
    """Return the content of a PNG chunk after its keyword, or None if it is damaged or too large.

    It is too large if it has more than `limit` bytes. The PNG specification, third edition,
    sections 11.3.2.3 and 11.3.3, defines these chunks.
    """
    _, _, content = chunk.partition(b"\0")
    is_compressed = kind != b"tEXt"
    if kind == b"iTXt":
        is_compressed = content[:1] != b"\0"
        content = content[2:].split(b"\0", 2)[-1]  # skip the language and the translated keyword
    elif is_compressed:
        content = content[1:]  # skip the compression method
    if not is_compressed:
        return content if len(content) <= limit else None
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(content, limit)  # the argument limits memory
    except zlib.error:
        return None
    return None if inflate.unconsumed_tail else content


PNG_DEPTH = 24  # the offset of the bit depth


def scale_transparency(image: Image.Image, data: bytes) -> None:
    """Convert the transparent value of an opened PNG to 8 bits, as Pillow does for its pixels.

    Pillow leaves this value as it is in the file, where it matches no pixel or the wrong ones.
    """
    transparent = image.info.get("transparency")
    depth = data[PNG_DEPTH]
    if isinstance(transparent, tuple) and depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    elif isinstance(transparent, int) and image.mode == "L":
        image.info["transparency"] = transparent * 255 // (2**depth - 1)


def without_transparency(image: Image.Image, form: str | None) -> Image.Image:
    """Draw an RGBA image on white, or drop its alpha channel if that would hide a visible picture.

    Some programs write an alpha of 0 for all pixels by mistake. The alpha of a BMP, which OpenCV
    and cameras fill with values that viewers ignore, is always dropped.
    WebP encoders change the colours of invisible pixels, so their alpha is always applied.
    """
    extrema = cast(
        "tuple[tuple[int, int], ...]", image.getextrema()
    )  # pairs if the image has several bands
    *colours, (_, most_opaque) = extrema
    is_mistake = most_opaque == 0 and any(low < high for low, high in colours)
    if form == "BMP" or (is_mistake and form != "WEBP"):
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white


WHITE_IS_ZERO = (262, 0)  # TIFF 6.0: tag and value of PhotometricInterpretation
BITS_PER_SAMPLE = 258
CODESTREAM = b"\xff\x4f\xff\x51"  # start and size markers of JPEG 2000, ISO/IEC 15444-1, A.5.1


def is_deep(image: Image.Image) -> bool:
    """Return whether an opened image is grey with more than 8 bits."""
    return image.mode.startswith("I;16") or (image.format == "PPM" and image.mode == "I")


def to_8_bits(
    image: ImageFile.ImageFile, data: bytes, bits: int | None
) -> tuple[Image.Image, tuple[int, int]]:
    """Convert a grey image to upright RGB and return it with its used and available bits.

    The value `2**bits - 1` and all larger values become 255. If `bits` is None, the largest value
    that the file format allows becomes 255. A transparent value becomes white.
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
    """Return the original upright values of the file, as uint32, and the largest possible value.

    Pillow stretches the values of PGM and JPEG 2000 files to 16 bits.
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
# Mapped from the colour spaces in ICC.1:2022, section 7.2.6.
MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}
# Out of 255. The sRGB profiles that some cameras write differ by 6, with a gamma of 2.2, and their
# grey profiles by 9. Adobe RGB, Display P3 and grey profiles for printing differ by more than 20.
MAX_DIFFERENCE = 10
LEVELS = np.linspace(0, 255, 9).round()
SAMPLES = {
    "L": Image.fromarray(np.arange(256, dtype=np.uint8)[None]),
    "RGB": Image.fromarray(np.array([list(product(LEVELS, repeat=3))], np.uint8)),
}


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Return the image, converted to RGB if its colours differ visibly from sRGB.

    Profiles that are damaged or made for another colour space are ignored.
    """
    if not isinstance(profile, bytes) or len(profile) > MAX_PROFILE:
        return image
    transform = _transform(profile, image.mode)
    converted = ImageCms.applyTransform(image, transform) if transform else None
    return converted or image


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform from a profile to sRGB; None if it is unnecessary or unusable."""
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
