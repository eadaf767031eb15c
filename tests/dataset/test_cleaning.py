import io
import re
from pathlib import Path

import pytest
from conftest import CATS_AND_DOGS, JPEG, encode, photo
from PIL import Image

from pawprint.core.errors import InputError
from pawprint.core.files import pack
from pawprint.dataset.cleaning import clean, count
from pawprint.images.archive import members, open_archive
from pawprint.images.unusable import REASONS


def test_every_file_is_kept_or_rejected_with_its_reason(drawn_archive, no_corrections):
    kept, rejected = clean(CATS_AND_DOGS, drawn_archive, no_corrections)
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
    found = {"empty": 1, "not_an_image": 3, "truncated": 2}
    assert counts["rejected"] == {"total": 6} | dict.fromkeys(REASONS, 0) | found


def test_kept_rows_hold_label_split_and_size(drawn_archive, no_corrections):
    kept, _ = clean(CATS_AND_DOGS, drawn_archive, no_corrections)
    row = next(row for row in kept if row["path"] == "drawn/validation/dogs/dog.0001.jpg")
    with open_archive(drawn_archive) as archive, archive.open(row["path"]) as file:
        width, height = Image.open(file).size
    assert row == {
        "path": "drawn/validation/dogs/dog.0001.jpg",
        "label": "dog",
        "archive_split": "validation",
        "width": width,
        "height": height,
        "pixels_sha256": row["pixels_sha256"],
        "perceptual_hash": row["perceptual_hash"],
    }
    assert re.fullmatch("[0-9a-f]{64}", row["pixels_sha256"])
    assert re.fullmatch("[0-9a-f]{16}", row["perceptual_hash"])


def test_classes_and_splits_are_found_at_any_depth_and_in_any_case(tmp_path, no_corrections):
    names = ["PetImages/Cat/1.jpg", "a/Validation/b/DOGS/c/2.jpg", "readme.txt"]
    pack(tmp_path / "images.zip", [(name, photo(n)) for n, name in enumerate(names)])
    kept, rejected = clean(CATS_AND_DOGS, tmp_path / "images.zip", no_corrections)
    assert [(row["label"], row["archive_split"]) for row in kept] == [
        ("cat", ""),
        ("dog", "validation"),
    ]
    assert [(row["path"], row["reason"]) for row in rejected] == [("readme.txt", "no_class")]


def test_archive_without_a_class_folder_names_what_was_expected_and_found(tmp_path, no_corrections):
    pack(tmp_path / "images.zip", [("pets/cats/1.jpg", JPEG)])
    message = r"folder named dog or dogs \(clean\.labels\.dog\)\. Received folders: cats, pets\."
    with pytest.raises(InputError, match=message):
        clean(CATS_AND_DOGS, tmp_path / "images.zip", no_corrections)


