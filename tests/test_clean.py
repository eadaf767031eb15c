import pytest
from conftest import JPEG
from PIL import Image

from stages.clean import clean, count
from stages.shared.archive import members, open_archive, pack
from stages.shared.errors import InputError
from stages.shared.params import Clean

CATS_AND_DOGS = Clean(labels={"cat": ["cat", "cats"], "dog": ["dog", "dogs"]})


def test_every_file_is_kept_or_rejected_with_its_reason(drawn_archive):
    kept, rejected = clean(CATS_AND_DOGS, drawn_archive)
    with open_archive(drawn_archive) as archive:
        assert sorted(row["path"] for row in kept + rejected) == members(archive)
    assert {row["path"].split("/")[-1]: row["reason"] for row in rejected} == {
        "cat.empty.jpg": "empty",
        "cat.cut.jpg": "truncated",
        "cat.page.jpg": "not_an_image",
        "dog.cut.jpg": "truncated",
        "dog.header.jpg": "not_an_image",
        "dog.text.jpg": "not_an_image",
    }
    counts = count(kept, rejected, ["cat", "dog"])
    assert counts["kept"] == {"total": 30, "cat": 15, "dog": 15}
    assert counts["rejected"] == {
        "total": 6,
        "empty": 1,
        "not_an_image": 3,
        "too_large": 0,
        "truncated": 2,
        "damaged": 0,
        "no_class": 0,
    }


def test_kept_rows_hold_label_split_and_size(drawn_archive):
    kept, _ = clean(CATS_AND_DOGS, drawn_archive)
    row = next(row for row in kept if row["path"] == "drawn/validation/dogs/dog.0001.jpg")
    with open_archive(drawn_archive) as archive, archive.open(row["path"]) as file:
        width, height = Image.open(file).size
    assert row == {
        "path": "drawn/validation/dogs/dog.0001.jpg",
        "label": "dog",
        "archive_split": "validation",
        "width": width,
        "height": height,
    }


def test_classes_and_splits_are_found_at_any_depth_and_in_any_case(tmp_path):
    names = ["PetImages/Cat/1.jpg", "a/Validation/b/DOGS/c/2.jpg", "readme.txt"]
    pack(tmp_path / "images.zip", [(name, JPEG) for name in names])
    kept, rejected = clean(CATS_AND_DOGS, tmp_path / "images.zip")
    assert [(row["label"], row["archive_split"]) for row in kept] == [
        ("cat", ""),
        ("dog", "validation"),
    ]
    assert [(row["path"], row["reason"]) for row in rejected] == [("readme.txt", "no_class")]


def test_archive_without_a_class_folder_names_what_was_expected_and_found(tmp_path):
    pack(tmp_path / "images.zip", [("pets/cats/1.jpg", JPEG)])
    message = r"folder named dog or dogs \(clean\.labels\.dog\)\. Received folders: cats, pets\."
    with pytest.raises(InputError, match=message):
        clean(CATS_AND_DOGS, tmp_path / "images.zip")


def test_class_without_a_usable_image_is_named(tmp_path):
    pack(tmp_path / "images.zip", [("cats/1.jpg", JPEG), ("dogs/2.jpg", b"")])
    with pytest.raises(InputError, match="no usable image of class dog"):
        clean(CATS_AND_DOGS, tmp_path / "images.zip")


def test_real_archive_is_kept_whole(mirror):
    kept, rejected = clean(CATS_AND_DOGS, mirror / "cats_and_dogs_filtered.zip")
    assert (len(kept), len(rejected)) == (2999, 0)
