import hashlib

import pytest

from pawprint.reports.pages import file_hashes, fill


@pytest.mark.parametrize(("name", "expected"), [("a.html", "&lt;b&gt;\n"), ("a.md", "<b>\n")])
def test_values_are_escaped_in_html_only(tmp_path, name, expected):
    (tmp_path / name).write_text("{{ text }}\n", encoding="utf-8")
    assert fill(tmp_path / name, text="<b>") == expected


def test_text_is_escaped_for_markdown(tmp_path):
    (tmp_path / "a.md").write_text("| {{ text | literal }} |", encoding="utf-8")
    shown = fill(tmp_path / "a.md", text=r"a\|<b> *c* _d_ `e` [f] & é 1.5")
    assert shown == r"| a\\\|\<b\> \*c\* \_d\_ \`e\` \[f\] \& é 1.5 |"


def test_hashes_are_those_of_all_files_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b/2.bin", "b/1.bin", "a/1.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    b, a = (path.relative_to(tmp_path) for path in (tmp_path / "b", tmp_path / "a"))
    hashes = file_hashes(b, a)
    assert list(hashes) == ["b/1.bin", "b/2.bin", "a/1.bin"]
    assert all(hashes[name] == hashlib.sha256(name.encode()).hexdigest() for name in hashes)
