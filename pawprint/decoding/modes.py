"""Recognise and name modes and formats that the decoder does not support.

Pillow opens some modes but returns pixels that differ from those in the file. The table in
docs/images.md lists them.
"""

import io
import re
import struct
from collections import Counter

from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

# What Pillow reports for files that it recognises but cannot read. The last two are internal
# errors, raised for planes of additional channels and for a PSD with an unusual bit depth.
SAYS_SO = re.compile(
    "unsupported|unimplemented|cannot handle|not yet supported|unable to determine|unknown .*mode|"
    r"TIFF, string index|PSD, \(\d+, \d+\)",
    re.IGNORECASE,
)
# Formats that the decoder does not support, with the first bytes of their files.
OTHER_FORMATS = {
    b"\xff\x0a": "JPEG XL",
    b"\xff\xd8\xff\xf7": "JPEG-LS",
    b"\xff\xd8\xff\xe8\0\x20SPIFF": "JPEG-LS",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"II\xbc": "JPEG XR",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"SIMPLE  =": "FITS",
    b"gimp xcf": "XCF",
    b"\0\0\1\0": "ICO",
    b"P7\n": "PAM",
    b"PF\n": "colour PFM",
}
DICOM = slice(128, 132)  # where the bytes "DICM" are

# The header of a PSD: https://www.adobe.com/devnet-apps/photoshop/fileformatashtml/
PSD = struct.Struct(">4s8xH8xHH")  # signature, channels, bits and mode
BITMAP = 0
MULTICHANNEL = 7
PSD_MODES = {
    BITMAP: "bitmap",
    1: "grey",
    2: "indexed",
    3: "RGB",
    4: "CMYK",
    MULTICHANNEL: "multichannel",
    8: "duotone",
    9: "Lab",
}

# Tags and their values, from TIFF 6.0. Values from 32,803 on are from its supplements.
WIDTH = 256
HEIGHT = 257
BITS_PER_SAMPLE = 258
COMPRESSION = 259
PHOTOMETRIC = 262
FILL_ORDER = 266
PLANES = 284
EXTRA_SAMPLES = 338
SAMPLE_FORMAT = 339
SUBSAMPLING = 530
UNCOMPRESSED = 1
COMPRESSED = "compressed as "
YCBCR = 6
SIGNED = 2
COLOURS = {
    0: "white is 0",
    1: "black is 0",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    YCBCR: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "colour filter array",
    32844: "LogL",
    32845: "LogLuv",
    34892: "linear raw",
}
# Compressions that tifffile writes, but Pillow cannot read, or only with some builds of libtiff.
COMPRESSIONS = {
    22610: "JPEG XR",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
FORMATS = {1: "", SIGNED: "signed ", 3: "floating-point "}
EXTRA = {0: "further channel", 1: "associated alpha", 2: "alpha"}
SUN = b"\x59\xa6\x6a\x95"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are BigTIFF


def mode_of(data: bytes) -> str:
    """Describe the mode of a TIFF, PSD or Sun raster: "TIFF, 3 x 16 bits, RGB, big-endian".

    Returns "" for other formats and for damaged headers.
    """
    if data.startswith(b"8BPS") and len(data) >= PSD.size:
        _, channels, bits, mode = PSD.unpack_from(data)
        return f"PSD, {channels} x {bits} bits, {PSD_MODES.get(mode, f'mode {mode}')}"
    if data.startswith(SUN):
        return f"Sun raster, {int.from_bytes(data[12:16])} bits"
    return _mode_of_tiff(data) if data.startswith(TIFF) else ""


def name_of_other(data: bytes) -> str:
    """Return the name of a format that the decoder does not support, or ""."""
    if data[DICOM] == b"DICM":
        return "DICOM"
    return next((name for start, name in OTHER_FORMATS.items() if data.startswith(start)), "")


def _mode_of_tiff(data: bytes) -> str:
    try:
        tags = ImageFileDirectory_v2(data[:16] if b"+" in data[:4] else data[:8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        return _describe(tags, data[:1] == b"M") if tags[WIDTH] and tags[HEIGHT] else ""
    except (SyntaxError, OSError, ValueError, KeyError, TypeError, IndexError, struct.error):
        return ""


def _describe(tags: ImageFileDirectory_v2, is_big_endian: bool) -> str:
    bits = tags.get(BITS_PER_SAMPLE, (1,))
    sizes = "/".join(str(number) for number in dict.fromkeys(bits))
    (form, *_) = tags.get(SAMPLE_FORMAT, (1,))
    words = [f"{FORMATS.get(form, f'format {form} ')}{sizes} bits"]
    if len(bits) > 1:
        words[0] = f"{len(bits)} x {words[0]}"
    colours = tags[PHOTOMETRIC]
    words.append(COLOURS.get(colours, f"photometric interpretation {colours}"))
    extra = Counter(EXTRA.get(kind, "further channel") for kind in tags.get(EXTRA_SAMPLES, ()))
    words += [name if number == 1 else f"{number} {name}s" for name, number in extra.items()]
    if colours == YCBCR:
        words.append("subsampling {} x {}".format(*_subsampling(tags)))
    words += ["planar"] if tags.get(PLANES) == 2 else []
    words += ["reversed bits"] if tags.get(FILL_ORDER) == 2 else []
    words.append("big-endian" if is_big_endian else "little-endian")
    compression = COMPRESSIONS.get(tags.get(COMPRESSION, UNCOMPRESSED))
    words += [f"{COMPRESSED}{compression}"] if compression else []
    return ", ".join(["TIFF", *words])


def _subsampling(tags: ImageFileDirectory_v2) -> tuple[int, int]:
    return tags.get(SUBSAMPLING, (2, 2))


def is_unread(image: ImageFile, data: bytes) -> bool:
    """Return whether Pillow opened an image but would return different pixels, or none at all.

    Pillow inverts a bitmap PSD, mistakes the first channel of a multichannel image for the whole
    image, and the unused byte of a Sun raster for a colour.
    """
    if isinstance(image, TiffImageFile):
        return _is_unread_tiff(image)
    if image.format == "PSD":
        _, channels, _, mode = PSD.unpack_from(data)
        return mode == BITMAP or (mode == MULTICHANNEL and channels > 1)
    return data.startswith(SUN) and int.from_bytes(data[12:16]) == 32


def _is_unread_tiff(image: TiffImageFile) -> bool:
    """Return whether Pillow would change the pixels of a TIFF.

    Pillow reads signed 8-bit values as unsigned, and colours that lack channels as complete. It
    mixes up uncompressed planes of 16 bits, and planes that belong to grey or palette images with
    alpha.
    """
    tags = image.tag_v2
    bits = tags.get(BITS_PER_SAMPLE, (1,))
    is_raw = tags.get(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
    is_planar = tags.get(PLANES) == 2 and len(bits) > 1
    if SIGNED in tags.get(SAMPLE_FORMAT, ()) and max(bits) <= 16:
        return True
    if tags.get(PHOTOMETRIC) == YCBCR and len(bits) > 1 and (is_raw or is_planar):
        is_taken_for_rgb = is_raw and image.mode == "RGB"  # Pillow before version 13
        return is_taken_for_rgb or _subsampling(tags) != (1, 1)
    has_more = len(bits) > 4 and any(tags.get(EXTRA_SAMPLES, ()))
    is_of_other_order = image.mode in ("LA", "La", "PA") or has_more or (is_raw and max(bits) > 8)
    return is_planar and is_of_other_order
