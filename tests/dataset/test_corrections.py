import pytest

from pawprint.core.errors import InputError
from pawprint.dataset.corrections import read_corrections

MEMBERS = {"cats/1.jpg", "dogs/4.jpg"}
LABELS = ["cat", "dog"]


def test_corrections_are_read_as_spreadsheets_write_them(tmp_path):
    labels = tmp_path / "labels.csv"
    # With a byte order mark before the first line.
    labels.write_text("path,label\ncats/1.jpg,dog\ndogs/4.jpg,none\n", encoding="utf-8-sig")
    expected = {"cats/1.jpg": "dog", "dogs/4.jpg": "none"}
    assert read_corrections(labels, MEMBERS, LABELS) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\ncats/9.jpg,dog\n", r"line 2: expected the path of a file .*'cats/9\.jpg'"),
        ("path,label\ncats/1.jpg,cow\n", "line 2: expected the label cat, dog or none.*'cow'"),
        ("path,label\ncats/1.jpg,cat\ncats/1.jpg,dog\n", "line 3: expected each path once"),
        ("path,label\ncats/1.jpg\n", "line 2: expected path,label"),
        ("path;label\n", "line 1: expected path,label. Received: 'path;label'"),
        (None, "expected a table that begins with the line path,label"),
    ],
)
def test_correction_that_cannot_be_applied_names_its_line(tmp_path, text, message):
    labels = tmp_path / "labels.csv"
    if text is not None:
        labels.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as raised:
        read_corrections(labels, MEMBERS, LABELS)
    assert "\n" not in str(raised.value)
