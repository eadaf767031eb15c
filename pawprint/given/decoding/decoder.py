"""Decode image files and describe their contents. All stages, commands and the app use this.

The constants below limit what an untrusted file can cost: less than 2 GB of memory and about ten
seconds per thread, and only one JPEG of more than MAX_PIXELS at a time. Only the first page of a
TIFF, the first frame of an animation, or the primary image of a HEIC file is decoded.
"""

import contextlib
import hashlib
import io
import logging
import os
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pi_heif
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from pawprint.given.decoding import formats
from pawprint.given.decoding.jpeg import MAX_SCANS, count_scans, decode_jpeg, scale_for
from pawprint.given.decoding.limits import MAX_BYTES, MAX_PIXELS, DecodingError

JPEG = ("JPEG", "MPO")
ORIENTATION = ExifTags.Base.Orientation
# Wording of the errors that Pillow, libheif, libjpeg and numpy raise for truncated files.
ENDS_EARLY = re.compile("truncated|end of file|premature end|buffer is smaller", re.IGNORECASE)
# What Pillow reports for files that it recognises but cannot read.
SAYS_SO = re.compile("unsupported|unimplemented|cannot handle|unknown .*mode", re.IGNORECASE)
STRIP = 2**20  # in bytes
MAX_SIDE = 65_535  # JPEG's limit; resizing a much longer image takes gigabytes
# TIFF tags.
SUBFILE = 254
BITS_PER_SAMPLE = 258
COMPRESSION = 259
DEFLATE = (8, 32946)  # values of COMPRESSION
STARTS = (273, 324)  # of strips, or of tiles
SIZES = (279, 325)
SAMPLE_FORMAT = 339
SIGNED = 2  # a value of SAMPLE_FORMAT, which Pillow ignores for 8 bits
DNG_VERSION = 50706
SMALLER_OR_MASK = 1 | 4  # bits in the value of SUBFILE
MAX_BOXES = 10_000  # limit for HEIC and AVIF files, which have one box per tile
MAX_SCANNED = 12 * MAX_PIXELS  # number of pixels times number of scans
MAX_JPEG = 250_000_000  # in pixels; phones take up to 200 million
# Peak memory: the image in Pillow, and a rotated copy of it. An upright RGB JPEG needs half of it.
BYTES_PER_PIXEL = 8
WITH_SCANS = 12  # bytes per pixel, including the coefficients of all scans
ONE_LARGE_JPEG = threading.Lock()
# Two threads that load the same Pillow image would decode into the same buffer and corrupt it.
ONE_LOADED = threading.Lock()
MEMORY = Path("/proc/meminfo")  # on Linux
CONTAINER = Path("/sys/fs/cgroup")  # cgroups version 2, on Linux
# Pixel limit for Pillow's decoders in Python, which take a second and a half per million pixels.
MAX_SLOW = 16_000_000

# Pillow reuses up to this many freed blocks, of at most 16 MB each, for the next images. With
# freshly allocated memory, decoding 12 million pixels takes 59 ms instead of 38.
# https://pillow.readthedocs.io/en/stable/reference/block_allocator.html
if "PILLOW_BLOCKS_MAX" not in os.environ:
    Image.core.set_blocks_max(8)
# Pillow warns about problems that it repairs or ignores. Unusable images raise an error anyway.
warnings.filterwarnings("ignore", module="PIL")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


class DecodedImage(NamedTuple):
    """An image, upright and in RGB, and for images above 8 bits the number of bits.

    `content` has the pixels in the form in which they were decoded.
    `used_bits` are enough for the largest value in the image, and `file_bits` for the largest value
    that the file format allows. Both are 8 for all other images. `has_more` is True if the file has
    further pages or frames. The original width and height were divided by `scale`.
    """

    content: np.ndarray | Image.Image
    used_bits: int = 8
    file_bits: int = 8
    has_more: bool = False
    scale: int = 1

    @property
    def image(self) -> Image.Image:
        """A Pillow image, possibly a new one each time."""
        content = self.content
        return content if isinstance(content, Image.Image) else Image.fromarray(content)

    @property
    def pixels(self) -> np.ndarray:
        """The pixels, uint8 `(height, width, 3)`."""
        if isinstance(self.content, np.ndarray):
            return self.content
        width, height = self.content.size
        pixels = np.empty((height, width, 3), np.uint8)
        rows = STRIP // (3 * width) + 1
        for top in range(0, height, rows):  # copying a large image at once would take longer
            strip = self.content.crop((0, top, width, min(top + rows, height)))
            pixels[top : top + rows] = np.asarray(strip)
        return pixels


