"""The one decoder: what `clean` keeps is decoded by the same function wherever pixels are read.

What an image may cost is bounded, whatever an archive says: a file has at most MAX_BYTES, a
picture at most MAX_PIXELS, so decoding one takes less than 2 GB for a moment; one picture is
decoded at a time by each thread. Of an animation only the first picture is decoded.
"""

import io
import logging
import os
import stat
import struct
import warnings
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from stages.shared.errors import CONTROL_CHARACTERS, InputError
from stages.shared.params import Resize

Reason = Literal[
    "empty",
    "not_an_image",
    "too_large",
    "truncated",
    "damaged",
    "unsupported",
    "no_jfif_header",
    "no_class",
    "neither_class",
    "duplicate",
    "contradictory",
    "unsafe_name",
    "duplicate_name",
    "not_a_file",
    "encrypted",
    "unreadable",
]
REASONS: tuple[str, ...] = get_args(Reason)

# Tried in this order. Pillow knows many more: some run other programs (EPS: Ghostscript), and few
# of the others are photos.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")
SUFFIXES = {suffix for suffix, form in Image.registered_extensions().items() if form in FORMATS}
# Pillow's own threshold for a decompression bomb: a quarter of a gigabyte of RGB pixels.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS
MAX_BYTES = 3 * MAX_PIXELS  # what the largest picture takes uncompressed
# Progressive JPEG is sent in about ten scans, and each costs time for the whole picture. Within a
# scan these bytes cannot stand.
START_OF_SCAN, MAX_SCANS = b"\xff\xda", 100

# Pillow warns and logs what it mends or leaves out; what makes an image unusable is an error.
warnings.filterwarnings("ignore", module="PIL")
logging.getLogger("PIL").setLevel(logging.CRITICAL)

AHEAD = 64  # results that may wait for the caller of map_in_threads


class UnusableImageError(Exception):
    """An image that cannot be used: `reason` is one of REASONS, `detail` is for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.replace('_', ' ')}: {detail}")
        self.reason = reason
        self.detail = detail


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a member, at most MAX_BYTES, read as it is named: nothing is ever unpacked.

    Raises UnusableImageError for what is no plain file, for bytes that the archive does not give
    whole, and for names that are not the same file everywhere: absolute ones, with `..`, a
    backslash (Windows' separator), a colon after its drive, or control characters.
    """
    info = archive.getinfo(name)
    raw = info.orig_filename  # zipfile ends names at a zero byte, and on Windows turns backslashes
    parts = raw.split("/")
    if ".." in parts or "" in parts or "\\" in raw or raw[1:2] == ":":
        raise UnusableImageError("unsafe_name", "expected a relative path with / and without ..")
    if CONTROL_CHARACTERS.search(raw):
        raise UnusableImageError("unsafe_name", "control characters in the name")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise UnusableImageError("not_a_file", f"{stat.filemode(kind)[0]} in its mode")
    if info.flag_bits & 1:
        raise UnusableImageError("encrypted", "a password is needed")
    if info.file_size > MAX_BYTES:
        raise UnusableImageError("too_large", f"{info.file_size:,} bytes")
    # Other methods are decompressed whole, whatever size the archive says.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnusableImageError("unreadable", f"compression method {info.compress_type}")
    try:
        with archive.open(info) as file:
            data = file.read(info.file_size)  # without a number it is no bound
    # zipfile reports broken members through any of these.
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        ValueError,
    ) as error:
        raise UnusableImageError("unreadable", str(error) or "its bytes end early") from None
    if len(data) < info.file_size:
        raise UnusableImageError("unreadable", f"{len(data)} of {info.file_size} bytes")
    return data


def decode(data: bytes) -> Image.Image:
    """Decode the bytes of an image file to RGB, upright as its EXIF orientation says.

    What is transparent is shown on white, and of 16 bits per channel the upper eight count.
    Raises UnusableImageError with the reason why the bytes give no whole image.
    """
    if not data:
        raise UnusableImageError("empty", "0 bytes")
    if len(data) > MAX_BYTES:
        raise UnusableImageError("too_large", f"more than {MAX_BYTES:,} bytes")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise UnusableImageError("too_large", f"{image.width}x{image.height} pixels")
        if image.format in ("JPEG", "MPO") and data.count(START_OF_SCAN) > MAX_SCANS:
            raise UnusableImageError("too_large", f"more than {MAX_SCANS} scans")
        return _to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise UnusableImageError("not_an_image", "no image format recognised") from None
    except Image.DecompressionBombError as error:
        raise UnusableImageError("too_large", str(error)) from None
    except UnusableImageError:
        raise
    except MemoryError:  # says nothing about the image
        raise InputError(
            f"expected memory for pictures of up to {MAX_PIXELS:,} pixels. Received: none left."
        ) from None
    except Exception as error:  # Pillow's plugins report broken bytes through nearly any
        reason = "truncated" if "truncated" in str(error).lower() else "damaged"
        raise UnusableImageError(reason, str(error) or type(error).__name__) from None


def open_image(archive: zipfile.ZipFile, name: str) -> Image.Image:
    """The image of a member that `clean` kept, RGB. Raises InputError if it is another one now."""
    try:
        return decode(read_member(archive, name))
    except (KeyError, UnusableImageError) as error:
        raise InputError(
            f"{archive.filename}: expected {name} as it was when `clean` kept it. Received: "
            f"{error}. Run `dvc repro`."
        ) from None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise UnusableImageError("unsupported", "32 bits per channel, whose range is not known")
    if image.mode.startswith("I;16"):  # which Pillow would clip to white
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("RGB")
    return image.convert("RGB")


def resize(image: Image.Image, size: int, how: Resize) -> np.ndarray:
    """uint8 `(size, size, 3)`, antialiased bilinear.

    "crop" keeps the aspect ratio and the largest square in the middle; "stretch" keeps the whole
    image and not its aspect ratio, as the tutorials do.
    """
    square = (size, size)
    if how == "crop":
        return np.asarray(ImageOps.fit(image, square, Image.Resampling.BILINEAR))
    return np.asarray(image.resize(square, Image.Resampling.BILINEAR))


def map_in_threads(function: Callable, items: Iterable) -> Iterator:
    """`function(item)` of each item in order, computed ahead by one thread per core.

    Decoding, warping and running a network release the interpreter's lock. Memory holds only a
    few results: the threads wait when the caller does not keep up.
    """
    pending: deque = deque()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for item in items:
            pending.append(threads.submit(function, item))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
