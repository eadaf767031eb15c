"""Decode image files, and tell what they hold. All stages, commands and the app use this decoder.

The cost of an untrusted file is limited by the constants below, and therefore to less than 2 GB of
memory and some ten seconds for each thread. Only the first frame of an animation, or the primary
image of a HEIC file, is decoded.
"""

import hashlib
import io
import logging
import os
import posixpath
import re
import struct
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pi_heif
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from pawprint.errors import InputError, printable
from pawprint.images.archive import MAX_BYTES, MAX_PIXELS, Archive, UnusableImageError, read_member
from pawprint.images.formats import (
    MAX_SCANS,
    count_scans,
    decode_jpeg,
    is_deep,
    scale_for,
    to_8_bits,
    to_srgb,
)
from pawprint.pointers import pointer, pointer_at

# Tried in this order; TGA has no signature. Pillow reads more formats, but some run other programs
# (EPS: Ghostscript), hold an image of another size than they say (ICO), or have no limit (FITS).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "HEIF")
FORMATS += ("PPM", "JPEG2000", "PCX", "SGI", "SUN", "PSD", "DDS", "QOI", "TGA")
# HEIC, the format of phones; one thread, because images are decoded in parallel.
pi_heif.register_heif_opener(
    decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
)
SUFFIXES = {suffix for suffix, form in Image.registered_extensions().items() if form in FORMATS}
ACCEPTED = f"Names of images end in {', '.join(sorted(SUFFIXES))}."
SHOWN = 12  # suffixes in a line
# Folders that systems make for copies, thumbnails and deleted files, in lower case. Hidden folders,
# such as .Trash-1000, .Spotlight-V100 and .ipynb_checkpoints, need no entry.
FOLDERS_OF_SYSTEMS = {
    *("@eadir", "@tmp", "#recycle", "#snapshot"),  # Synology
    *("@recycle", "@recently-snapshot", "@transcode"),  # QNAP
    *("$recycle.bin", "recycler", "system volume information", "found.000"),  # Windows
    *("__macosx", "network trash folder", "temporary items"),  # macOS
    *("lost+found", "lost.dir"),  # Linux, Android
}
PLACEHOLDER = ".icloud"  # a hidden file in place of one that is in Apple's cloud only


def is_image_name(name: str) -> bool:
    """Whether a path in a folder or archive has the suffix of an image, and nothing sets it apart.

    That is a hidden file or folder, or one of FOLDERS_OF_SYSTEMS. Files that a table or a user
    names one by one are images, whatever their names.
    """
    is_apart = _is_hidden(name) or is_of_system(name)
    return not is_apart and posixpath.splitext(name)[1].lower() in SUFFIXES


def is_of_system(name: str) -> bool:
    """Return whether a file lies in one of FOLDERS_OF_SYSTEMS."""
    return not FOLDERS_OF_SYSTEMS.isdisjoint(name.lower().split("/")[:-1])


def count_suffixes(names: Iterable[str]) -> str:
    """Such as "40 .eps, 2 hidden, 1 without a suffix", the most frequent first, at most SHOWN."""
    counts = Counter(map(_kind_of, names))
    return ", ".join(f"{times:,} {printable(kind)}" for kind, times in counts.most_common(SHOWN))


def _kind_of(name: str) -> str:
    if is_of_system(name):
        return "in folders of systems"
    if _is_hidden(name) and not name.endswith(PLACEHOLDER):
        return "hidden"
    return PurePosixPath(name).suffix.lower() or "without a suffix"


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") and part != "." for part in name.split("/"))


JPEG = ("JPEG", "MPO")
# As Pillow, libheif and libjpeg say it.
ENDS_EARLY = re.compile("truncated|end of file|premature end", re.IGNORECASE)
STRIP = 2**20  # bytes
MAX_SIDE = 65_535  # of a JPEG; to resize a much longer image takes gigabytes
SUBFILE, DNG_VERSION = 254, 50706  # tags of a TIFF
MAX_BOXES = 10_000  # of a HEIC or AVIF, which has one for each tile
MAX_SCANNED = 12 * MAX_PIXELS  # pixels times scans
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
    """An image, upright and in RGB; of a grey one of more than 8 bits, those of its values.

    `used_bits` hold its largest value, `file_bits` the largest that its file can hold. Both are 8
    for other images. Width and height of the file were divided by `scale`.
    """

    image: Image.Image
    used_bits: int = 8
    file_bits: int = 8
    scale: int = 1


def decode(data: bytes, bits: int | None = None, side: int | None = None) -> Image.Image:
    """The image of `decode_file`."""
    return decode_file(data, bits, side).image


