import pytest
from conftest import refused

from pawprint.dataset.user_tables import Correction, read_corrections, reviewed_images

MEMBERS = {"cats/1.jpg", "dogs/4.jpg"}
LABELS = ["cat", "dog"]
PIXELS, OTHER = 64 * "a", 64 * "b"


def test_row_with_pixels_needs_no_file_of_its_path(tmp_path):
    labels = tmp_path / "labels.csv"
    rows = [f"old.jpg,dog,{PIXELS}\n", f"old.jpg,cat,{OTHER}\n", "dogs/4.jpg,none,\n"]
    labels.write_text("".join(["path,label,pixels_sha256\n", *rows]), encoding="utf-8")
    expected = [Correction("old.jpg", "dog", PIXELS), Correction("old.jpg", "cat", OTHER)]
    expected += [Correction("dogs/4.jpg", "none")]
    assert read_corrections(labels, MEMBERS, LABELS) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\ncats/9.jpg,dog\n", "line 2: expected a path to a file …'cats/9.jpg'"),
        ("path,label\ncats/1.jpg,cow\n", "line 2: expected the label cat, dog or none…'cow'"),
        ("path,label\ncats/1.jpg,cat\ncats/1.jpg,dog\n", "line 3: expected each image once"),
        ("path,label\ncats/1.jpg\n", "line 2: expected 2 cells"),
        ("path,label,pixels_sha256\ncats/1.jpg,dog,a1\n", "line 2: expected a pixels_sha256…'a1'"),
        ("path,label,how\ncats/1.jpg,dog,pgae\n", "line 2: expected page in the column how…'pgae'"),
        ("path:label\n", "line 1: expected the columns path,label…'path:label'"),
        ('path,label\n"cats', "expected a CSV"),
    ],
)
def test_correction_that_cannot_be_applied_names_its_line(tmp_path, text, message):
    labels = tmp_path / "labels.csv"
    labels.write_text(text, encoding="utf-8")
    with refused(*message.split("…")):
        read_corrections(labels, MEMBERS, LABELS)


def test_label_of_a_whole_page_is_not_reviewed_until_somebody_confirms_it(tmp_path):
    labels = tmp_path / "labels.csv"
    assert reviewed_images(labels) == set()
    pixels = [f"{number:064}" for number in range(3)]
    rows = [f"{number}.jpg,cat,{pixels[number]}" for number in range(3)]
    text = "\n".join(["path,label,pixels_sha256,how", f"{rows[0]},page", f"{rows[1]},", rows[2]])
    labels.write_text(f"{text}\ncafe\u0301.jpg,cat,,\n", encoding="utf-8")
    reviewed = reviewed_images(labels)
    assert {pixels[1], pixels[2], "caf\u00e9.jpg"} <= reviewed
    assert pixels[0] not in reviewed


@pytest.mark.parametrize("label", ["None", "NONE", "Unsure", "Unlabelled", "UNKNOWN"])
def test_reserved_label_is_refused_in_any_case_where_labels_csv_names_the_classes(tmp_path, label):
    """As in flairNLP/flair 2068, NONE means that there is no label."""
    labels = tmp_path / "labels.csv"
    labels.write_text(f"path,label\ncats/1.jpg,NA\ndogs/4.jpg,{label}\n", encoding="utf-8")
    with refused("line 3: ", repr(label)):
        read_corrections(labels, MEMBERS, None)


@pytest.mark.parametrize("label", ["none", "NA", "null", "nan"])
def test_word_that_other_programs_read_as_no_value_is_a_label(tmp_path, label):
    """As in googledatalab/pydatalab 398. The label `none` rejects the image."""
    labels = tmp_path / "labels.csv"
    labels.write_text(f"path,label\ncats/1.jpg,{label}\n", encoding="utf-8")
    assert read_corrections(labels, MEMBERS, None) == [Correction("cats/1.jpg", label)]
