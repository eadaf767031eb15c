import pytest

from pawprint.reports.pages import fill


@pytest.mark.parametrize(("name", "expected"), [("a.html", "&lt;b&gt;\n"), ("a.md", "<b>\n")])
def test_values_are_escaped_in_html_only(tmp_path, name, expected):
    (tmp_path / name).write_text("{{ text }}\n", encoding="utf-8")
    assert fill(tmp_path / name, text="<b>") == expected


def test_text_is_escaped_for_markdown(tmp_path):
    (tmp_path / "a.md").write_text("| {{ text | literal }} |", encoding="utf-8")
    shown = fill(tmp_path / "a.md", text=r"a\|<b> *c* _d_ `e` [f] & é 1.5")
    assert shown == r"| a\\\|\<b\> \*c\* \_d\_ \`e\` \[f\] \& é 1.5 |"