def decode_file(data: bytes, bits: int | None, side: int | None = None) -> DecodedImage:
    """Decode the bytes of an image file to RGB, and apply its EXIF orientation.

    Colours of a profile become sRGB. Transparent pixels are drawn on white. `bits` is `clean.bits`:
    how grey of more than 8 bits becomes 8; colours of 16 bits are reduced to the upper eight.
    With `side`, a JPEG is decoded at 1/2, 1/4 or 1/8, where this leaves both sides with at least so
    many pixels. Raises UnusableImageError with the reason if the image cannot be decoded
    completely.
    """
    if not data:
        raise UnusableImageError("empty_file", "0 bytes")
    if found := pointer(data):
        raise UnusableImageError("no_content", found)
    if len(data) > MAX_BYTES:
        raise UnusableImageError("too_large", f"more than {MAX_BYTES:,} bytes")
    try:
        if data[4:8] == b"ftyp":
            _require_text_of_items(data)
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _require_affordable(image, data)
        if image.format == "TIFF" and _is_preview(image, data):
            detail = "a camera's raw file, of which only the preview could be read"
            raise UnusableImageError("unsupported", detail)
        if is_deep(image):
            image, depths = to_8_bits(image, data, bits)
            return DecodedImage(image, *depths)
        scale = scale_for(image.size, side) if image.format in JPEG else 1
        if image.format in JPEG:
            image = decode_jpeg(image, data, scale)
        ImageOps.exif_transpose(image, in_place=True)
        return DecodedImage(_to_rgb(image), scale=scale)
    except UnidentifiedImageError:
        if pi_heif.is_supported(io.BytesIO(data)):  # by its first bytes
            raise UnusableImageError("damaged", "HEIC without a complete list of images") from None
        raise UnusableImageError("not_an_image", "no image format recognised") from None
    except Image.DecompressionBombError as error:
        raise UnusableImageError("too_large", str(error)) from None
    except (UnusableImageError, MemoryError):  # memory is no fault of the image
        raise
    except Exception as error:  # Pillow's plugins raise nearly any type for damaged data
        detail = str(error).strip() or type(error).__name__
        if ENDS_EARLY.search(detail):
            raise UnusableImageError("truncated", "data of the image are missing") from None
        raise UnusableImageError("damaged", detail) from None


def _require_affordable(image: Image.Image, data: bytes) -> None:
    """Raise UnusableImageError for an image that takes too much time or memory to decode."""
    pixels = image.width * image.height
    if pixels > MAX_PIXELS or max(image.size) > MAX_SIDE:
        raise UnusableImageError("too_large", f"{image.width}x{image.height} pixels")
    if image.format in JPEG:
        scans = count_scans(data)
        if scans > MAX_SCANS or scans * pixels > MAX_SCANNED:
            raise UnusableImageError("too_large", f"{scans} scans of {pixels:,} pixels")
    codecs = {tile.codec_name for tile in image.tile}
    if pixels > MAX_SLOW and codecs & {*Image.DECODERS, "jpeg2k"}:
        raise UnusableImageError("too_large", f"{pixels:,} pixels of a slow format")


def open_image(archive: Archive, name: str, side: int | None = None) -> Image.Image:
    """The RGB image of a member that `clean` kept. Raises InputError if it cannot be decoded."""
    try:
        return decode(read_member(archive, name), archive.bits, side)
    except (KeyError, UnusableImageError) as error:
        raise InputError(
            f"{archive.filename}: expected {name} to be the image that `clean` kept. Received: "
            f"{error}. Run `dvc repro`."
        ) from None


def read_file(path: Path) -> bytes:
    """The bytes of an image file for `decode`, which refuses more than MAX_BYTES.

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
    """The RGB image of a file that was decoded before. Raises InputError with its name."""
    try:
        return decode(read_file(path), bits, side)
    except (OSError, UnusableImageError) as error:
        raise InputError(f"{name}: expected the image again. Received: {error}") from None


def _require_text_of_items(data: bytes) -> None:
    """Raise ValueError for a HEIC with an item whose type or name is not UTF-8.

    pi-heif 1.4 ends the process for such a type. Boxes: ISO/IEC 14496-12, 4.2 and 8.11.
    """
    ranges, number = [(0, len(data))], 0
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
    """Whether the first image of a TIFF is a thumbnail of another one, or it is a DNG or CR2."""
    return image.tag_v2.get(SUBFILE, 0) & 1 or DNG_VERSION in image.tag_v2 or data[8:10] == b"CR"


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise UnusableImageError("unsupported", "32 bits per channel, of unknown range")
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    image = to_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")  # which copies all pixels


def to_upright_rgb(image: Image.Image) -> Image.Image:
    """An image of Pillow, as `decode` gives that of a file.

    Raises UnusableImageError for grey of more than 8 bits, which needs the file.
    """
    if is_deep(image):
        raise UnusableImageError("unsupported", "more than 8 bits: give the path or the bytes")
    return _to_rgb(ImageOps.exif_transpose(image))


def pixels_sha256(image: Image.Image) -> str:
    """The same for images that decode to the same RGB pixels, whatever their files.

    The image is decoded in full.
    """
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    rows = STRIP // (3 * image.width) + 1
    for top in range(0, image.height, rows):  # a copy of a large image takes longer
        digest.update(image.crop((0, top, image.width, min(top + rows, image.height))).tobytes())
    return digest.hexdigest()


def sha256_of_all_pixels(decoded: DecodedImage, data: bytes, bits: int | None) -> str:
    """`pixels_sha256` of an image that was decoded from `data`, perhaps not in full."""
    return pixels_sha256(decoded.image if decoded.scale == 1 else decode(data, bits))


MAX_LEFT_OUT = 0.25  # of an image, without a line: that of 4:3


def left_out(widths: np.ndarray, heights: np.ndarray) -> float:
    """The fraction, in [0, 1), of the median image that is outside of its largest middle square.

    `widths` and `heights` are in pixels, `(images,)`.
    """
    return float(np.median(1 - np.minimum(widths, heights) / np.maximum(widths, heights)))
