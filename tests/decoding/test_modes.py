"""Test that each mode in docs/images.md is either read correctly or rejected by name."""

import itertools
import struct
import zlib

import numpy as np
import PIL
import pytest
from conftest import encode
from PIL import Image
from tiffs import (
    CMYK,
    FLOAT,
    GREY,
    LAB,
    MASK,
    PALETTE,
    RGB,
    SIGNED,
    WHITE_IS_0,
    YCBCR,
    pack_bits,
    tiff,
)

from pawprint.decoding.modes import COMPRESSIONS
from pawprint.images.archive import UnusableImageError
from pawprint.images.reading import decode, to_upright_rgb

NUMBERS = np.random.default_rng(1)
SHAPE = (3, 17)
BYTES = NUMBERS.integers(0, 256, (*SHAPE, 6))
COLOURS = NUMBERS.integers(0, 256, (256, 3))
# Files that older versions of Pillow do not read are rejected.
PILLOW = int(PIL.__version__.partition(".")[0])
NO_SUBSAMPLING = {530: ("H", [1, 1])}
LAYOUTS = [
    {"order": order, "tile": tile, "deflate": deflate}
    for order, tile, deflate in itertools.product("<>", (0, 16), (False, True))
]
PLANAR = [layout | {"planar": True} for layout in LAYOUTS]


def samples(bits: int, channels: int = 1) -> np.ndarray:
    return NUMBERS.integers(0, 2**bits, (*SHAPE, channels))


def upper(values: np.ndarray, bits: int) -> np.ndarray:
    return values >> (bits - 8)


def on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return colours * (alpha / 255) + 255 - alpha


def of_ycc(pixels: np.ndarray) -> np.ndarray:
    """Convert YCbCr to RGB as in JFIF 1.02."""
    y, blue, red = np.moveaxis(pixels, 2, 0) - np.array([0, 128, 128])[:, None, None]
    rgb = [y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue]
    return np.clip(np.stack(rgb, 2), 0, 255)


def of_ink(pixels: np.ndarray) -> np.ndarray:
    return (255 - pixels[..., :3]) * (255 - pixels[..., 3:4]) / 255


def require(data: bytes, expected: np.ndarray) -> None:
    pixels = np.asarray(decode(data)).astype(float)
    expected = np.broadcast_to(expected, (*expected.shape[:2], 3))
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= 2


def require_refused(data: bytes, *words: str) -> None:
    with pytest.raises(UnusableImageError) as raised:
        decode(data)
    assert raised.value.reason == "unsupported"
    assert all(word in raised.value.detail for word in words), raised.value.detail


