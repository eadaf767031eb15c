import numpy as np
import pandas as pd
from conftest import PROJECT, succeed
from PIL import Image

from pawprint.reports.charts import draw_confusion
from pawprint.reports.drawing import save
from pawprint.tables import PROBABILITIES

DRAW = """
import sys
from pathlib import Path
from pawprint.reports.charts import (plt)
from pawprint.reports.drawing import (render, save)

figure, axis = plt.subplots()
axis.plot([1, 2], label="a")
axis.legend()
save(render(figure), Path(sys.argv[1]))
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


def test_photos_are_jpeg_and_charts_are_png_with_the_same_bytes_each_time(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for name, kind in (("errors.jpg", "JPEG"), ("roc.png", "PNG")):
        written = set()
        for _ in range(2):
            save(Image.fromarray(noise), tmp_path / name)
            written.add((tmp_path / name).read_bytes())
        assert len(written) == 1
        with Image.open(tmp_path / name) as picture:
            assert picture.format == kind


def test_classes_that_are_not_drawn_are_mentioned_with_their_confusions():
    labels = [f"c{number:03}" for number in range(101)]
    rows = [(f"{label}.jpg", label, labels[-1], label) for label in labels]
    probabilities = {f"probability_{label}": 0.0 for label in labels}
    figure = draw_confusion(pd.DataFrame(rows, columns=PROBABILITIES).assign(**probabilities))
    assert "100 of 101" in figure.get_suptitle() and "other classes" in figure.get_suptitle()


def test_class_without_test_images_has_no_fractions():
    rows = [
        ("a.jpg", "cat", "cat", "0", 0.6, 0.1, 0.3),
        ("b.jpg", "dog", "cat", "1", 0.5, 0.2, 0.3),
    ]
    names = [*PROBABILITIES, "probability_cat", "probability_cow", "probability_dog"]
    figure = draw_confusion(pd.DataFrame(rows, columns=names))
    texts = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert texts[0, 0] == "1\n100.0%"
    assert {row for _, row in texts} == {0, 2}
