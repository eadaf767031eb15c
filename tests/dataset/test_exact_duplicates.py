import pandas as pd
import pytest

from pawprint.dataset.cleaning import without_duplicates


@pytest.mark.parametrize("labels", [["", "cat"], ["", "cat", "dog"], ["", ""]])
def test_copy_without_a_label_is_a_duplicate_and_contradicts_none(labels):
    columns = {"path": ["a.jpg", "bb.jpg", "ccc.jpg"][: len(labels)], "label": labels}
    images = pd.DataFrame(columns).assign(archive_split="", pixels_sha256="0")
    kept, rejected = without_duplicates(images)
    if "dog" in labels:
        assert kept.empty and set(rejected["reason"]) == {"contradictory"}
    else:
        assert kept["label"].tolist() == [max(labels)]
        assert rejected["reason"].tolist() == ["duplicate"]
