"""Test that rows that are copied from the report into labels.csv correct labels."""

from pathlib import Path

import pandas as pd
import pytest

from pawprint.base.columns import LABELS_TO_REVIEW
from pawprint.base.labels import ONE_CLASS, SEVERAL_LABELS, LabelKind
from pawprint.given.user_tables import read_corrections
from pawprint.report.corrections import rows_to_copy
from pawprint.scores.results import Results

EMPTY = Results(*[None] * len(Results._fields))
HEADER = "path,label,pixels_sha256,how"


def run_of(rows: list[tuple], kind: LabelKind = ONE_CLASS) -> Results:
    """Return a run with labels to review: path, label, likely, probability and contradicts."""
    table = pd.DataFrame(rows, columns=["path", "label", "likely", "probability", "contradicts"])
    pixels = [f"{hash_of(path):064x}" for path in table["path"]]
    table = table.assign(split="train", pixels_sha256=pixels)[list(LABELS_TO_REVIEW)]
    images = table.drop_duplicates("path")[["path", "label"]]
    predictions = images.assign(confidence=0.6)
    return EMPTY._replace(
        to_review=table,
        images=images,
        predictions={"train": predictions},
        label_kind=kind,
    )


def hash_of(path: str) -> int:
    return int.from_bytes(path.encode()) % 16**64


RUN = run_of([("b/ö, 1.jpg", "b", "a", 0.01, ""), ("a/2.jpg", "a", "b", 0.02, "")])


@pytest.mark.parametrize(
    "content", [f"{HEADER}\n", HEADER, f"{HEADER}\r\nc.jpg,a,,\r\n", f"{HEADER}\nc.jpg,a,,"]
)
@pytest.mark.parametrize("separator", [*",;\t"])
def test_copied_rows_have_the_columns_of_the_file_and_correct_it(tmp_path, content, separator):
    content = content.replace(",", separator)
    rows, known = rows_to_copy(content.encode(), RUN, ["a/2.jpg", "b/ö, 1.jpg"])
    path = tmp_path / "labels.csv"
    path.write_bytes((content + rows).encode())
    found = {each.path: each for each in read_corrections(path)}
    assert [*found][-2:] == ["a/2.jpg", "b/ö, 1.jpg"] and not known
    assert (found["a/2.jpg"].label, found["b/ö, 1.jpg"].label) == ("b", "a")
    assert found["a/2.jpg"].pixels_sha256 == f"{hash_of('a/2.jpg'):064x}"


def test_columns_may_be_fewer_and_in_another_order():
    rows, _ = rows_to_copy(b"note,label,path\n", RUN, ["a/2.jpg"])
    assert rows == ",b,a/2.jpg\n"


def test_photo_with_a_row_is_named_because_a_second_row_would_be_an_error(tmp_path):
    """A row without pixels is about another key, and the copied one takes precedence."""
    pixels = f"{hash_of('a/2.jpg'):064x}"
    content = f"{HEADER}\na/2.jpg,a,{pixels},page\n"
    rows, known = rows_to_copy(content.encode(), RUN, ["a/2.jpg", "b/ö, 1.jpg"])
    assert known == ["a/2.jpg"] and rows.startswith('"b/ö, 1.jpg",a,')
    content = f"{HEADER}\na/2.jpg,a,{'0' * 64},\n"  # of a photo that was there
    rows, known = rows_to_copy(content.encode(), RUN, ["a/2.jpg"])
    path = tmp_path / "labels.csv"
    path.write_text(content + rows)
    assert not known and [each.label for each in read_corrections(path)] == ["a", "b"]


def paths_in(rows: str) -> list[str]:
    return [row.split(",")[0] for row in rows.splitlines()]


def test_only_photos_that_are_shown_have_rows_and_in_their_order():
    rows, _ = rows_to_copy(f"{HEADER}\n".encode(), RUN, ["a/2.jpg", "other.jpg"])
    assert paths_in(rows) == ["a/2.jpg"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("x", "a", "b", 0.2, "y"), ("y", "b", "a", 0.3, "x")], ["x"]),
        ([("x", "a", "b", 0.2, "y"), ("y", "b", "a", 0.9, "x")], ["x"]),
        ([("x", "a", "b", 0.7, "y"), ("y", "b", "a", 0.9, "x")], []),
        ([("x", "a", "c", 0.2, "y"), ("y", "b", "c", 0.3, "x")], []),  # neither one's label
        ([("x", "a", "b", 0.45, "y"), ("y", "b", "a", 0.9, "x")], ["x"]),
    ],
)
def test_one_of_two_near_duplicates_is_corrected_if_its_label_is_less_probable(rows, expected):
    run = run_of(rows)
    copied, _ = rows_to_copy(f"{HEADER}\n".encode(), run, ["x", "y"])
    assert paths_in(copied) == expected


def test_label_that_is_more_probable_than_any_other_is_not_corrected():
    """It has less than half, and all others have less: confidence is the highest probability."""
    run = run_of([("x", "a", "b", 0.4, "y"), ("y", "b", "a", 0.9, "x")])
    images = run.predictions["train"].assign(confidence=0.4)
    copied, _ = rows_to_copy(
        f"{HEADER}\n".encode(), run._replace(predictions={"train": images}), "xy"
    )
    assert copied == ""


def test_row_of_a_photo_with_several_labels_has_the_whole_cell(tmp_path: Path):
    rows = [
        ("x", "sea|trees", "remove sea", 0.01, ""),
        ("x", "sea|trees", "add sand", 0.02, ""),
        ("y", "sea", "remove sea", 0.03, ""),
        ("z", "sea", "remove sea", 0.8, ""),
    ]
    run = run_of(rows, SEVERAL_LABELS)
    review = run.to_review.assign(cell=["sand|trees", "sand|trees", "none", "sea"])
    run = run._replace(to_review=review)
    copied, _ = rows_to_copy(f"{HEADER}\n".encode(), run, "xyz")
    assert [row.split(",")[:2] for row in copied.splitlines()] == [
        ["x", "sand|trees"],
        ["y", "none"],
    ]
