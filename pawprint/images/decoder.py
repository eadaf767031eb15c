"""Decode image files, and tell what they hold. All stages, commands and the app use this decoder.

The cost of an untrusted file is limited by the constants below, and therefore to less than 2 GB of
memory and some ten seconds for each thread, and to one JPEG of more than MAX_PIXELS at a time. Only
the first page of a TIFF and frame of an animation, or the primary image of a HEIC file, is decoded.
What a program sets in Pillow changes nothing here.
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
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pi_heif
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from pawprint.errors import InputError
from pawprint.git import pointer, pointer_at
from pawprint.images.archive import MAX_BYTES, MAX_PIXELS, Archive, UnusableImageError, read_member
from pawprint.images.formats import (
    PNG,
    is_deep,
    open_strictly,
    scale_for,
    scale_transparency,
    split_png,
    strictly,
    to_8_bits,
    to_srgb,
    without_transparency,
)
from pawprint.images.jpeg import MAX_SCANS, count_scans, decode_jpeg, from_first_marker
from pawprint.images.modes import SAYS_SO, is_unread, mode_of, name_of_other

# Tried in this order; TGA has no signature. Pillow reads more formats, but some run other programs
# (EPS: Ghostscript), hold an image of another size than they say (ICO), or have no limit (FITS).
FORMATS: tuple[str, ...] = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "HEIF")
FORMATS += ("PPM", "JPEG2000", "PCX", "SGI", "SUN", "PSD", "DDS", "QOI", "TGA")
# HEIC, the format of phones; one thread, because images are decoded in parallel.
pi_heif.register_heif_opener(
    decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
)
Image.init()  # or else Pillow opens the first five of all formats only
JPEG = ("JPEG", "MPO")
ORIENTATION = ExifTags.Base.Orientation
# The words of Pillow, libheif and libjpeg.
ENDS_EARLY = re.compile("truncated|end of file|premature end", re.IGNORECASE)
STRIP = 2**20  # bytes
MAX_SIDE = 65_535  # of a JPEG; to resize a much longer image takes gigabytes
# Tags of a TIFF.
SUBFILE = 254
DNG_VERSION = 50706
SMALLER_OR_MASK = 1 | 4  # bits of SUBFILE
MAX_BOXES = 10_000  # of a HEIC or AVIF, which has one for each tile
MAX_SCANNED = 12 * MAX_PIXELS  # pixels times scans
MAX_JPEG = 250_000_000  # pixels; phones have 200 million
BYTES_PER_PIXEL = 8  # of memory, at most: an image of Pillow, and the same after a turn
WITH_SCANS = 12  # bytes per pixel; also the coefficients of several scans
ONE_LARGE_JPEG = threading.Lock()
# Two threads that load one image of Pillow decode into the same pixels, and get others.
ONE_LOADED = threading.Lock()
MEMORY = Path("/proc/meminfo")  # of Linux
CONTAINER = Path("/sys/fs/cgroup")  # of Linux, version 2
# Pixels where a decoder takes a second and a half for a million, as Pillow's decoders in Python do,
# or 50 bytes for each, as OpenJPEG does.
MAX_SLOW = 16_000_000

# Freed blocks, of at most 16 MB each, that Pillow takes for the next images: with new memory, the
# decoding of 12 million pixels takes 59 ms in place of 38.
# https://pillow.readthedocs.io/en/stable/reference/block_allocator.html
if "PILLOW_BLOCKS_MAX" not in os.environ:
    Image.core.set_blocks_max(8)
# Pillow warns about what it repairs or ignores; an unusable image raises an error.
warnings.filterwarnings("ignore", module="PIL")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


class DecodedImage(NamedTuple):
    """An image, upright and in RGB, and the bits of its values if it was grey of more than 8 bits.

    `used_bits` hold its largest value, `file_bits` the largest that its file can hold. Both are 8
    for other images. `has_more` is whether the file has further pages or frames. Width and height
    of the file were divided by `scale`.
    """

    image: Image.Image
    used_bits: int = 8
    file_bits: int = 8
    has_more: bool = False
    scale: int = 1


def decode(data: bytes, bits: int | None = None, side: int | None = None) -> Image.Image:
    """Return the image of `decode_file`."""
    return decode_file(data, bits, side).image


def decode_file(data: bytes, bits: int | None, side: int | None = None) -> DecodedImage:
    """Decode the bytes of an image file to RGB, and apply its EXIF orientation.

    Colours of a profile become sRGB. Transparent pixels are drawn on white. `bits` is `clean.bits`:
    how grey of more than 8 bits becomes 8; colours of 16 bits are reduced to the upper eight.
    With `side`, a JPEG is decoded at 1/2, 1/4 or 1/8, where this leaves both sides with at least so
    many pixels. Raises UnusableImageError with the reason if the image cannot be decoded
    completely.
    """
    with decoding(data, bits, side) as decoded:
        return decoded


@contextlib.contextmanager
def decoding(data: bytes, bits: int | None, side: int | None = None) -> Iterator[DecodedImage]:
    """Decode as `decode_file`. In the block, no other thread decodes a JPEG of MAX_PIXELS."""
    with contextlib.ExitStack() as held:
        with strictly(MAX_PIXELS):
            decoded = _decode(data, bits, side, held)
        yield decoded


def _decode(
    data: bytes, bits: int | None, side: int | None, held: contextlib.ExitStack
) -> DecodedImage:
    """Decode as `decode_file`. `held` gets the lock of a large image."""
    if not data:
        raise UnusableImageError("empty_file", "0 bytes")
    if found := pointer(data):
        raise UnusableImageError("no_content", found)
    if len(data) > MAX_BYTES:
        raise UnusableImageError("too_large", f"more than {MAX_BYTES:,} bytes")
    try:
        image, data = _open(data)
        scale = scale_for(image.size, side) if image.format in JPEG else 1
        needed = _require_affordable(image, data, scale)
        if not needed:
            return _load(image, data, bits, scale)
        held.enter_context(ONE_LARGE_JPEG)
        return _load_large(image, data, bits, scale, needed)
    except (UnusableImageError, MemoryError):  # a small image is not to blame for a lack of memory
        raise
    except Exception as error:  # Pillow's plugins raise nearly any type for damaged data
        raise _unusable(error, data) from None


def _open(data: bytes) -> tuple[ImageFile, bytes]:
    """Open an image without decoding it, and return the bytes that it is decoded from."""
    data, profile = split_png(data) if data.startswith(PNG) else (from_first_marker(data), None)
    if data[4:8] == b"ftyp":
        _require_text_of_items(data)
    image = open_strictly(data, FORMATS)
    if profile:
        image.info["icc_profile"] = profile
    if image.format == "PNG":
        scale_transparency(image, data)
    return image, data


def _load(image: ImageFile, data: bytes, bits: int | None, scale: int) -> DecodedImage:
    if isinstance(image, TiffImageFile) and _is_preview(image, data):
        detail = "a camera's raw file, of which only the preview could be read"
        raise UnusableImageError("unsupported", detail)
    if is_unread(image, data):
        raise _unread(mode_of(data))
    has_more = _has_more(image, data)
    if is_deep(image):
        rgb, depths = to_8_bits(image, data, bits)
        return DecodedImage(rgb, *depths, has_more)
    loaded = decode_jpeg(image, data, scale) if image.format in JPEG else image
    ImageOps.exif_transpose(loaded, in_place=True)
    rgb = _to_rgb(loaded)
    rgb.info.pop("icc_profile", None)  # which has been applied
    return DecodedImage(rgb, has_more=has_more, scale=scale)


def _load_large(
    image: ImageFile, data: bytes, bits: int | None, scale: int, needed: int
) -> DecodedImage:
    """Load an image, or raise UnusableImageError if the `needed` bytes of memory are not free."""
    try:
        _require_memory(needed)
        return _load(image, data, bits, scale)
    except MemoryError:
        detail = f"decoding needs about {needed / 1e9:.1f} GB of free memory"
        raise UnusableImageError("too_large", detail) from None


def _unusable(error: Exception, data: bytes) -> UnusableImageError:
    """Return the exception with the reason for which decoding `data` raised this error."""
    detail = str(error).strip() or type(error).__name__
    if SAYS_SO.search(detail):
        return _unread(mode_of(data) or detail)
    if isinstance(error, UnidentifiedImageError):
        if other := name_of_other(data):
            return UnusableImageError("unsupported", f"format not read: {other}")
        if pi_heif.is_supported(io.BytesIO(data)):  # by its first bytes
            return UnusableImageError("damaged", "HEIC without a complete list of images")
        return UnusableImageError("not_an_image", "no image format recognised")
    if isinstance(error, Image.DecompressionBombError):
        return UnusableImageError("too_large", str(error))
    if ENDS_EARLY.search(detail):
        return UnusableImageError("truncated", "data of the image are missing")
    return UnusableImageError("damaged", detail)


def _unread(mode: str) -> UnusableImageError:
    """Return the exception for an image of a mode that is not read."""
    return UnusableImageError("unsupported", f"mode not read: {mode}")


def _require_affordable(image: ImageFile, data: bytes, scale: int) -> int:
    """Return the bytes of memory that a large JPEG takes at this scale; 0 for other images.

    Raises UnusableImageError for an image that takes too much time or memory to decode.
    """
    pixels = image.width * image.height
    scans = 1
    limit = MAX_JPEG if image.format in JPEG else MAX_PIXELS
    if pixels > limit or max(image.size) > MAX_SIDE:
        raise UnusableImageError("too_large", f"{image.width}x{image.height} pixels")
    if image.format in JPEG:
        scans = count_scans(data)
        if scans > MAX_SCANS or scans * pixels > MAX_SCANNED:
            raise UnusableImageError("too_large", f"{scans} scans of {pixels:,} pixels")
    codecs = {tile.codec_name for tile in image.tile}
    if pixels > MAX_SLOW and codecs & {*Image.DECODERS, "jpeg2k"}:
        raise UnusableImageError("too_large", f"{pixels:,} pixels of a slow format")
    if pixels <= MAX_PIXELS:
        return 0
    return pixels * (WITH_SCANS if scans > 1 else BYTES_PER_PIXEL // scale**2)


def _require_memory(needed: int) -> None:
    """Raise MemoryError if the computer, or this process's container, has fewer bytes free.

    Linux gives more than there is, and ends the process later; other systems raise it themselves.
    """
    with contextlib.suppress(OSError, ValueError):
        if needed > 1024 * _find_number(r"MemAvailable: *(\d+)", MEMORY):
            raise MemoryError
    with contextlib.suppress(OSError, ValueError):  # the limit "max" is none
        used = _find_number(r"^anon (\d+)", CONTAINER / "memory.stat")
        if needed > int((CONTAINER / "memory.max").read_text()) - used:
            raise MemoryError


def _find_number(pattern: str, path: Path) -> int:
    """Return the number that a pattern finds in a file. Raises ValueError if it finds none."""
    if found := re.search(pattern, path.read_text(), re.MULTILINE):
        return int(found[1])
    raise ValueError(f"{path}: expected {pattern}. Received: no such line.")


def open_image(archive: Archive, name: str, side: int | None = None) -> Image.Image:
    """Decode a member that `clean` kept, to RGB. Raises InputError if it cannot be decoded."""
    try:
        return decode(read_member(archive, name), archive.bits, side)
    except (KeyError, UnusableImageError) as error:
        raise InputError(
            f"{archive.filename}: expected {name} to be the image that `clean` kept. Received: "
            f"{error}. Run `dvc repro`."
        ) from None


def read_file(path: Path) -> bytes:
    """Return the bytes of an image file for `decode`, which refuses more than MAX_BYTES.

    Raises OSError, or ValueError for a path that no system can hold.
    """
    if path.is_dir():
        raise OSError("no image files in this folder")
    if found := None if path.exists() else pointer_at(path):
        raise OSError(found)
    if path.exists() and not path.is_file():  # a device or a pipe, which may never end
        raise OSError("not a file")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def read_again(path: Path, name: str, bits: int | None, side: int | None) -> Image.Image:
    """Decode a file that was decoded before, to RGB. Raises InputError with its name."""
    try:
        return decode(read_file(path), bits, side)
    except (OSError, UnusableImageError) as error:
        raise InputError(f"{name}: expected the image again. Received: {error}") from None


def _require_text_of_items(data: bytes) -> None:
    """Raise ValueError for a HEIC with an item whose type or name is not UTF-8.

    pi-heif 1.4 ends the process for such a type. Boxes: ISO/IEC 14496-12, 4.2 and 8.11.
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
                data[first + 8 : last].decode()  # after version, flags, ID and protection
            start = max(first, last)
            number += 1
            if number > MAX_BOXES:
                raise ValueError(f"more than {MAX_BOXES:,} boxes")