def require_since(pillow: int, data: bytes, expected: np.ndarray) -> None:
    """Expect these pixels, or a rejection if Pillow is older than this version."""
    if pillow <= PILLOW:
        require(data, expected)
    else:
        require_refused(data)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_grey_of_a_tiff(layout):
    for bits, is_inverted in itertools.product((1, 2, 4, 8, 10, 12, 14, 16), (False, True)):
        values = samples(bits)
        expected = np.rint(values * 255 / (2**bits - 1))
        expected = 255 - expected if is_inverted else expected
        data = tiff(values, WHITE_IS_0 if is_inverted else GREY, bits, **layout)
        is_little = layout["order"] == "<"
        is_read = {12: is_little and not is_inverted, 16: is_little or not is_inverted}
        if is_read.get(bits, bits <= 8):
            require(data, expected)
        else:
            require_refused(
                data,
                f"{bits} bits",
                "white is 0" if is_inverted else "black is 0",
                "little-endian" if is_little else "big-endian",
            )


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_grey_of_a_tiff_with_a_further_channel(layout):
    """As in haraldk/TwelveMonkeys 162, where associated alpha is multiplied into grey."""
    values, alpha = BYTES[..., :1], BYTES[..., 1:2]
    within = np.minimum(values, alpha)
    require_since(13, tiff(BYTES[..., :2], extra=[0], **layout), values)
    associated = tiff(np.dstack([within, alpha]), extra=[1], **layout)
    require_since(13, associated, within + 255 - alpha)
    require(tiff(BYTES[..., :2], extra=[2], **layout), on_white(values, alpha))
    for colours, extra in itertools.product((WHITE_IS_0, GREY), (0, 1, 2)):
        data = tiff(samples(16, 2), colours, 16, extra=[extra], **layout)
        require_refused(data, "2 x 16 bits")
    require_refused(tiff(BYTES[..., :2], WHITE_IS_0, extra=[1], **layout), "associated alpha")


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("bits", [8, 16])
def test_colours_of_a_tiff(layout, bits):
    for extra in ([], [0], [1], [2], [0, 0], [1, 0], [2, 0], [2, 0, 0]):
        values = samples(bits, 3 + len(extra))
        if extra[:1] == [1]:
            values[..., :3] = np.minimum(values[..., :3], values[..., 3:4])
        data = tiff(values, RGB, bits, extra=extra, **layout)
        colours, alpha = np.split(upper(values, bits)[..., :4], [3], axis=2)
        if bits == 16 and len(extra) > 1:
            require_refused(data, f"{3 + len(extra)} x 16 bits", "RGB")
        elif extra[:1] == [1]:
            require(data, colours + 255 - alpha)
        else:
            require(data, on_white(colours, alpha) if extra[:1] == [2] else colours)
    ink = samples(bits, 4)
    require(tiff(ink, CMYK, bits, **layout), of_ink(upper(ink, bits)))
    require_refused(tiff(samples(bits, 5), CMYK, bits, extra=[2], **layout), "CMYK, alpha")


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_palette_lab_and_ycbcr_of_a_tiff(layout):
    for bits in (1, 2, 4, 8):
        palette, index = COLOURS[: 2**bits], samples(bits)
        data = tiff(index, PALETTE, bits, palette=palette, **layout)
        require(data, palette[index[..., 0]])
    index, alpha = BYTES[..., 0], BYTES[..., 1:2]
    for extra, expected in ((0, COLOURS[index]), (2, on_white(COLOURS[index], alpha))):
        data = tiff(BYTES[..., :2], PALETTE, extra=[extra], palette=COLOURS, **layout)
        require_since(12 if layout["order"] == ">" and extra == 0 else 11, data, expected)
    data = tiff(BYTES[..., :2], PALETTE, extra=[1], palette=COLOURS, **layout)
    require_refused(data, "palette, associated alpha")
    data = tiff(BYTES[..., :3], YCBCR, tags=NO_SUBSAMPLING, **layout)
    require_since(11 if layout["deflate"] else 13, data, of_ycc(BYTES[..., :3]))
    grey = np.array([[[0, 0, 0], [137, 0, 0], [255, 0, 0]]])  # L*, and signed a* and b*
    require(tiff(grey, LAB, **layout), np.array([[[0], [128], [255]]]))
    red = np.array([[[138, 81, 70]]])  # in sRGB: L* 54.3, a* 80.8, b* 69.9 at D50
    assert np.abs(np.asarray(decode(tiff(red, LAB, **layout))).astype(int) - [255, 0, 0]).max() < 8


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_values_of_unknown_range_are_refused(layout):
    for kind, bits in ((SIGNED, 8), (SIGNED, 16), (FLOAT, 16), (FLOAT, 64)):
        word = "signed" if kind == SIGNED else "floating-point"
        data = tiff(samples(bits - 1 if kind == SIGNED else 8), GREY, bits, kind=kind, **layout)
        require_refused(data, f"{word} {bits} bits")
    for kind in (1, SIGNED, FLOAT):
        require_refused(tiff(samples(8), GREY, 32, kind=kind, **layout), "32 bits")
        require_refused(tiff(samples(8, 3), RGB, 32, kind=kind, **layout), "3 x", "32 bits")


