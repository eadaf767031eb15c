"""Test what becomes of a file, by one table, and the rules for depth, colours and size."""

import hashlib
import io
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from conftest import encode, write_files
from faults import (
    HEIC,
    IMAGES,
    JPEG,
    KEPT,
    PHOTO,
    RGB16,
    TURNED_HEIC,
    black_png,
    mean_colour,
    profile_of_swapped_colours,
    rotated,
    tiff,
)
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin

from pawprint.given.archive import UnusableImageError
from pawprint.given.decoding import decoder
from pawprint.given.decoding.content import decode_row
from pawprint.given.decoding.decoder import decoding, pixels_sha256
from pawprint.given.reading import decode, decode_file, to_upright_rgb


@pytest.mark.parametrize("name", IMAGES)
def test_file_is_kept_with_its_mean_colour_or_has_its_reason(name):
    fault, outcome = IMAGES[name], KEPT
    try:
        image = decode(fault.made)
    except UnusableImageError as unusable:
        assert unusable.detail
        outcome = unusable.reason
    else:
        difference = np.subtract(mean_colour(image), fault.colour or mean_colour(PHOTO))
        assert np.abs(difference).max() < 3
        sha256 = hashlib.sha256(b"%dx%d:" % image.size + image.tobytes()).hexdigest()
        assert decode_row(fault.made, "decodes", None)["pixels_sha256"] == sha256
    assert outcome == fault.promise


def test_channels_of_a_tiff_that_is_not_read_are_named():
    with pytest.raises(UnusableImageError, match="8 channels with 16 bits"):
        decode(IMAGES["eight channels.tiff"].made)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("mode", "bits"), [("L", 8), ("I", 32)])
def test_tiff_of_signed_numbers_is_refused_by_name(mode, bits, big):
    data = encode(Image.new(mode, (4, 4)), "TIFF", tiffinfo={339: 2}, big_tiff=big)
    with pytest.raises(UnusableImageError, match=f"unsupported: .*{'' if big else bits}.*signed"):
        decode(data)


def grey(values: list[int], form: str, **options) -> bytes:
    """Return a row of grey pixels in a 16-bit file."""
    return encode(Image.fromarray(np.array([values], np.uint16)), form, **options)


VALUES = [0, 1000, 4095, 65535]
MAX_4095 = b"P5 3 1 4095\n" + np.array([0, 1000, 4095], ">u2").tobytes()
WHITE_IS_ZERO = {"tiffinfo": {262: 0}}


