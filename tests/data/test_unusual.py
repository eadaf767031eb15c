import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from pawprint.data.unusual import describe_dark, describe_unusual, find_unusual
from pawprint.given.decoding.content import measure


def pictures() -> dict[str, Image.Image]:
    """Return two hundred noise images with various grain sizes, and three of each unusual kind."""
    rng = np.random.default_rng(0)
    drawn = {}
    for number in range(200):
        cells = rng.integers(30, 220, (rng.integers(20, 60), rng.integers(20, 60)), np.uint8)
        drawn[f"{number}.jpg"] = Image.fromarray(cells).resize((320, 240), Image.Resampling.BICUBIC)
    for number in range(3):
        usual = drawn[f"{number}.jpg"]
        drawn[f"dark {number}.jpg"] = usual.point(lambda value: value // 12)
        drawn[f"bright {number}.jpg"] = usual.point(lambda value: 240 + value // 20)
        drawn[f"blurred {number}.jpg"] = usual.filter(ImageFilter.GaussianBlur(6))
        drawn[f"plain {number}.jpg"] = Image.new("L", (320, 240), 90 + number)
    return drawn


def table_of(drawn: dict[str, Image.Image]) -> pd.DataFrame:
    pixels = {path: np.asarray(picture.convert("RGB")) for path, picture in drawn.items()}
    return pd.DataFrame([{"path": path} | measure(pixels[path]) for path in pixels])


def test_dark_bright_blurred_and_plain_pictures_stand_out_and_no_others():
    found = find_unusual(table_of(pictures()))
    assert len(found) == 12 and not found["path"].str.match("[0-9]").any()
    assert found["score"].is_monotonic_decreasing
    looks = found.set_index("path")["looks"]
    assert set(looks[looks.index.str.startswith("plain")]) == {"plain"}


def test_pictures_that_are_all_alike_have_none_that_stands_out():
    same = Image.new("L", (64, 64), 200)
    found = find_unusual(table_of({f"{number}.jpg": same for number in range(9)}))
    assert found.empty and describe_unusual(found) == ""


def test_measures_are_known_for_simple_pictures():
    half = np.zeros((256, 256, 3), np.uint8)
    half[:, 128:] = 200
    expected = {"brightness": 100.0, "contrast": 100.0, "sharpness": 315.0, "entropy": 1.0}
    assert measure(half) == expected | {"perceptual_hash": "9111" + "0" * 60}


def test_set_that_is_dark_as_a_whole_is_told():
    """No image stands out, because all are compared with their median."""
    images = pd.DataFrame({"brightness": [2.0, 5.5, 90.0]})
    assert "brightness is 6 of 255" in describe_dark(images)
    assert describe_dark(images.assign(brightness=60.0)) == describe_dark(images[:0]) == ""
