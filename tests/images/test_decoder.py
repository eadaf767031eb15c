import numpy as np
import pytest
from conftest import JPEG, encode
from faults import HEIC
from PIL import Image

from pawprint.images import decoder
from pawprint.images.decoder import decode
from pawprint.images.resizing import GREY, resize
from pawprint.images.unusable import REASONS, UnusableImageError


def gradient(width: int = 60, height: int = 40) -> Image.Image:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)
    pixels[..., 2] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_of_any_mode_becomes_rgb(mode):
    image = decode(encode(gradient().convert(mode)))
    assert (image.mode, image.size) == ("RGB", (60, 40))


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_image_is_known_by_its_bytes_and_not_by_its_name(form):
    assert decode(encode(gradient(), form)).mode == "RGB"


def test_rotated_photo_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn
    assert decode(encode(gradient(), exif=exif)).size == (40, 60)


PNG = encode(gradient(), "PNG")
UNUSABLE = {
    "no bytes": (b"", "empty"),
    "text": (b"a dog was meant to sit here", "not_an_image"),
    "JPEG without its end": (JPEG[:-200], "truncated"),
    "PNG without its end": (PNG[:60], "truncated"),
    "PNG with wrong bytes inside": (PNG[:45] + bytes(20) + PNG[65:], "damaged"),
}


@pytest.mark.parametrize(("data", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_bytes_are_rejected_with_their_reason(data, reason):
    with pytest.raises(UnusableImageError) as error:
        decode(data)
    assert error.value.reason == reason
    assert reason in REASONS
    assert error.value.detail


def test_decompression_bomb_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(decoder, "MAX_PIXELS", 100)
    with pytest.raises(UnusableImageError, match="60x40"):
        decode(encode(gradient()))


def test_heic_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(decoder, "MAX_PIXELS", 100)
    with pytest.raises(UnusableImageError, match="96x64"):
        decode(HEIC)


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (500, 3), (96, 96)])
def test_image_of_any_shape_becomes_a_square(size, how):
    pixels = resize(gradient(*size), 32, how)
    assert (pixels.shape, pixels.dtype) == ((32, 32, 3), np.uint8)


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
