"""The formats that are read, and their rules: values above 8 bits, profiles, alpha.

X-ray machines, microscopes and satellites write values above 8 bits, and some programs write an
alpha of 0 for every pixel. Files without an ICC profile are taken to be sRGB.
"""

import functools
import io
import math
import struct
import sys
from itertools import product
from typing import cast

import numpy as np
import pi_heif
from PIL import Image, ImageCms, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

# Pillow tries these in order. It reads more, some of which run other programs (EPS: Ghostscript),
# can contain an image of a different size than they declare (ICO), or have no size limit (FITS).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "HEIF", "PPM")
# Many phones save photos as HEIC. One thread is enough, because images are decoded in parallel.
pi_heif.register_heif_opener(
    decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
)
Image.init()  # otherwise Pillow loads only five common formats at the first `open`
MAX_PROFILE = 4 * 2**20  # in bytes; printing profiles take about half a megabyte
# Slide scanners write profiles and texts of more than Pillow's megabyte.
PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, MAX_PROFILE)


def open_image(data: bytes) -> ImageFile.ImageFile:
    """Open an image like `Image.open`, but without its limit of pixels, which a program may change.

    Raises UnidentifiedImageError, with Pillow's message about the format detected from the first
    bytes.
    """
    problem = ""
    for form in FORMATS:
        factory, accept = Image.OPEN[form]
        if accept is None or accept(data[:16]) is True:
            try:
                return factory(io.BytesIO(data), "")
            except (SyntaxError, IndexError, TypeError, struct.error) as error:
                problem = f"{form}: {error}"
    raise UnidentifiedImageError(problem)


PNG_DEPTH = 24  # the offset of the bit depth


def scale_transparency(image: Image.Image, data: bytes, bits: int | None) -> None:
    """Convert the transparent value of an opened PNG to 8 bits, as is done with its pixels.

    Pillow leaves this value as it is in the file, where it matches no pixel or the wrong ones.
    """
    transparent = image.info.get("transparency")
    depth = data[PNG_DEPTH]
    if isinstance(transparent, tuple) and depth == 16:
        values = np.array([transparent])
        eight = values >> 8 if bits is None else _scaled(values, 2**bits - 1)
        image.info["transparency"] = tuple(eight[0].tolist())
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
# Beginnings of Pillow's names for 16-bit colours. The names end in the byte order: little, big or
# native. Pillow keeps the upper byte, or the lower byte if it is told the other order.
DEEP_COLOURS = ("RGB;16", "RGBA;16", "RGBX;16", "CMYK;16")
OTHER_ORDER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


def _scaled(values: np.ndarray, top: int) -> np.ndarray:
    """Return 16-bit values, `(height, …)`, in 8 bits, so that `top` and larger ones become 255."""
    table = ((np.arange(2**16).clip(max=top) * 255 + top // 2) // top).astype(np.uint8)
    scaled = np.empty(values.shape, np.uint8)
    for number, row in enumerate(values):  # looking up all at once would take 8 bytes per value
        scaled[number] = table[row]
    return scaled


def is_deep_grey(image: Image.Image) -> bool:
    """Return whether an opened image is grey with more than 8 bits."""
    return image.mode.startswith("I;16") or (image.format == "PPM" and image.mode == "I")


def scale_grey(image: ImageFile.ImageFile, bits: int | None) -> tuple[Image.Image, tuple[int, int]]:
    """Convert a grey image to upright RGB and return it with its used and available bits.

    The value `2**bits - 1` and all larger values become 255. If `bits` is None, the largest value
    that the file format allows becomes 255. A transparent value becomes white.
    """
    tags = getattr(image, "tag_v2", {})
    is_inverted = tags.get(WHITE_IS_ZERO[0]) == WHITE_IS_ZERO[1]
    largest = 2 ** tags.get(BITS_PER_SAMPLE, (16,))[0] - 1
    codec = image.tile[0]
    values: np.ndarray = np.asarray(ImageOps.exif_transpose(image))
    if image.format == "PPM" and codec.codec_name != "raw":  # Pillow has stretched the values
        _, largest = cast("tuple[str, int]", codec.args)
        values = (values.astype(np.int64) * largest + 32767) // 65535
    scaled = _scaled(values, largest if bits is None else 2**bits - 1)
    scaled = 255 - scaled if is_inverted else scaled
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        scaled[values == transparent] = 255
    rgb = Image.fromarray(scaled).convert("RGB")
    return rgb, (int(values.max()).bit_length(), largest.bit_length())


def scale_colours(image: ImageFile.ImageFile, data: bytes, bits: int | None) -> tuple[int, int]:
    """Scale 16-bit colours like grey values, in place. Return the used and available bits.

    If `bits` is None, the upper eight bits stay, as those of alpha always do.
    """
    values, largest = _colours(image, data)
    if values is None:
        return 8, 8
    colours = values[..., : 4 if image.mode == "CMYK" else 3]
    if bits is not None:
        pixels = np.array(image)
        pixels[..., : colours.shape[-1]] = _scaled(colours, 2**bits - 1)
        image.frombytes(pixels.tobytes())
    return int(colours.max()).bit_length(), largest.bit_length()


def _colours(image: ImageFile.ImageFile, data: bytes) -> tuple[np.ndarray | None, int]:
    """Return 16-bit values, `(height, width, channels)`, and the largest possible one.

    There are none in images with 8 bits per channel.
    """
    if not image.tile:
        return None, 255
    codec, _, start, arguments = image.tile[0]
    name, *others = (arguments,) if isinstance(arguments, str) else arguments or ("",)
    if codec == "ppm" and image.mode == "RGB" and others[0] > 255:
        shape = (image.height, image.width, 3)
        return np.frombuffer(data, ">u2", math.prod(shape), start).reshape(shape), others[0]
    if not str(name).startswith(DEEP_COLOURS):
        return None, 255
    lower = open_image(data)
    swapped = (name[:-1] + OTHER_ORDER[name[-1]], *others)
    lower.tile = [tile._replace(args=swapped) for tile in lower.tile]
    values = np.asarray(image).astype(np.uint16)
    values <<= 8
    values |= np.asarray(lower)
    return values, 2**16 - 1


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