@pytest.mark.parametrize(
    ("data", "bits", "expected"),
    [
        *((grey(VALUES, form), None, [0, 4, 16, 255]) for form in ("PNG", "TIFF")),
        *((grey(VALUES, form), 12, [0, 62, 255, 255]) for form in ("PNG", "TIFF")),
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
    assert np.asarray(decode(data, bits))[0, :, 0].tolist() == expected


TWELVE = ((np.asarray(PHOTO).astype(int) * 4095 + 127) // 255).astype(np.uint16)
FOUR = np.dstack([TWELVE, TWELVE[..., 0]])


@pytest.mark.parametrize(
    "data",
    [
        cv2.imencode(".png", TWELVE[..., ::-1])[1].tobytes(),
        cv2.imencode(".tif", TWELVE[..., ::-1])[1].tobytes(),  # compressed
        tiff(TWELVE),
        tiff(FOUR),
        b"P6 96 64 65535\n" + TWELVE.astype(">u2").tobytes(),
    ],
    ids=["png", "lzw", "tiff", "four channels", "ppm"],
)
def test_colour_of_more_than_8_bits_is_scaled_by_the_same_rule(data):
    dark, scaled = decode_file(data, None), decode_file(data, 12)
    assert np.asarray(dark.image).max() <= 16
    assert np.array_equal(scaled.image, PHOTO)
    assert [each[1:3] for each in (dark, scaled)] == [(12, 16)] * 2


def test_alpha_keeps_its_upper_bits_and_full_colours_stay():
    opaque = np.dstack([TWELVE[..., ::-1], np.full_like(TWELVE[..., 0], 65535)])
    data = cv2.imencode(".png", opaque)[1].tobytes()
    assert np.array_equal(decode(data, 12), PHOTO)
    assert np.array_equal(decode(tiff(RGB16)), PHOTO)
    assert decode_file(tiff(RGB16), None).used_bits == 16


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_transparent_value_of_a_png_becomes_white_whatever_its_bits(depth):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([0, 0, 0, 80, 80, 80])
    data = encode(image, "PNG", bits=depth, transparency=1)
    assert np.asarray(decode(data))[0, :, 0].tolist() == [0, 255]


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


def test_orientation_in_a_text_of_a_png_is_honoured():
    xmp = PngImagePlugin.PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip=True)
    assert decode(encode(PHOTO, "PNG", pnginfo=xmp)).size == PHOTO.size[::-1]


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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_row_of_a_turned_jpeg_is_that_of_its_upright_picture(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(PHOTO, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    of_jpeg, of_png = (decode_row(file, "decodes", None) for file in (data, encode(upright, "PNG")))
    assert of_jpeg == of_png
    assert pixels_sha256(np.asfortranarray(upright)) == of_jpeg["pixels_sha256"]  # of any layout


@pytest.mark.parametrize("data", [JPEG, HEIC], ids=["jpeg", "heic"])
def test_decompression_bomb_is_refused_before_it_is_decoded(monkeypatch, data):
    monkeypatch.setattr(decoder, "MAX_PIXELS", 100)
    monkeypatch.setattr(decoder, "MAX_JPEG", 100)
    with pytest.raises(UnusableImageError, match="96x64"):
        decode(data)


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("value", [None, 1000])
def test_limit_of_pixels_of_a_program_stays_its_own(monkeypatch, value):
    """django-cms/django-filer 1474."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", value)
    for form in ("PNG", "JPEG", "BMP"):
        assert decode(encode(PHOTO, form)).size == PHOTO.size
    with pytest.raises(UnusableImageError, match="12000x12000"):
        decode(black_png(12_000, 12_000))
    assert value == Image.MAX_IMAGE_PIXELS


def test_heic_of_very_many_boxes_is_refused():
    with pytest.raises(UnusableImageError, match="10,000 boxes"):
        decode(HEIC + struct.pack(">I4s", 8, b"free") * 10_001)


def test_item_of_a_heic_is_read_behind_a_box_with_a_size_of_64_bits():
    flipped = TURNED_HEIC.replace(b"Exif", b"\xba\x87\x96\x99")
    end = int.from_bytes(flipped[:4])
    with pytest.raises(UnusableImageError, match="utf-8"):
        decode(flipped[:end] + struct.pack(">I4sQ", 1, b"free", 16) + flipped[end:])


@pytest.fixture(scope="module")
def of_108_megapixels() -> bytes:
    image = Image.new("L", (12_000, 9_000), 90)
    image.paste(200, (6_000, 0, 12_000, 9_000))
    return encode(image)


def test_jpeg_of_a_phone_is_decoded_in_full_for_clean(of_108_megapixels):
    """The hash is computed from all pixels. A prediction only needs the scale of its square."""
    with decoding(of_108_megapixels, None) as decoded:
        assert (decoded.image.size, decoded.scale) == ((12_000, 9_000), 1)
        assert decoder.ONE_LARGE_JPEG.locked()  # so no other thread decodes a large JPEG
        others = threading.Thread(target=decode, args=(JPEG,))
        others.start()
        others.join()  # other threads can still decode other images
    assert not decoder.ONE_LARGE_JPEG.locked()
    small = decode_file(of_108_megapixels, None, side=512)
    assert (small.image.size, small.scale) == ((1_500, 1_125), 8)


def test_jpeg_for_which_memory_lacks_has_that_reason(of_108_megapixels, tmp_path, monkeypatch):
    meminfo = write_files(tmp_path, {"meminfo": "MemAvailable:     500000 kB\n"}) / "meminfo"
    monkeypatch.setattr(decoder, "MEMORY", meminfo)
    with pytest.raises(UnusableImageError, match=r"0\.9 GB of free memory") as error:
        decode(of_108_megapixels)
    assert error.value.reason == "too_large"
    assert decode(of_108_megapixels, side=512).size == (1_500, 1_125)
    assert not decoder.ONE_LARGE_JPEG.locked()


def pages(*images: Image.Image, form: str = "TIFF", **options) -> bytes:
    return encode(images[0], form, save_all=True, append_images=images[1:], **options)


def has_more(data: bytes) -> bool:
    return decode_file(data, None).has_more


def test_files_of_several_pages_are_told_from_others():
    """alephdata/aleph 20, BodenmillerGroup/imctools 93."""
    turned = PHOTO.rotate(180)
    assert has_more(pages(PHOTO, turned, turned))
    assert has_more(pages(PHOTO.convert("I;16"), turned.convert("I;16")))
    for form in ("GIF", "PNG", "WEBP"):
        assert has_more(pages(PHOTO, turned, form=form))
        assert not has_more(encode(PHOTO, form))
    assert not has_more(encode(PHOTO, "TIFF"))
    # A smaller copy of the first page, such as a preview, does not count as another page.
    data = bytearray(pages(PHOTO, turned, tiffinfo={254: 0}))
    second = data.rindex(b"\xfe\x00\x04\x00\x01\x00\x00\x00")
    data[second + 8] = 1
    assert not has_more(bytes(data))
    assert not has_more(pages(PHOTO, turned, form="MPO"))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("time", "subsecond", "taken"),
    [
        ("2026:08:10 10:11:12", "25", "2026-08-10T10:11:12.250"),
        ("2026:08:10 10:11:12", None, "2026-08-10T10:11:12.000"),
        ("2026:08:10 10:11:12", "x", "2026-08-10T10:11:12.000"),
        ("0000:00:00 00:00:00", "25", ""),
        ("soon", None, ""),
        (None, None, ""),
    ],
)
def test_row_has_the_time_and_the_camera_of_a_photo(form, time, subsecond, taken):
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "R5\n, Mark II\0"
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    given = {ExifTags.Base.DateTimeOriginal: time, ExifTags.Base.SubsecTimeOriginal: subsecond}
    inner.update({tag: value for tag, value in given.items() if value})
    row = decode_row(encode(PHOTO, form, exif=exif.tobytes()), "decodes", None)
    assert (row["taken"], row["camera"]) == (taken, "R5, Mark II")
    damaged = decode_row(encode(PHOTO, "JPEG", exif=b"Exif\0\0nothing"), "decodes", None)
    assert (damaged["taken"], damaged["camera"]) == ("", "")


@pytest.mark.parametrize(
    "copied",
    [
        lambda image: image,
        lambda image: image.convert("RGB"),
        lambda image: image.copy(),
        lambda image: image.load() and image.copy(),
        lambda image: ImageOps.exif_transpose(image),
        lambda image: Image.fromarray(np.asarray(ImageOps.exif_transpose(image))),
    ],
    ids=["opened", "converted", "copied", "loaded", "turned", "array"],
)
def test_a_copy_of_a_turned_photo_is_read_as_its_file(copied):
    """mflux-community/mflux 495, ollama/ollama 18418."""
    image = Image.open(io.BytesIO(rotated()))
    assert np.array_equal(to_upright_rgb(copied(image)), decode(rotated()))


def test_image_of_a_program_keeps_its_profile_and_its_alpha_and_ignores_damaged_exif():
    data = encode(PHOTO, "PNG", icc_profile=profile_of_swapped_colours())
    copy = Image.open(io.BytesIO(data)).convert("RGB")
    assert np.array_equal(to_upright_rgb(copy), decode(data))
    with_exif = PHOTO.copy()
    with_exif.info["exif"] = b"Exif\0\0nothing"
    assert np.array_equal(to_upright_rgb(with_exif), PHOTO)
    for mode in ("LA", "La", "RGBA", "RGBa", "CMYK", "P"):
        assert to_upright_rgb(Image.new(mode, (2, 2))).mode == "RGB"
    for mode in ("I", "I;16", "F"):
        with pytest.raises(UnusableImageError, match="bits"):
            to_upright_rgb(Image.new(mode, (2, 2)))


def test_threads_that_share_an_opened_image_get_its_pixels():
    """As in wandb/weave 3429 and python-pillow/Pillow 4848: some threads silently got a part."""
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (600, 800, 3), np.uint8))
    content, expected = encode(picture, "PNG"), picture.tobytes()
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            shared = Image.open(io.BytesIO(content))
            images = threads.map(to_upright_rgb, [shared] * 4)
            assert all(image.tobytes() == expected for image in images)
