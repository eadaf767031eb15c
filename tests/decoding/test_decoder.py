import io
import struct

import numpy as np
import pytest
from conftest import encode
from faults import HEIC, JPEG, TURNED_HEIC, profile_of_swapped_colours
from PIL import Image, ImageCms

from pawprint.decoding import decoder
from pawprint.features.views import GREY, resize
from pawprint.images.archive import UnusableImageError
from pawprint.images.reading import decode, decode_file


@pytest.mark.parametrize("data", [JPEG, HEIC], ids=["jpeg", "heic"])
def test_decompression_bomb_is_refused_before_it_is_decoded(monkeypatch, data):
    monkeypatch.setattr(decoder, "MAX_PIXELS", 100)
    monkeypatch.setattr(decoder, "MAX_JPEG", 100)
    with pytest.raises(UnusableImageError, match="96x64"):
        decode(data)


def test_heic_of_very_many_boxes_is_refused():
    with pytest.raises(UnusableImageError, match="10,000 boxes"):
        decode(HEIC + struct.pack(">I4s", 8, b"free") * 10_001)


def test_item_of_a_heic_is_read_behind_a_box_with_a_size_of_64_bits():
    flipped = TURNED_HEIC.replace(b"Exif", b"\xba\x87\x96\x99")
    end = int.from_bytes(flipped[:4])
    with pytest.raises(UnusableImageError, match="utf-8"):
        decode(flipped[:end] + struct.pack(">I4sQ", 1, b"free", 16) + flipped[end:])


def test_crop_keeps_the_middle_and_stretch_and_pad_the_whole():
    thirds = Image.new("RGB", (96, 32), "red")
    thirds.paste("blue", (32, 0, 64, 32))
    assert (resize(thirds, 32, "crop") == [0, 0, 255]).all()
    stretched = resize(thirds, 32, "stretch")
    assert (stretched[:, [0, -1]] == [255, 0, 0]).all()
    assert (stretched[:, 16] == [0, 0, 255]).all()
    padded = resize(thirds, 33, "pad")
    assert (padded[:11] == GREY).all()
    assert (padded[22:] == GREY).all()
    assert (padded[11:22, [0, -1]] == [255, 0, 0]).all()
    assert (padded[11:22, 16] == [0, 0, 255]).all()


def grey(values: list[int], form: str, **options) -> bytes:
    """Return a row of grey pixels in a 16-bit file."""
    return encode(Image.fromarray(np.array([values], np.uint16)), form, **options)


def first_channel(data: bytes, bits: int | None) -> list[int]:
    return np.asarray(decode(data, bits))[0, :, 0].tolist()


VALUES = [0, 1000, 4095, 65535]
MAX_4095 = b"P5 3 1 4095\n" + np.array([0, 1000, 4095], ">u2").tobytes()
WHITE_IS_ZERO = {"tiffinfo": {262: 0}}


@pytest.mark.parametrize(
    ("data", "bits", "expected"),
    [
        *((grey(VALUES, form), None, [0, 4, 16, 255]) for form in ("PNG", "TIFF", "JPEG2000")),
        *((grey(VALUES, form), 12, [0, 62, 255, 255]) for form in ("PNG", "TIFF", "JPEG2000")),
        (encode(Image.frombytes("I;16B", (1, 1), b"\x0f\xff"), "TIFF"), 12, [255]),
        (MAX_4095, None, [0, 62, 255]),  # the file declares 12 bits
        (MAX_4095, 12, [0, 62, 255]),
        (MAX_4095, 16, [0, 4, 16]),
        (grey(VALUES, "TIFF", **WHITE_IS_ZERO), None, [255, 251, 239, 0]),
        (grey(VALUES, "TIFF", **WHITE_IS_ZERO), 12, [255, 193, 0, 0]),
        (grey(VALUES, "PNG", transparency=1000), None, [0, 255, 16, 255]),
        (encode(Image.fromarray(np.array([[0, 255]], np.uint8)), "PNG"), 12, [0, 255]),
    ],
)
def test_grey_of_more_than_8_bits_is_scaled_by_one_rule(data, bits, expected):
    assert first_channel(data, bits) == expected


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("profile", "colour"),
    [(profile_of_swapped_colours(), (0, 255, 0)), (SRGB, (255, 0, 0)), (b"damaged", (255, 0, 0))],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_of_a_profile_become_srgb(profile, colour, mode):
    red = Image.new("RGB", (8, 8), (255, 0, 0)).convert(mode)
    pixel = decode(encode(red, "PNG", icc_profile=profile)).getpixel((4, 4))
    assert np.abs(np.subtract(pixel, colour)).max() <= 2


def test_profile_for_another_kind_of_image_is_ignored():
    image = Image.new("CMYK", (8, 8), (0, 250, 250, 0))
    with_profile = decode(encode(image, icc_profile=profile_of_swapped_colours()))
    assert with_profile.tobytes() == decode(encode(image)).tobytes()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_is_decoded_as_far_as_its_square_needs(mode):
    """The result matches Pillow's at that scale, upright; other formats are decoded in full."""
    noise = np.random.default_rng(0).integers(0, 256, (250, 530, 3), np.uint8)
    image, exif = Image.fromarray(noise).convert(mode), Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn
    data = encode(image, exif=exif)
    for side, scale in ((126, 1), (125, 2), (62, 4), (31, 8), (10, 8)):
        drafted = Image.open(io.BytesIO(data))
        drafted.draft(None, (530 // scale, 250 // scale))
        expected = drafted.rotate(-90, expand=True).convert("RGB")
        decoded = decode_file(data, None, side)
        assert (decoded.scale, decoded.image.tobytes()) == (scale, expected.tobytes())
    if mode != "CMYK":
        assert decode(encode(image, "PNG"), side=10).size == image.size
