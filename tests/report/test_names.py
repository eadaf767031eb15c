"""Test class names as people write them, in charts."""

from pathlib import Path

import matplotlib
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure

from pawprint.report import pictures


def write_font(path: Path, family: str, characters: str) -> str:
    """Write a font in which these characters have an empty glyph."""
    names = [".notdef", *(f"uni{ord(each):X}" for each in characters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(each): name for each, name in zip(characters, names[1:])})
    builder.setupGlyf(dict.fromkeys(names, TTGlyphPen(None).glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200)
    builder.setupPost()
    builder.save(path)
    return str(path)


@pytest.fixture
def fonts(tmp_path, monkeypatch) -> list[str]:
    """Return the paths of the computer's fonts, which are none at first."""
    paths = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: list(paths))
    monkeypatch.setattr(pictures, "_looked_for", set())
    with matplotlib.rc_context():
        yield paths


def draw(labels: list[str]) -> list[str]:
    """Draw names of classes and return the font families of their text."""
    pictures.use_fonts(labels)
    figure = Figure()
    (*_, last) = (figure.text(0.5, 0.5, label) for label in labels)
    pictures.render(figure)
    return last.get_fontfamily()


@pytest.mark.filterwarnings("error:Glyph")
def test_names_are_drawn_in_installed_fonts(fonts, tmp_path, capsys):
    """See ultralytics/ultralytics 5803 and matplotlib/matplotlib 14269. A font may lack some."""
    fonts.append(write_font(tmp_path / "a.ttf", "Test Chinese", "猫狗"))
    fonts.append(write_font(tmp_path / "b.ttf", "Test Korean", "개猫"))
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    fonts.append(str(tmp_path / "damaged.ttf"))
    families = draw(["猫", "개 é"])
    assert families[0] == "DejaVu Sans"
    assert set(families[1:]) == {"Test Chinese", "Test Korean"}
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("error:Glyph")
@pytest.mark.parametrize(
    ("labels", "package"),
    [
        (["猫", "개"], "fonts-noto-cjk"),
        (["പൂച്ച", "cat"], "fonts-noto-core"),
        (["🐶", "cat"], "fonts-symbola"),
    ],
)
def test_names_without_a_font_are_one_line_that_says_what_to_install(
    fonts, capsys, labels, package
):
    """ultralytics/ultralytics 5803, matplotlib/matplotlib 14269, 16367."""
    for _ in range(2):
        draw(labels)
    (line,) = capsys.readouterr().err.splitlines()
    assert labels[0][0] in line
    assert package in line


def test_names_of_the_default_font_look_for_no_other(fonts, capsys, monkeypatch):
    def refuse() -> list[str]:
        raise AssertionError("other fonts are looked at")

    monkeypatch.setattr(font_manager, "findSystemFonts", refuse)
    assert draw(["cat", "hündchen кот\ufe0f"]) == ["sans-serif"]
    assert capsys.readouterr().err == ""
