"""Test how differences between the images of two runs are described."""

import pandas as pd

from pawprint.dataset.changes import CHANGES, Images, find_changes

# Path, label, split and pixels.
BEFORE = [
    ("cat/0.jpg", "cat", "train", "a"),
    ("cat/1.jpg", "cat", "train", "b"),
    ("cat/2.jpg", "cat", "train", "c"),
    ("dog/1.jpg", "dog", "train", "e"),
]
AFTER = [
    ("cat/1.jpg", "dog", "train", "b"),
    ("cat/renamed.jpg", "cat", "train", "c"),
    ("dog/moved.jpg", "dog", "test", "e"),
    ("cat/9.jpg", "dog", "train", "h"),
]
EXPECTED = [
    ("cat/9.jpg", "added", "dog", "", "dog"),
    ("cat/0.jpg", "removed", "cat", "cat", ""),
    ("cat/1.jpg", "relabelled", "dog", "cat", "dog"),
    ("dog/moved.jpg", "moved", "dog", "train", "test"),
]


def test_each_kind_of_change_is_a_row_and_a_renamed_file_is_none():
    before, after = (
        Images(
            pd.DataFrame(rows, columns=["path", "label", "split", "pixels_sha256"]),
            pd.DataFrame(columns=["path", "reason", "detail"]),
        )
        for rows in (BEFORE, AFTER)
    )
    rows = find_changes(before, after)[CHANGES]
    assert [*rows.itertuples(index=False, name=None)] == EXPECTED
    assert find_changes(after, after).empty
