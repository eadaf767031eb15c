import pytest
from conftest import CATS_AND_DOGS, JPEG, encode
from PIL import Image

from stages.clean import clean, count
from stages.shared.archive import members, open_archive, pack
from stages.shared.errors import InputError
from stages.shared.images import REASONS


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
    found = {"empty": 1, "not_an_image": 3, "truncated": 2}
    assert counts["rejected"] == {"total": 6} | dict.fromkeys(REASONS, 0) | found


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


def petimages_like() -> dict[str, bytes]:
    """The kinds of files that PetImages has."""
    photo = Image.linear_gradient("L").convert("RGB")
    jfif = encode(photo)
    assert jfif[6:10] == b"JFIF"
    without_jfif = jfif[:2] + jfif[20:]  # the APP0 segment of 18 bytes left out
    # A byte too many before a marker: decoders warn, and go on.
    extraneous = jfif[:-2] + b"\x00" + jfif[-2:]
    return {
        "Cat/good.jpg": jfif,
        "Cat/no_jfif.jpg": without_jfif,
        "Cat/empty.jpg": b"",
        "Cat/Thumbs.db": b"\xd0\xcf\x11\xe0",
        "Dog/extraneous.jpg": extraneous,
        "Dog/cut.jpg": jfif[: len(jfif) // 2],
        "Dog/page.jpg": b"<html>not an image</html>",
        "Dog/png.jpg": encode(photo, "PNG"),
    }


@pytest.mark.parametrize(
    ("rule", "dropped_by_rule"), [("decodes", set()), ("jfif", {"Cat/no_jfif.jpg", "Dog/png.jpg"})]
)
def test_jfif_rule_drops_what_tensorflow_datasets_drops_and_what_cannot_be_decoded(
    tmp_path, rule, dropped_by_rule
):
    files = petimages_like()
    pack(tmp_path / "images.zip", sorted(files.items()))
    params = CATS_AND_DOGS.model_copy(update={"rule": rule})
    kept, rejected = clean(params, tmp_path / "images.zip")
    usable = {"Cat/good.jpg", "Cat/no_jfif.jpg", "Dog/extraneous.jpg", "Dog/png.jpg"}
    assert {row["path"] for row in kept} == usable - dropped_by_rule
    assert {row["path"]: row["reason"] for row in rejected} == {
        "Cat/empty.jpg": "empty",
        "Cat/Thumbs.db": "not_an_image",
        "Dog/cut.jpg": "truncated",
        "Dog/page.jpg": "not_an_image",
        **dict.fromkeys(dropped_by_rule, "no_jfif_header"),
    }


def test_class_without_a_usable_image_is_named(tmp_path):
    pack(tmp_path / "images.zip", [("cats/1.jpg", JPEG), ("dogs/2.jpg", b"")])
    with pytest.raises(InputError, match="expected a usable image of class dog"):
        clean(CATS_AND_DOGS, tmp_path / "images.zip")


def test_real_archive_is_kept_whole(mirror):
    kept, rejected = clean(CATS_AND_DOGS, mirror / "cats_and_dogs_filtered.zip")
    assert (len(kept), len(rejected)) == (2999, 0)
