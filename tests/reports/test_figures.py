from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from conftest import PROJECT, succeed

from pawprint.reports.charts import save, shorten

DRAW = """
import sys
from pathlib import Path
from pawprint.reports.charts import plt, save

figure, axis = plt.subplots()
axis.plot([1, 2], label="a")
axis.legend()
save(figure, Path(sys.argv[1]))
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


def test_dollar_signs_are_shown_as_they_are(tmp_path: Path):
    figure, axis = plt.subplots()
    axis.set_title(r"$\no_command$")
    save(figure, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [("abcdef", 6, "abcdef"), ("abcdefg", 6, "ab…efg"), ("abcdefg", 5, "ab…fg")],
)
def test_long_text_loses_its_middle(text, length, expected):
    assert shorten(text, length) == expected
