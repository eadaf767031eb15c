import re

import pandas as pd
import pytest
from made_up_run import split_of

from pawprint.dataset.cleaning import describe_imbalance
from pawprint.dataset.splitting import divided_groups
from pawprint.reports.results import count_images, describe_near_duplicates


def test_images_are_counted_per_class_and_split():
    counts = count_images(split_of({"bee": 10, "ant": 50}).iloc[1:])
    assert counts.loc["ant"].to_dict() == {"train": 50, "validation": 50, "test": 50, "images": 150}
    assert counts.loc["bee"].tolist() == [9, 10, 10, 29]


def test_split_without_images_has_a_column_of_zeros():
    counts = count_images(split_of({"ant": 2, "bee": 1}).query("split != 'test'"))
    assert counts["test"].tolist() == [0, 0]


@pytest.mark.parametrize(("dogs", "weight"), [(26, "balanced"), (30, "balanced"), (31, "auto")])
def test_imbalance_above_1_to_5_is_described_with_the_weight_for_it(dogs, weight):
    labels = ["cat"] * 5 + ["bird"] * 10
    assert describe_imbalance(pd.DataFrame({"label": [*labels, *["dog"] * 25]})) == ""
    text = describe_imbalance(pd.DataFrame({"label": [*labels, *["dog"] * dogs]}))
    assert text.startswith(f"{dogs} images of dog, 5 of cat;") and f"class_weight: {weight}" in text


def test_groups_in_two_splits_are_counted():
    splits = ["train", "train", "train", "test", "validation", "test", "test"]
    moved = [True, True, False, False, True, False, False]
    table = pd.DataFrame({"group": list("aabbccc"), "split": splits, "moved": moved})
    assert divided_groups(table) == 2
    assert divided_groups(table.head(0)) == 0
    numbers = re.findall(r"\d+", describe_near_duplicates(table))
    assert numbers == ["7", "3", "2", "3"]  # images, groups, divided, moved
    assert "never divided" in describe_near_duplicates(table.head(2))
