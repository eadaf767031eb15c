"""Test that tables are read as spreadsheets and Macs write them, or that a line says what to do."""

import contextlib
from pathlib import Path
from unicodedata import normalize

import pytest
from conftest import refused

from pawprint.app.labelling import read_rows, write_rows
from pawprint.base.labels import SEVERAL_LABELS
from pawprint.given.user_tables import (
    Correction,
    csv_rows,
    name_likely,
    read_corrections,
)

EXPECTED = [{"path": "cat/1.jpg", "label": "dög"}, {"path": "cat/2.jpg", "label": "cat"}]
PLAIN = "path,label\ncat/1.jpg,dög\ncat/2.jpg,cat\n"
READ = {
    "empty rows and columns": "path,label,,\r\n,,,\r\ncat/1.jpg,dög,,\r\ncat/2.jpg,cat,,\r\n,,,",
    "blank lines": "\n\npath,label\n\ncat/1.jpg,dög\n   \ncat/2.jpg,cat\n\n\n",
    "ends of lines of old Macs": PLAIN.replace("\n", "\r"),
    "quotes": '"path","label"\n"cat/1.jpg","dög"\n"cat/2.jpg","cat"\n',
    "spaces": " Path , LABEL \ncat/1.jpg, dög\ncat/2.jpg,cat \n",
    "semicolons": PLAIN.replace(",", ";"),
    "line with the separator": "sep=;\r\n" + PLAIN.replace(",", ";"),
    "no end of the last line": PLAIN.rstrip(),
}


@pytest.mark.parametrize("name", READ)
def test_table_of_a_spreadsheet_is_read(name):
    rows = [row for _, row in csv_rows(READ[name].encode(), "t.csv", ("path", "label"))]
    assert rows == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", [PLAIN, PLAIN.replace(",", "\t").replace("\n", "\r\n")])
def test_byte_order_mark_decides_the_encoding(encoding, text):
    content = text.encode(encoding)
    assert [row for _, row in csv_rows(content, "t.csv", ("path", "label"))] == EXPECTED


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (PLAIN.encode("cp1252"), ("t.csv: line 2: ", "UTF-8", "Excel", "iconv -f cp1252")),
        (PLAIN.encode("utf-16-le"), ("t.csv: ", "UTF-8", "Excel")),
        (b"path,label\ncat/1,2.jpg,dog\n", ("line 2: expected path,label", "quotes", "1,2.jpg")),
        (b"path,label,how\n1.jpg;dog;\n", ("separated by ','", "Received: '1.jpg;dog;'")),
        (
            b"path,label,label\ncat/1.jpg,a,b\n",
            ("line 1: expected each column once", "label twice"),
        ),
        (b"", ("line 1: expected the columns path,label",)),
        (b'path,label\n\n"1.jpg,cat\n2.jpg,dog\n', ("line 3: expected quotation marks",)),
    ],
)
def test_what_cannot_be_read_without_a_guess_is_one_line_that_says_what_to_do(content, parts):
    with refused(*parts):
        csv_rows(content, "t.csv", ("path", "label"))


def corrections(folder: Path, path: str, members: set[str]) -> list[Correction]:
    (folder / "labels.csv").write_text(f"path,label\n{path},dog\n", encoding="utf-8")
    return read_corrections(folder / "labels.csv", members, ["cat", "dog"])


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_label_of_a_photo_in_other_unicode_is_applied(tmp_path, forms):
    written, member = (normalize(form, "käse/ü3.jpg") for form in forms)
    assert corrections(tmp_path, written, {member}) == [Correction(member, "dog", line=2)]
    assert corrections(tmp_path, f" {written} ", {member}) == [Correction(member, "dog", line=2)]


