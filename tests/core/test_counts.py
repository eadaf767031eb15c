import pandas as pd
import pytest

from pawprint.core.counts import describe_imbalance, divided_groups


@pytest.mark.parametrize(("dogs", "expected"), [(25, ""), (26, "26 images of dog, 5 of cat")])
def test_imbalance_above_1_to_5_is_described(dogs, expected):
    images = pd.DataFrame({"label": ["cat"] * 5 + ["bird"] * 10 + ["dog"] * dogs})
    assert describe_imbalance(images) == expected


def test_groups_in_two_splits_are_counted():
    splits = ["train", "train", "train", "test", "validation", "test", "test"]
    table = pd.DataFrame({"group": list("aabbccc"), "split": splits})
    assert divided_groups(table) == 2
    assert divided_groups(table.head(0)) == 0