@contextlib.contextmanager
def decoding(data: bytes, bits: int | None, side: int | None = None) -> Iterator[DecodedImage]:
    """Decode the bytes of an image file to RGB and apply the EXIF orientation.

    Colours are converted from the embedded profile to sRGB, and transparent pixels are drawn on
    white. `bits` is `clean.bits`, which determines how images above 8 bits are scaled to 8 bits.
    With `side`, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, as long as both sides keep at
    least that many pixels. Raises DecodingError, with the reason, if the image cannot be decoded
    completely.

    Inside the block, no other thread decodes a large JPEG, which has more than MAX_PIXELS.
    """
    with contextlib.ExitStack() as held:
        yield _decode(data, bits, side, held)


def _decode(
    data: bytes, bits: int | None, side: int | None, held: contextlib.ExitStack
) -> DecodedImage:
    """Decode like `decoding`. A large JPEG adds its lock to `held`."""
    if not data:
        raise DecodingError("empty_file", "0 bytes")
    if len(data) > MAX_BYTES:
        raise DecodingError("too_large", f"more than {MAX_BYTES:,} bytes")
    needed = 0
    try:
        image = _open(data)
        scale = scale_for(image.size, side) if image.format in JPEG else 1
        if needed := _require_affordable(image, data, scale):
            held.enter_context(ONE_LARGE_JPEG)
            _require_memory(needed)
        return _load(image, data, bits, scale)
    except DecodingError:
        raise
    except MemoryError:
        if not needed:  # running out of memory is not the fault of a small image
            raise
        detail = f"decoding needs about {needed / 1e9:.1f} GB of free memory"
        raise DecodingError("too_large", detail) from None
    except Exception as error:  # Pillow's plugins raise nearly any type for damaged data
        raise _unusable(error, data) from None


def _open(data: bytes) -> ImageFile:
    """Open an image without decoding it, and compare the checksums of its pixels, if it has any.

    Raises an exception if one differs. Pillow and libtiff decode such an image without a word.
    """
    if data[4:8] == b"ftyp":
        _require_text_of_items(data)
    image = formats.open_image(data)
    if image.format == "PNG":
        formats.open_image(data).verify()
    if isinstance(image, TiffImageFile) and image.tag_v2.get(COMPRESSION) in DEFLATE:
        _require_checksums(image, data)
    return image


def _require_checksums(image: TiffImageFile, data: bytes) -> None:
    """Raise zlib.error if the checksum of a strip or tile of a deflated TIFF differs."""
    starts, sizes = (
        image.tag_v2.get(strip) or image.tag_v2.get(tile, ()) for strip, tile in (STARTS, SIZES)
    )
    left = BYTES_PER_PIXEL * MAX_PIXELS  # parts can lie in one place, and grow without an end
    for start, size in zip(starts, sizes):
        left -= len(zlib.decompressobj().decompress(data[start : start + size], left))
        if left <= 0:
            raise DecodingError("too_large", "the parts of a TIFF are larger than any image")