def test_subsampled_colours_are_refused_where_pillow_takes_them_for_complete_ones():
    whole = tiff(BYTES[..., :3], YCBCR)  # the default subsampling is 2 x 2
    require_refused(whole, "YCbCr, subsampling 2 x 2")


@pytest.mark.parametrize("layout", PLANAR, ids=str)
def test_planes_are_read_in_their_order_or_refused(layout):
    require(tiff(BYTES[..., :3], RGB, **layout), BYTES[..., :3])
    require(tiff(BYTES[..., :4], CMYK, **layout), of_ink(BYTES[..., :4]))
    alpha = on_white(BYTES[..., :3], BYTES[..., 3:4])
    require(tiff(BYTES[..., :4], RGB, extra=[2], **layout), alpha)
    for data in (
        tiff(BYTES[..., :2], extra=[2], **layout),
        tiff(BYTES[..., :2], PALETTE, extra=[2], palette=COLOURS, **layout),
        tiff(BYTES[..., :5], RGB, extra=[2, 0], **layout),
    ):
        require_refused(data, "planar")
    values = samples(16, 3)
    if layout["deflate"]:
        require(tiff(values, RGB, 16, **layout), upper(values, 16))
    else:
        require_refused(tiff(values, RGB, 16, **layout), "3 x 16 bits, RGB, planar")
        further = tiff(BYTES[..., :4], RGB, extra=[0], **layout)
        require_refused(further, "further channel, planar")