def _is_preview(image: TiffImageFile, data: bytes) -> bool:
    """Return whether the first image of a TIFF is a thumbnail, or the file is a DNG or CR2."""
    is_thumbnail = image.tag_v2.get(SUBFILE, 0) & 1 == 1
    return is_thumbnail or DNG_VERSION in image.tag_v2 or data[8:10] == b"CR"


def _has_more(image: ImageFile, data: bytes) -> bool:
    """Return whether a TIFF has further pages, or another file further frames or images.

    The further images of a JPEG are made from its first one, as smaller ones of a TIFF are. In a
    PSD they are layers.
    """
    if image.format in (*JPEG, "PSD"):
        return False
    if image.format != "GIF" and not getattr(image, "is_animated", False):
        return False
    if image.format not in ("GIF", "TIFF"):
        return True
    pages = open_strictly(data, [image.format])
    with contextlib.suppress(Exception):  # of a damaged page, which is not used
        if not isinstance(pages, TiffImageFile):
            return getattr(pages, "is_animated", False)
        for page in count(1):
            pages.seek(page)
            if not pages.tag_v2.get(SUBFILE, 0) & SMALLER_OR_MASK:
                return True
    return False


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise UnusableImageError("unsupported", "32 bits per channel, of unknown range")
    profile = image.info.get("icc_profile")
    if image.mode == "La":  # alpha multiplied into grey, which Pillow converts to this mode alone
        image = image.convert("LA")
    if image.has_transparency_data:
        image = without_transparency(image.convert("RGBA"), image.format)
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    image = to_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")  # which copies all pixels