def _load(image: ImageFile, data: bytes, bits: int | None, scale: int) -> DecodedImage:
    if isinstance(image, TiffImageFile) and _is_preview(image, data):
        detail = "a raw camera file; only its preview could be read"
        raise DecodingError("unsupported", detail)
    if isinstance(image, TiffImageFile) and SIGNED in image.tag_v2.get(SAMPLE_FORMAT, ()):
        raise DecodingError("unsupported", _describe_channels(data) or "signed numbers")
    has_more = _has_more(image, data)
    if formats.is_deep_grey(image):
        rgb, depths = formats.scale_grey(image, bits)
        return DecodedImage(rgb, *depths, has_more)
    if image.format == "PNG":
        formats.scale_transparency(image, data, bits)
    depths = formats.scale_colours(image, data, bits)
    loaded = decode_jpeg(image, data, scale) if image.format in JPEG else image
    if isinstance(loaded, Image.Image):
        ImageOps.exif_transpose(loaded, in_place=True)
        loaded = _to_rgb(loaded)
        loaded.info.pop("icc_profile", None)  # the profile has been applied
    return DecodedImage(loaded, *depths, has_more, scale)


def _unusable(error: Exception, data: bytes) -> DecodingError:
    """Convert an error from decoding `data` to an exception that has a reason."""
    detail = str(error).strip() or type(error).__name__
    if isinstance(error, UnidentifiedImageError) and (channels := _describe_channels(data)):
        return DecodingError("unsupported", channels)
    if SAYS_SO.search(detail):
        return DecodingError("unsupported", detail)
    if isinstance(error, UnidentifiedImageError):
        if pi_heif.is_supported(io.BytesIO(data)):  # only checks the first bytes
            return DecodingError("damaged", "HEIC without a complete list of images")
        return DecodingError("not_an_image", "no image format recognised")
    if isinstance(error, Image.DecompressionBombError):
        return DecodingError("too_large", detail)
    if ENDS_EARLY.search(detail):
        return DecodingError("truncated", "image data are missing")
    return DecodingError("damaged", detail)


