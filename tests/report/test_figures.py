import io

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, succeed
from conftest import encode as encode_photo
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageOps

from pawprint.base.files import pack
from pawprint.given.archive import open_archive
from pawprint.given.reading import open_image
from pawprint.network.augmentation import draw_view
from pawprint.network.views import apply, resize
from pawprint.pipeline.params.data import Augment
from pawprint.report.charts import draw_augmented, draw_classes, draw_labels_to_review
from pawprint.report.pictures import CELL_WIDTH, PHOTO_SIZE, TITLE_HEIGHT, encode, samples

DRAW = """
import sys
from pathlib import Path
from matplotlib.figure import Figure
from pawprint.report.pictures import encode, render

figure = Figure()
axis = figure.subplots()
axis.plot([1, 2], label="a")
axis.legend()
Path(sys.argv[1]).write_bytes(encode(render(figure), ".png"))
"""
SETTINGS = "lines.linewidth: 9\nfont.size: 30\nsavefig.dpi: 30\nlines.marker: o\n"


def test_settings_of_the_user_do_not_change_a_picture(tmp_path):
    def drawn(name: str) -> bytes:
        command = ("python", "-c", DRAW, str(tmp_path / f"{name}.png"))
        succeed(*command, cwd=PROJECT, MATPLOTLIBRC=str(tmp_path / name))
        return (tmp_path / f"{name}.png").read_bytes()

    (tmp_path / "none").touch()
    (tmp_path / "own").write_text(SETTINGS, encoding="utf-8")
    assert drawn("own") == drawn("none")


def test_photos_are_jpeg_and_charts_are_png_with_the_same_bytes_each_time():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for suffix, kind in ((".jpg", "JPEG"), (".png", "PNG")):
        (written,) = {encode(noise, suffix) for _ in range(2)}
        assert Image.open(io.BytesIO(written)).format == kind


def test_label_without_test_images_is_said_to_have_none():
    rows = [("sea", "recall", 0.5, 2), ("sea", "precision", 1.0, 1)]
    scores = pd.DataFrame(rows, columns=["label", "score", "value", "images"])
    scores = scores.assign(split="test", low=0.1, high=0.9)
    figure = draw_classes(scores, ["rare", "sea"])
    (text,) = figure.axes[0].texts
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert (text.get_text(), names[text.get_position()[1]]) == ("no test photo", "rare")


def test_preview_shows_the_views_that_training_uses(drawn_archive):
    augment = Augment.load(path=PROJECT / "params.yaml")
    augment = augment.model_copy(update={"views": 3, "keep_original": True})
    name, sha256 = "drawn/validation/cats/cat.0001.jpg", 64 * "0"
    row = {"path": name, "label": "cat", "split": "train", "pixels_sha256": sha256}
    with open_archive(drawn_archive) as archive:
        picture = np.asarray(draw_augmented(archive, pd.DataFrame([row]), augment, 224, "crop"))
        pixels = resize(open_image(archive, name), 224, "crop")
    for view in range(3):
        expected = Image.fromarray(apply(pixels, draw_view(augment, sha256, view, 224)))
        shown = np.asarray(ImageOps.pad(expected, PHOTO_SIZE, color="#eeeeee"))
        windows = sliding_window_view(picture, shown.shape)
        corners = (windows[..., 0, 0, :] == shown[0, 0]).all(-1)
        assert any(np.array_equal(window, shown) for window in windows[corners])


@pytest.mark.parametrize(
    "other", ["b/100RECNX/IMG_0004.JPG-0.jpg", "a/100RECNX/IMG_0014.JPG-0.jpg"]
)
def test_photos_of_similar_names_have_different_captions(tmp_path, other):
    names = ["a/100RECNX/IMG_0004.JPG-0.jpg", other]
    photo = encode_photo(Image.new("RGB", (8, 8)), "JPEG")
    pack(tmp_path / "photos.tar", [(name, photo) for name in names])
    row = {"label": "fox", "likely": "hare", "probability": 0.1, "contradicts": ""}
    suspects = pd.DataFrame([row | {"path": name} for name in names])
    with open_archive(tmp_path / "photos.tar") as archive:
        picture = np.asarray(draw_labels_to_review(archive, suspects, "perhaps {}"))[TITLE_HEIGHT:]
    assert (picture[:, :CELL_WIDTH] != picture[:, CELL_WIDTH : 2 * CELL_WIDTH]).any()


def test_samples_show_every_class():
    train = pd.DataFrame({"label": ["many"] * 300 + ["rare"] + ["some"] * 40})
    assert samples(train, 18)["label"].value_counts().to_dict() == {"many": 6, "some": 6, "rare": 1}
    classes = pd.DataFrame({"label": [f"{index:02}" for index in range(50)] * 2})
    assert len(samples(classes, 18)) == samples(classes, 18)["label"].nunique() == 18
