"""Test how differences between the images of two runs are described."""

import pandas as pd

from pawprint.report.since_commit import describe_changes, images_of

# Path, label, split and pixels.
BEFORE = [
    ("cat/0.jpg", "cat", "train", "a"),
    ("cat/1.jpg", "cat", "train", "b"),
    ("cat/2.jpg", "cat", "train", "c"),
    ("dog/0.jpg", "dog", "train", "d"),
    ("dog/1.jpg", "dog", "train", "e"),
    ("dog/2.jpg", "dog", "test", "f"),
    ("cat/3\u202e.jpg", "cat", "test", "g"),  # a character that reverses the following text
]
AFTER = [
    ("cat/1.jpg", "dog", "train", "b"),
    ("cat/renamed.jpg", "cat", "train", "c"),
    ("dog/moved.jpg", "dog", "test", "e"),
    ("cat/9.jpg", "dog", "train", "h"),
]
UNKNOWN = [("unknown/2.jpg", "unknown", "", "d")]
REJECTED = [
    ("dog/2.jpg", "truncated", "image data are missing"),
    ("cat/3\u202e.jpg", "label_none", "its label in labels.csv is none"),
    ("cat/2 (1).jpg", "duplicate", "of cat/renamed.jpg"),
]
EXPECTED = (
    "2 labels corrected (cat to dog 1, dog to unknown 1), 1 photo added (dog), 1 photo removed "
    "(cat), 3 files rejected (cat 1, dog 1, not counted before 1), 1 photo moved (train to test)"
)


def table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", "label", "split", "pixels_sha256"])


def test_each_kind_of_change_is_told_and_a_renamed_file_is_none():
    none_rejected = pd.DataFrame(columns=["path", "reason", "detail"])
    rejected = pd.DataFrame(REJECTED, columns=["path", "reason", "detail"])
    before = images_of(table(BEFORE), table([]), none_rejected)
    after = images_of(table(AFTER), table(UNKNOWN), rejected)
    assert describe_changes(before, after) == EXPECTED
    assert describe_changes(after, after) == ""
