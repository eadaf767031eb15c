"""The one decoder: what `clean` keeps is decoded by the same function wherever pixels are read.

What an image may cost is bounded, whatever an archive says: a file has at most MAX_BYTES, a
picture at most MAX_PIXELS, so decoding one takes less than 2 GB for a moment; one picture is
decoded at a time by each thread. Of an animation only the first picture is decoded.
"""

import io
import logging
import warnings
import zipfile

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pawprint.core.errors import InputError
from pawprint.images.archive import MAX_BYTES, MAX_PIXELS, read_member
from pawprint.images.unusable import UnusableImageError

# Tried in this order. Pillow knows many more: some run other programs (EPS: Ghostscript), and few
# of the others are photos.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")
SUFFIXES = {suffix for suffix, form in Image.registered_extensions().items() if form in FORMATS}
# Progressive JPEG is sent in about ten scans, and each costs time for the whole picture. Within a
# scan these bytes cannot stand.
START_OF_SCAN, MAX_SCANS = b"\xff\xda", 100

# Pillow warns and logs what it mends or leaves out; what makes an image unusable is an error.
warnings.filterwarnings("ignore", module="PIL")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


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