def test_photos_whose_names_differ_in_unicode_alone_are_two(tmp_path):
    both = {normalize(form, "ü.jpg") for form in ("NFC", "NFD")}
    for name in both:
        assert corrections(tmp_path, name, both) == [Correction(name, "dog", line=2)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_app_writes_a_label_into_a_table_of_a_spreadsheet_and_keeps_its_cells(tmp_path, encoding):
    table = tmp_path / "labels.csv"
    text = "sep=;\r\n;Path;label;;\r\n0;1.jpg;cät;;seen by Ann\r\n;;;;\r\n1;2.jpg;dog\r\n"
    table.write_bytes(text.encode(encoding))
    cells = {"path": "2.jpg", "label": "cät"}
    take_back = write_rows(table, {"2.jpg": cells})
    assert [row["label"] for row in read_rows(table)] == ["cät", "cät"]
    written = table.read_text(encoding="utf-8-sig")
    assert "0;1.jpg;cät;;seen by Ann" in written.splitlines()
    take_back()
    assert [row["label"] for row in read_rows(table)] == ["cät", "dog"]


MEMBERS = {"cats/1.jpg", "dogs/4.jpg"}
LABELS = ["cat", "dog"]
PIXELS, OTHER = 64 * "a", 64 * "b"


def test_row_with_pixels_needs_no_file_of_its_path(tmp_path):
    labels = tmp_path / "labels.csv"
    rows = [f"old.jpg,dog,{PIXELS}\n", f"old.jpg,cat,{OTHER}\n", "dogs/4.jpg,none,\n"]
    labels.write_text("".join(["path,label,pixels_sha256\n", *rows]), encoding="utf-8")
    expected = [("old.jpg", "dog", PIXELS), ("old.jpg", "cat", OTHER), ("dogs/4.jpg", "none", "")]
    found = read_corrections(labels, MEMBERS, LABELS)
    assert [row[:3] for row in found] == expected
    assert [row.line for row in found] == [2, 3, 4]


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("dog|cat", "cat|dog"),
        ("none", "none"),
        ("dog|ant", None),
        ("dog,cat", None),
        ("none|cat", None),
        ("", None),
        ("dog|cat?", "cat?|dog"),
        ("not dog", "not dog"),
        ("bird?", None),
    ],
)
def test_cell_joins_known_labels(tmp_path, cell, label):
    table = tmp_path / "labels.csv"
    table.write_text(f"path;label\ncats/1.jpg;{cell}\n", encoding="utf-8")
    problem = refused("line 2: expected the label", "joined by |", f"Received: {cell!r}")
    with problem if label is None else contextlib.nullcontext():
        (correction,) = read_corrections(table, MEMBERS, LABELS, kind=SEVERAL_LABELS)
        assert correction == Correction("cats/1.jpg", label, line=2)


def test_cell_that_says_two_things_of_a_label_is_refused(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("path,label\ncats/1.jpg,cat|cat?\n", encoding="utf-8")
    with refused("line 2: expected cat once", "'cat|cat?'"):
        read_corrections(table, MEMBERS, LABELS, kind=SEVERAL_LABELS)


def test_cell_in_a_project_of_classes_points_to_the_param(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("path,label\ncats/1.jpg,cat|dog\n", encoding="utf-8")
    with refused("line 2: expected the label", "see clean.several_labels"):
        read_corrections(table, MEMBERS, LABELS)


@pytest.mark.parametrize("path", ["CATS\\1.jpeg", "C:/photos/cats/1.jpg", "1.jpg", "birds/1.jpg"])
def test_only_a_close_name_is_suggested(path):
    likely = "" if path.startswith("birds") else "Did you mean 'cats/1.jpg'?"
    assert name_likely(path, [*MEMBERS]) == likely


@pytest.mark.parametrize("name", ["", "<b>", "Unknown"])
def test_a_line_without_a_possible_name_is_named_before_the_classes_are_known(tmp_path, name):
    table = tmp_path / "labels.csv"
    table.write_text(f"path,label\ncats/1.jpg,{name}\n", encoding="utf-8")
    with refused("labels.csv: line 2", f"Received: {name!r}"):
        read_corrections(table, MEMBERS, kind=SEVERAL_LABELS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\ncats/9.jpg,dog\n", "line 2: expected a path to a file …'cats/9.jpg'"),
        ("path,label\n8.jpg,dog\n9.jpg,dog\n", "line 2: …'8.jpg', '9.jpg' (2 lines)"),
        ("path,label\ncats/1.jpg,cat\ncats/1.jpg,dog\n", "line 3: expected each image once"),
        ("path,label,pixels_sha256\ncats/1.jpg,dog,a1\n", "line 2: expected a pixels_sha256…'a1'"),
        ("path,label,how\ncats/1.jpg,dog,pgae\n", "line 2: expected page in the column how…'pgae'"),
    ],
)
def test_correction_that_cannot_be_applied_names_its_line(tmp_path, text, message):
    labels = tmp_path / "labels.csv"
    labels.write_text(text, encoding="utf-8")
    with refused(*message.split("…")):
        read_corrections(labels, MEMBERS, LABELS)
