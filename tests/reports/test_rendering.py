import pytest
from conftest import refused

from pawprint.reports.pages import embed, file_hashes, fill


@pytest.mark.parametrize(("name", "expected"), [("a.html", "&lt;b&gt;\n"), ("a.md", "<b>\n")])
def test_values_are_escaped_in_html_only(tmp_path, name, expected):
    (tmp_path / name).write_text("{{ text }}\n", encoding="utf-8")
    assert fill(tmp_path / name, text="<b>") == expected


def test_text_is_escaped_for_markdown(tmp_path):
    (tmp_path / "a.md").write_text("| {{ text | literal }} |", encoding="utf-8")
    shown = fill(tmp_path / "a.md", text=r"a\|<b> *c* _d_ `e` [f] & é 1.5")
    assert shown == r"| a\\\|\<b\> \*c\* \_d\_ \`e\` \[f\] \& é 1.5 |"


@pytest.mark.parametrize("read", [embed, file_hashes])
def test_missing_file_is_told_in_one_line(tmp_path, read):
    with refused("absent: expected a ", " Run `dvc repro`."):
        read(tmp_path / "absent")


def test_file_that_is_no_picture_is_told_in_one_line(tmp_path):
    (tmp_path / "a.png").write_text("text")
    with refused("a.png: expected a picture"):
        embed(tmp_path / "a.png")