def _describe_channels(data: bytes) -> str:
    """Return text such as "a TIFF of 1 channel with 8 bits, signed", or "" for other files."""
    with contextlib.suppress(Exception):  # other files, and damaged directories
        tags = ImageFileDirectory_v2(data[:8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        bits = tags[BITS_PER_SAMPLE]
        signed = ", signed" if SIGNED in tags.get(SAMPLE_FORMAT, ()) else ""
        plural = "s" if len(bits) > 1 else ""
        return f"a TIFF of {len(bits)} channel{plural} with {max(bits)} bits{signed}"
    return ""


def _require_affordable(image: ImageFile, data: bytes, scale: int) -> int:
    """Return how many bytes of memory a large JPEG needs at this scale, or 0 for other images.

    Raises DecodingError if decoding the image would take too much time or memory.
    """
    pixels = image.width * image.height
    scans = 1
    limit = MAX_JPEG if image.format in JPEG else MAX_PIXELS
    if pixels > limit or max(image.size) > MAX_SIDE:
        raise DecodingError("too_large", f"{image.width}x{image.height} pixels")
    if image.format in JPEG:
        scans = count_scans(data)
        if scans > MAX_SCANS or scans * pixels > MAX_SCANNED:
            raise DecodingError("too_large", f"{scans} scans of {pixels:,} pixels")
    codecs = {tile.codec_name for tile in image.tile}
    if pixels > MAX_SLOW and codecs & {*Image.DECODERS}:
        raise DecodingError("too_large", f"{pixels:,} pixels of a slow format")
    if pixels <= MAX_PIXELS:
        return 0
    return pixels * (WITH_SCANS if scans > 1 else BYTES_PER_PIXEL // scale**2)


def _require_memory(needed: int) -> None:
    """Raise MemoryError if less memory than `needed` is free on the computer or in the container.

    Linux hands out more memory than it has and kills the process later. Other systems raise
    MemoryError themselves.
    """
    with contextlib.suppress(OSError, ValueError):
        if needed > 1024 * _find_number(r"MemAvailable: *(\d+)", MEMORY):
            raise MemoryError
    with contextlib.suppress(OSError, ValueError):  # "max" means unlimited
        used = _find_number(r"^anon (\d+)", CONTAINER / "memory.stat")
        if needed > int((CONTAINER / "memory.max").read_text()) - used:
            raise MemoryError


def _find_number(pattern: str, path: Path) -> int:
    """Return the number that a pattern matches in a file. Raises ValueError if there is none."""
    if found := re.search(pattern, path.read_text(), re.MULTILINE):
        return int(found[1])
    raise ValueError(f"{path}: expected {pattern}. Received: no such line.")


def _require_text_of_items(data: bytes) -> None:
    """Raise ValueError if a HEIC has an item whose type or name is not UTF-8.

    pi-heif 1.4 crashes the process on such a type. ISO/IEC 14496-12, sections 4.2 and 8.11, defines
    the boxes.
    """
    ranges = [(0, len(data))]
    number = 0
    for start, end in ranges:
        while end - start >= 8:
            size, name = struct.unpack_from(">I4s", data, start)
            first = start + 8
            if size == 1:
                (size,) = struct.unpack_from(">Q", data, first)
                first += 8
            last = min(start + size, end) if size else end
            if name == b"meta":
                ranges.append((first + 4, last))
            elif name == b"iinf":
                ranges.append((first + (8 if data[first] else 6), last))
            elif name == b"infe":
                data[first + 8 : last].decode()  # skip the version, flags, ID and protection index
            start = max(first, last)
            number += 1
            if number > MAX_BOXES:
                raise ValueError(f"more than {MAX_BOXES:,} boxes")


def _is_preview(image: TiffImageFile, data: bytes) -> bool:
    """Return whether the first image of a TIFF is a thumbnail, or the file is a DNG or CR2."""
    is_thumbnail = image.tag_v2.get(SUBFILE, 0) & 1 == 1
    return is_thumbnail or DNG_VERSION in image.tag_v2 or data[8:10] == b"CR"


def _has_more(image: ImageFile, data: bytes) -> bool:
    """Return whether a file has further pages, frames or images.

    Further images in a JPEG or smaller ones in a TIFF do not count, because they are derived from
    the first one.
    """
    if image.format in JPEG:
        return False
    if image.format != "GIF" and not getattr(image, "is_animated", False):
        return False
    if image.format not in ("GIF", "TIFF"):
        return True
    pages = formats.open_image(data)
    with contextlib.suppress(Exception):  # a damaged page does not matter, because it is not used
        if not isinstance(pages, TiffImageFile):
            return getattr(pages, "is_animated", False)
        for page in count(1):
            pages.seek(page)
            if not pages.tag_v2.get(SUBFILE, 0) & SMALLER_OR_MASK:
                return True
    return False


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise DecodingError("unsupported", "32 bits per channel, of unknown range")
    profile = image.info.get("icc_profile")
    if image.mode == "La":  # Pillow converts premultiplied grey only to LA
        image = image.convert("LA")
    if image.has_transparency_data:
        image = formats.without_transparency(image.convert("RGBA"), image.format)
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    image = formats.to_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")  # `convert` would copy all pixels


def to_upright_rgb(image: Image.Image) -> Image.Image:
    """Convert a Pillow image to upright RGB, as in `DecodedImage`; such an image stays as it is.

    A copied or converted image keeps its profile and its EXIF data, including the orientation.
    Raises DecodingError for grey images above 8 bits, because these can only be converted from
    the file.
    """
    if formats.is_deep_grey(image):
        raise DecodingError("unsupported", "more than 8 bits: pass the path or the bytes")
    orientation = 1
    with ONE_LOADED:  # Pillow may not have read the pixels and EXIF data yet
        image.load()
        with contextlib.suppress(Exception):  # ignore damaged EXIF data
            orientation = image.getexif().get(ORIENTATION, 1)
    return _to_rgb(image if orientation == 1 else ImageOps.exif_transpose(image))


def pixels_sha256(pixels: np.ndarray) -> str:
    """Return a hash that is the same for images with the same RGB pixels, whatever their files.

    Pass the pixels of an image that was decoded at full size, uint8 `(height, width, 3)`.
    """
    height, width, _ = pixels.shape
    digest = hashlib.sha256(f"{width}x{height}:".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