def petimages_like() -> dict[str, bytes]:
    """The kinds of files that PetImages has."""
    jfif = photo(1)
    assert jfif[6:10] == b"JFIF"
    without_jfif = photo(2)[:2] + photo(2)[20:]  # the APP0 segment of 18 bytes left out
    # A byte too many before a marker: decoders warn, and go on.
    extraneous = photo(3)[:-2] + b"\x00" + photo(3)[-2:]
    return {
        "Cat/good.jpg": jfif,
        "Cat/no_jfif.jpg": without_jfif,
        "Cat/empty.jpg": b"",
        "Cat/Thumbs.db": b"\xd0\xcf\x11\xe0",
        "Dog/extraneous.jpg": extraneous,
        "Dog/cut.jpg": jfif[: len(jfif) // 2],
        "Dog/page.jpg": b"<html>not an image</html>",
        "Dog/png.jpg": encode(Image.open(io.BytesIO(photo(4))), "PNG"),
    }


@pytest.mark.parametrize(
    ("rule", "dropped_by_rule"), [("decodes", set()), ("jfif", {"Cat/no_jfif.jpg", "Dog/png.jpg"})]
)
def test_jfif_rule_drops_what_tensorflow_datasets_drops_and_what_cannot_be_decoded(
    tmp_path, no_corrections, rule, dropped_by_rule
):
    files = petimages_like()
    pack(tmp_path / "images.zip", sorted(files.items()))
    params = CATS_AND_DOGS.model_copy(update={"rule": rule})
    kept, rejected = clean(params, tmp_path / "images.zip", no_corrections)
    usable = {"Cat/good.jpg", "Cat/no_jfif.jpg", "Dog/extraneous.jpg", "Dog/png.jpg"}
    assert {row["path"] for row in kept} == usable - dropped_by_rule
    assert {row["path"]: row["reason"] for row in rejected} == {
        "Cat/empty.jpg": "empty",
        "Cat/Thumbs.db": "not_an_image",
        "Dog/cut.jpg": "truncated",
        "Dog/page.jpg": "not_an_image",
        **dict.fromkeys(dropped_by_rule, "no_jfif_header"),
    }


def test_class_without_a_usable_image_is_named(tmp_path, no_corrections):
    pack(tmp_path / "images.zip", [("cats/1.jpg", JPEG), ("dogs/2.jpg", b"")])
    with pytest.raises(InputError, match="expected a usable image of class dog"):
        clean(CATS_AND_DOGS, tmp_path / "images.zip", no_corrections)


def test_real_archive_is_kept_whole(mirror, no_corrections):
    kept, rejected = clean(CATS_AND_DOGS, mirror / "cats_and_dogs_filtered.zip", no_corrections)
    assert (len(kept), len(rejected)) == (2999, 0)


def test_of_images_with_the_same_pixels_the_first_is_kept(tmp_path, no_corrections):
    picture = Image.open(io.BytesIO(photo(1)))
    same = [("cats/1.jpg", photo(1)), ("cats/2.png", encode(picture, "PNG"))]
    pack(tmp_path / "images.zip", [*same, ("cats/3.jpg", photo(2)), ("dogs/4.jpg", photo(3))])
    kept, rejected = clean(CATS_AND_DOGS, tmp_path / "images.zip", no_corrections)
    assert [row["path"] for row in kept] == ["cats/1.jpg", "cats/3.jpg", "dogs/4.jpg"]
    assert rejected == [
        {
            "path": "cats/2.png",
            "reason": "duplicate",
            "detail": "cat with the pixels of cats/1.jpg, cat",
        }
    ]


def test_same_pixels_under_both_labels_are_dropped_as_nobody_knows_which(tmp_path, no_corrections):
    files = {"cats/1.jpg": 1, "dogs/1.jpg": 1, "dogs/2.jpg": 1, "cats/3.jpg": 3, "dogs/4.jpg": 4}
    pack(tmp_path / "images.zip", [(name, photo(number)) for name, number in files.items()])
    kept, rejected = clean(CATS_AND_DOGS, tmp_path / "images.zip", no_corrections)
    assert [row["path"] for row in kept] == ["cats/3.jpg", "dogs/4.jpg"]
    assert [(row["path"], row["reason"]) for row in rejected] == [
        ("cats/1.jpg", "contradictory"),
        ("dogs/1.jpg", "contradictory"),
        ("dogs/2.jpg", "contradictory"),
    ]


@pytest.fixture
def four(tmp_path) -> Path:
    names = ["cats/1.jpg", "cats/2.jpg", "dogs/3.jpg", "dogs/4.jpg"]
    pack(tmp_path / "images.zip", [(name, photo(n)) for n, name in enumerate(names)])
    return tmp_path / "images.zip"


def test_corrections_change_labels_and_drop_what_is_neither(four, tmp_path):
    labels = tmp_path / "labels.csv"
    # As spreadsheets write it: with a mark before the first line.
    labels.write_text("path,label\ncats/1.jpg,dog\ndogs/4.jpg,none\n", encoding="utf-8-sig")
    kept, rejected = clean(CATS_AND_DOGS, four, labels)
    assert [(row["path"], row["label"]) for row in kept] == [
        ("cats/1.jpg", "dog"),
        ("cats/2.jpg", "cat"),
        ("dogs/3.jpg", "dog"),
    ]
    assert [(row["path"], row["reason"]) for row in rejected] == [("dogs/4.jpg", "neither_class")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\ncats/9.jpg,dog\n", r"line 2: expected the path of a file .*'cats/9\.jpg'"),
        ("path,label\ncats/1.jpg,cow\n", "line 2: expected the label cat, dog or none.*'cow'"),
        ("path,label\ncats/1.jpg,cat\ncats/1.jpg,dog\n", "line 3: expected each path once"),
        ("path,label\ncats/1.jpg\n", "line 2: expected path,label"),
        ("cats/1.jpg,dog\n", "line 1: expected path,label"),
        ("", "line 1: expected path,label"),
        ("path;label\n", "line 1: expected path,label. Received: 'path;label'"),
        (None, "expected a table that begins with the line path,label"),
        ('path,label\n"cats', "expected a table that begins with the line path,label"),
    ],
)
def test_correction_that_cannot_be_applied_names_its_line(four, tmp_path, text, message):
    labels = tmp_path / "labels.csv"
    if text is not None:
        labels.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as raised:
        clean(CATS_AND_DOGS, four, labels)
    assert "\n" not in str(raised.value)