def test_other_colours_of_a_tiff_are_refused_by_their_name():
    require_refused(tiff(samples(1), MASK, 1), "mask")
    require_refused(tiff(samples(8), 32803), "colour filter array")
    require_refused(tiff(samples(8, 3), 9), "ICCLab")
    require_refused(tiff(samples(4, 3), RGB, 4), "3 x 4 bits, RGB")
    require_refused(tiff(samples(8, 2)), "2 x 8 bits")


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(values: np.ndarray, bits: int, kind: int, transparent: bytes) -> bytes:
    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + pack_bits(row, bits) for row in values))
    chunks = [(b"IHDR", header), (b"tRNS", transparent), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_transparent_value_of_a_png_becomes_white_whatever_its_bits(bits):
    top = 2**bits - 1
    values = np.array([[[0], [top // 3], [top]]])
    data = png(values, bits, 0, struct.pack(">H", top // 3))
    require(data, np.where(values == top // 3, 255, values * 255 // top))


@pytest.mark.parametrize("bits", [8, 16])
def test_transparent_colour_of_a_png_becomes_white_whatever_its_bits(bits):
    values = samples(bits, 3)
    data = png(values, bits, 2, struct.pack(">3H", *values[0, 0]))
    expected = upper(values, bits)
    expected[0, 0] = 255
    require(data, expected)


def psd(planes: np.ndarray, bits: int, mode: int) -> bytes:
    """Return a PSD without layers for `(channels, height, width)`."""
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, *planes.shape, bits, mode)
    kind = {1: "u1", 8: "u1", 16: ">u2"}[bits]
    content = np.packbits(planes, 2) if bits == 1 else planes.astype(kind)
    return header + bytes(14) + content.tobytes()


def test_modes_of_a_psd():
    planes = np.moveaxis(BYTES, 2, 0)
    require(psd(planes[:3], 8, 3), BYTES[..., :3])
    require(psd(planes[:1], 8, 1), BYTES[..., :1])
    require(psd(255 - planes[:4], 8, 4), of_ink(BYTES[..., :4]))
    require_refused(psd(planes[:1] % 2, 1, 0), "PSD, 1 x 1 bits, bitmap")
    require_refused(psd(planes[:4], 8, 7), "PSD, 4 x 8 bits, multichannel")
    require_refused(psd(planes[:3], 16, 3), "PSD, 3 x 16 bits, RGB")


def test_sun_raster_of_32_bits_is_refused_and_of_24_read():
    """Pillow mistakes the unused byte before the colours for one of them."""
    for depth in (24, 32):
        colours = BYTES[..., 3 - depth // 8 :][..., :3] if depth == 24 else BYTES[..., :4]
        content = np.pad(colours, [(0, 0), (0, 1), (0, 0)]).astype(np.uint8).tobytes()
        size = (SHAPE[1] + 1, SHAPE[0], depth, len(content), 1, 0, 0)
        data = struct.pack(">8I", 0x59A66A95, *size) + content
        if depth == 24:
            require(data, np.pad(colours, [(0, 0), (0, 1), (0, 0)])[..., ::-1])
        else:
            require_refused(data, "Sun raster, 32 bits")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nENDHDR\n\0\0\0", "PAM"),
        (b"PF\n1 1\n-1.0\n" + bytes(12), "PFM"),
        (bytes(128) + b"DICM" + bytes(200), "DICOM"),
        (b"\xff\x0a" + bytes(200), "JPEG XL"),
        (b"\xff\xd8\xff\xe8\0\x20SPIFF" + bytes(200), "JPEG-LS"),
        (b"v/1\x01" + bytes(200), "OpenEXR"),
        (encode(Image.new("RGB", (16, 16)), "ICO"), "ICO"),
        (encode(Image.new("RGB", (8, 8)), "SGI").replace(b"\0\3\0\0", b"\0\2\0\0", 1), "SGI"),
    ],
)
def test_format_that_is_not_read_is_named(data, name):
    require_refused(data, name)


@pytest.mark.parametrize("number", COMPRESSIONS)
def test_compression_of_a_tiff_that_is_not_read_is_named(number):
    data = tiff(BYTES[..., :3], RGB, tags={259: ("H", [number])})
    require_refused(data, f"compressed as {COMPRESSIONS[number]}")


def test_twelve_bits_of_a_jpeg_are_named():
    data = bytearray(encode(Image.new("L", (8, 8))))
    data[data.index(b"\xff\xc0") + 4] = 12
    require_refused(bytes(data), "12-bit")


@pytest.mark.parametrize("mode", Image.MODES)
def test_image_of_pillow_of_each_mode_is_read_as_from_a_file_or_refused(mode):
    pixels = BYTES.astype(np.uint8)
    rgba = np.dstack([np.minimum(pixels[..., :3], pixels[..., 3:4]), pixels[..., 3:4]])
    whole = rgba[..., :3].astype(float)
    alpha = rgba[..., 3:].astype(float)
    known = {
        "L": (rgba[..., 0], whole[..., :1]),
        "LA": (rgba[..., [0, 3]], on_white(whole[..., :1], alpha)),
        "La": (rgba[..., [0, 3]], whole[..., :1] + 255 - alpha),
        "RGB": (rgba[..., :3], whole),
        "RGBX": (rgba, whole),
        "RGBA": (rgba, on_white(whole, alpha)),
        "RGBa": (rgba, whole + 255 - alpha),
        "CMYK": (rgba, of_ink(rgba.astype(float))),
        "YCbCr": (rgba[..., :3], of_ycc(whole)),
    }
    if mode in known:
        content, expected = known[mode]
        size = (SHAPE[1], SHAPE[0])
        image = Image.frombytes(mode, size, np.ascontiguousarray(content).tobytes())
        got = np.asarray(to_upright_rgb(image)).astype(float)
        assert np.abs(got - expected).max() <= 2
    elif mode[0] in "IF":
        with pytest.raises(UnusableImageError, match="bits"):
            to_upright_rgb(Image.new(mode, (2, 2)))
    else:
        assert to_upright_rgb(Image.new(mode, (2, 2))).mode == "RGB"


def test_mode_of_a_damaged_tiff_is_not_named():
    data = tiff(samples(8, 2))
    for cut in (8, 20, 150):
        with pytest.raises(UnusableImageError) as raised:
            decode(data[:cut])
        assert raised.value.reason != "unsupported"
