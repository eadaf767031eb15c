"""Test that a program's Pillow settings and opened images do not change predictions."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import encode
from faults import HEIC, JPEG, PHOTO, black_png, flipped, part, profile_of_swapped_colours
from networks import write_colour_model
from PIL import Image, ImageFile, ImageOps

import pawprint
from pawprint.decoding.formats import strictly
from pawprint.decoding.limits import MAX_PIXELS
from pawprint.images.archive import UnusableImageError
from pawprint.images.reading import decode, to_upright_rgb


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("value", [None, 10**12, 1000, 5000])
def test_limits_hold_for_a_program_that_sets_others(monkeypatch, value):
    """django-cms/django-filer 1474."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", value)
    for form in ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF"):
        assert decode(encode(PHOTO, form)).size == PHOTO.size
    with pytest.raises(UnusableImageError, match="12000x12000") as error:
        decode(black_png(12_000, 12_000))
    assert error.value.reason == "too_large"
    assert MAX_PIXELS == 89_478_485


FORMATS = ("PNG", "BMP", "TIFF", "TGA", "GIF", "PPM", "SGI", "PCX")


@pytest.fixture
def lenient(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)


@pytest.mark.parametrize("form", FORMATS)
def test_half_an_image_is_no_photo_for_a_program_that_takes_halves(lenient, form):
    half = part(encode(PHOTO, form), 60)
    with pytest.raises(UnusableImageError) as error:
        decode(half)
    assert error.value.reason in ("truncated", "damaged")
    assert decode(encode(PHOTO, form)).size == PHOTO.size


def test_damaged_and_heic_images_stay_damaged_for_such_a_program(lenient):
    for bad in (flipped(encode(PHOTO, "PNG"), 100, 2), part(HEIC, 50), part(JPEG, 50)):
        with pytest.raises(UnusableImageError):
            decode(bad)


def test_a_program_goes_on_to_take_halves_itself(lenient):
    """This also holds in another thread while this decoder reads an image strictly."""
    half = part(encode(PHOTO, "PNG"), 60)
    with strictly():
        thread = threading.Thread(target=lambda: taken.append(Image.open(io.BytesIO(half)).copy()))
        taken: list[Image.Image] = []
        thread.start()
        thread.join()
        with pytest.raises(OSError, match="truncated"):
            Image.open(io.BytesIO(half)).load()
    taken.append(Image.open(io.BytesIO(half)).copy())
    assert [image.size for image in taken] == [PHOTO.size] * 2
    assert ImageFile.LOAD_TRUNCATED_IMAGES == True  # noqa: E712 - as a program may compare it
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(half)).load()


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    return write_colour_model(tmp_path_factory.mktemp("model") / "served")


def squares(served: Path, image: Image.Image | bytes | str) -> np.ndarray:
    """Return the pixels that the network receives for an image."""
    taken = []
    model = pawprint.load(served)
    original = model.run

    def run(pixels: np.ndarray) -> dict[str, np.ndarray]:
        taken.append(pixels)
        return original(pixels)

    replace(model, run=run).predict(image)
    return taken[0]


def turned(form: str = "JPEG") -> bytes:
    """Return PHOTO stored sideways."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(PHOTO.transpose(Image.Transpose.ROTATE_90), form, exif=exif)


def opened(form: str = "JPEG") -> Image.Image:
    return Image.open(io.BytesIO(turned(form)))


COPIES = {
    "opened": lambda image: image,
    "converted": lambda image: image.convert("RGB"),
    "copied": lambda image: image.copy(),
    "loaded and copied": lambda image: image.load() and image.copy(),
    "turned": lambda image: ImageOps.exif_transpose(image),
    "turned and converted": lambda image: ImageOps.exif_transpose(image).convert("RGB"),
    "converted and turned": lambda image: ImageOps.exif_transpose(image.convert("RGB")),
    "without EXIF": lambda image: Image.fromarray(np.asarray(ImageOps.exif_transpose(image))),
    "from decode": lambda image: decode(turned(image.format)),
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_turned_photo_is_predicted_as_its_file(served, how, form):
    """mflux-community/mflux 495, ollama/ollama 18418."""
    image = COPIES[how](opened(form))
    assert np.array_equal(squares(served, image), squares(served, turned(form)))


def test_orientation_of_damaged_exif_is_upright(served):
    image = PHOTO.copy()
    image.info["exif"] = b"Exif\0\0nothing"
    assert np.array_equal(squares(served, image), squares(served, PHOTO))


def test_a_copy_keeps_its_profile(served):
    data = encode(PHOTO, "PNG", icc_profile=profile_of_swapped_colours())
    copy = Image.open(io.BytesIO(data)).convert("RGB")
    assert np.array_equal(squares(served, copy), squares(served, data))
    assert not np.array_equal(squares(served, copy), squares(served, PHOTO))


def test_threads_that_share_an_opened_image_get_its_pixels():
    """As in wandb/weave 3429 and python-pillow/Pillow 4848: some threads silently got a part."""
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (600, 800, 3), np.uint8))
    content, expected = encode(picture, "PNG"), picture.tobytes()
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            shared = Image.open(io.BytesIO(content))
            images = threads.map(to_upright_rgb, [shared] * 4)
            assert all(image.tobytes() == expected for image in images)