def to_upright_rgb(image: Image.Image) -> Image.Image:
    """Return an image of Pillow as `decode` gives it; one of `decode` is returned as it is.

    A copy or conversion keeps its profile and its EXIF, so also the orientation. Raises
    UnusableImageError for grey of more than 8 bits, which needs the file.
    """
    if is_deep(image):
        raise UnusableImageError("unsupported", "more than 8 bits: give the path or the bytes")
    with strictly(MAX_PIXELS):
        orientation = 1
        with ONE_LOADED:  # Pillow may not have read its pixels and EXIF yet
            image.load()
            with contextlib.suppress(Exception):  # damaged EXIF
                orientation = image.getexif().get(ORIENTATION, 1)
        return _to_rgb(image if orientation == 1 else ImageOps.exif_transpose(image))


def pixels_sha256(image: Image.Image) -> str:
    """Return a hash that is the same for images with the same RGB pixels, whatever their files.

    The image is decoded in full.
    """
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    rows = STRIP // (3 * image.width) + 1
    for top in range(0, image.height, rows):  # a copy of a large image takes longer
        strip = (0, top, image.width, min(top + rows, image.height))
        digest.update(image.reduce(1, strip).tobytes())
    return digest.hexdigest()


def sha256_of_all_pixels(decoded: DecodedImage, data: bytes, bits: int | None) -> str:
    """Return `pixels_sha256` of an image that was decoded from `data`, perhaps not in full."""
    if decoded.scale == 1:
        return pixels_sha256(decoded.image)
    with decoding(data, bits) as whole:
        return pixels_sha256(whole.image)


MAX_LEFT_OUT = 0.25  # of an image, as of one of 4:3; more gets a line


def left_out(widths: np.ndarray, heights: np.ndarray) -> float:
    """Return the fraction of the median image outside of its largest middle square, in [0, 1).

    `widths` and `heights` are in pixels, `(images,)`.
    """
    return float(np.median(1 - np.minimum(widths, heights) / np.maximum(widths, heights)))
