from collections import Counter

import pytest

from stages.shared.errors import InputError
from stages.shared.params import Split
from stages.split import count, split

PARAMS = Split(seed=1, validation_fraction=0.2, test_fraction=0.2)


def images(folders: dict[str, int]) -> list[dict]:
    """Rows as `clean` writes them, from {"train/cat": 3, …} or, without a split, {"/cat": 3}."""
    return [
        {
            "path": f"{folder}/{index}.jpg",
            "label": folder.split("/")[1],
            "archive_split": folder.split("/")[0],
        }
        for folder, number in folders.items()
        for index in range(number)
    ]


SPLIT_ARCHIVE = images(
    {"train/cat": 30, "train/dog": 31, "validation/cat": 10, "validation/dog": 20}
)


def test_archive_keeps_its_split_and_a_fifth_of_validation_becomes_test():
    rows = split(SPLIT_ARCHIVE, PARAMS)
    assert count(rows) == {
        "train": {"total": 61, "cat": 30, "dog": 31},
        "validation": {"total": 24, "cat": 8, "dog": 16},
        "test": {"total": 6, "cat": 2, "dog": 4},
    }
    assert all(row["path"].startswith("train") == (row["split"] == "train") for row in rows)


def test_archive_without_a_split_is_split_by_fractions():
    rows = split(images({"/cat": 50, "/dog": 100}), PARAMS)
    assert count(rows)["train"] == {"total": 90, "cat": 30, "dog": 60}
    assert count(rows)["validation"] == {"total": 30, "cat": 10, "dog": 20}
    assert count(rows)["test"] == {"total": 30, "cat": 10, "dog": 20}


def test_every_image_is_in_exactly_one_split():
    rows = split(SPLIT_ARCHIVE, PARAMS)
    assert sorted(row["path"] for row in rows) == sorted(row["path"] for row in SPLIT_ARCHIVE)


def test_seed_alone_decides_and_not_the_order_of_rows():
    again = split(SPLIT_ARCHIVE[::-1], PARAMS)
    assert again == split(SPLIT_ARCHIVE, PARAMS)
    other = split(SPLIT_ARCHIVE, PARAMS.model_copy(update={"seed": 2}))
    assert other != again
    assert Counter(row["split"] for row in other) == Counter(row["split"] for row in again)


def test_too_few_images_name_the_class_and_the_split():
    with pytest.raises(
        InputError, match=r"at least one dog for the test split\..* none of 3 images"
    ):
        split(
            images({"train/cat": 9, "train/dog": 1, "validation/cat": 9, "validation/dog": 2}),
            PARAMS,
        )


def test_archive_with_validation_and_no_train_says_so():
    with pytest.raises(InputError, match="expected a folder train beside validation"):
        split(images({"validation/cat": 3, "validation/dog": 3}), PARAMS)


def test_archive_that_is_split_in_part_only_is_refused():
    with pytest.raises(InputError, match=r"Received: /cat/0\.jpg among images that are"):
        split(images({"train/cat": 3, "/cat": 3}), PARAMS)
