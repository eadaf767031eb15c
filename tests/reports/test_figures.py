from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from pawprint.reports.charts import new_figure, save, shorten


def drawn(path: Path) -> bytes:
    figure, (axis, _) = new_figure(columns=2, width=6, height=4)
    axis.plot([1, 2], label="a")
    axis.legend()
    save(figure, path)
    return path.read_bytes()


def test_settings_of_the_user_do_not_change_a_picture(tmp_path):
    before = drawn(tmp_path / "a.png")
    plt.rcParams.update({"lines.linewidth": 9, "font.size": 30, "axes.facecolor": "black"})
    plt.rcParams.update({"savefig.dpi": 30, "lines.marker": "o"})
    assert drawn(tmp_path / "b.png") == before


def test_dollar_signs_are_shown_as_they_are(tmp_path):
    figure, (axis,) = new_figure()
    axis.set_title(r"$\no_command$")
    save(figure, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [("abcdef", 6, "abcdef"), ("abcdefg", 6, "ab…efg"), ("abcdefg", 5, "ab…fg")],
)
def test_long_text_loses_its_middle(text, length, expected):
    assert shorten(text, length) == expected
