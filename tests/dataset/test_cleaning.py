import io
import re
import zipfile

import pandas as pd
import pytest
from conftest import JPEG, clean_archive, encode, photo
from PIL import Image

from pawprint.core.errors import InputError
from pawprint.core.files import pack
from pawprint.dataset.cleaning import clean
from pawprint.dataset.rejected import describe_files
from pawprint.images.archive import members, open_archive


def test_every_file_is_kept_or_rejected_with_its_reason(drawn_archive):
    kept, rejected = clean_archive(drawn_archive)
    with open_archive(drawn_archive) as archive:
        assert sorted([*kept["path"], *rejected["path"]]) == members(archive)
    assert dict(
        zip(rejected["path"].map(lambda path: path.split("/")[-1]), rejected["reason"])
    ) == {
        "cat.empty.jpg": "empty",
        "cat.cut.jpg": "truncated",
        "cat.page.jpg": "not_an_image",
        "dog.cut.jpg": "truncated",
        "dog.header.jpg": "not_an_image",
        "dog.text.jpg": "not_an_image",
    }
    assert kept["label"].value_counts().to_dict() == {"cat": 15, "dog": 15}


def test_kept_rows_hold_label_split_and_size(drawn_archive):
    kept, _ = clean_archive(drawn_archive)
    row = kept.set_index("path", drop=False).loc["drawn/validation/dogs/dog.0001.jpg"].to_dict()
    with zipfile.ZipFile(drawn_archive) as archive, archive.open(row["path"]) as file:
        width, height = Image.open(file).size
    assert row == {
        "path": "drawn/validation/dogs/dog.0001.jpg",
        "label": "dog",
        "archive_split": "validation",
        "group": "",
        "width": width,
        "height": height,
        "pixels_sha256": row["pixels_sha256"],
        "perceptual_hash": row["perceptual_hash"],
    }
    assert re.fullmatch("[0-9a-f]{64}", row["pixels_sha256"])
    assert re.fullmatch("[0-9a-f]{64}", row["perceptual_hash"])


def test_classes_and_splits_are_found_at_any_depth_and_in_any_case(tmp_path):
    names = ["PetImages/Cat/1.jpg", "a/Validation/b/DOGS/c/2.jpg", "readme.txt"]
    pack(tmp_path / "images.zip", [(name, photo(n)) for n, name in enumerate(names)])
    kept, rejected = clean_archive(tmp_path / "images.zip")
    assert kept[["label", "archive_split"]].to_numpy().tolist() == [
        ["cat", ""],
        ["dog", "validation"],
    ]
    assert rejected[["path", "reason"]].to_numpy().tolist() == [["readme.txt", "no_class"]]


def test_folder_of_a_class_called_like_a_split_is_a_class_folder(tmp_path):
    names = ["train/1.jpg", "train/train/2.jpg", "validation/cats/3.jpg", "validation/train/4.jpg"]
    pack(tmp_path / "images.zip", [(name, photo(n)) for n, name in enumerate(names)])
    with open_archive(tmp_path / "images.zip") as archive:
        kept, _ = clean(archive, {"cat": ["cats"], "train": ["train"]}, "decodes", {})
    assert kept[["path", "label", "archive_split"]].to_numpy().tolist() == [
        ["train/1.jpg", "train", ""],
        ["train/train/2.jpg", "train", "train"],
        ["validation/cats/3.jpg", "cat", "validation"],
        ["validation/train/4.jpg", "train", "validation"],
    ]


def test_archive_without_a_class_folder_names_what_was_expected_and_found(tmp_path):
    pack(tmp_path / "images.zip", [("pets/cats/1.jpg", JPEG)])
    message = (
        r"folder named dog or dogs \(clean\.labels\.dog\)\..* Received:\npets/\n  cats/  1 file$"
    )
    with pytest.raises(InputError, match=message):
        clean_archive(tmp_path / "images.zip")


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
    tmp_path, rule, dropped_by_rule
):
    files = petimages_like()
    pack(tmp_path / "images.zip", sorted(files.items()))
    kept, rejected = clean_archive(tmp_path / "images.zip", rule)
    usable = {"Cat/good.jpg", "Cat/no_jfif.jpg", "Dog/extraneous.jpg", "Dog/png.jpg"}
    assert set(kept["path"]) == usable - dropped_by_rule
    assert dict(zip(rejected["path"], rejected["reason"])) == {
        "Cat/empty.jpg": "empty",
        "Cat/Thumbs.db": "not_an_image",
        "Dog/cut.jpg": "truncated",
        "Dog/page.jpg": "not_an_image",
        **dict.fromkeys(dropped_by_rule, "no_jfif_header"),
    }


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("start", [6, 7, 200, 508, 509, 512])
def test_jfif_rule_looks_at_the_bytes_that_tensorflow_datasets_sees(tmp_path, start, compression):
    """TensorFlow Datasets searches `peek(10)` of the member that `zipfile` opens."""
    data = photo(1)
    after_soi = 2
    filler = start - after_soi - 4
    if start > 6:  # a comment segment before "JFIF", which stands at `start`
        text = b"." * filler + b"JFIF" + b"." * 8
        segment = b"\xff\xfe" + (len(text) + 2).to_bytes(2) + text
        data = data[:after_soi] + segment + data[20:]
    assert data.index(b"JFIF") == start
    with zipfile.ZipFile(tmp_path / "images.zip", "w", compression) as archive:
        for name, content in {
            "cats/1.jpg": data,
            "cats/2.jpg": photo(2),
            "dogs/3.jpg": photo(3),
        }.items():
            archive.writestr(name, content)
    with zipfile.ZipFile(tmp_path / "images.zip") as archive, archive.open("cats/1.jpg") as file:
        is_seen = b"JFIF" in file.peek(10)
    kept, _ = clean_archive(tmp_path / "images.zip", "jfif")
    assert ("cats/1.jpg" in set(kept["path"])) == is_seen == (start <= 508)


def test_class_without_a_usable_image_is_named(tmp_path):
    pack(tmp_path / "images.zip", [("cats/1.jpg", JPEG), ("dogs/2.jpg", b"")])
    with pytest.raises(InputError, match="expected a usable image of class dog"):
        clean_archive(tmp_path / "images.zip")


def test_real_archive_is_kept_whole(mirror):
    kept, rejected = clean_archive(mirror / "cats_and_dogs_filtered.zip")
    assert (len(kept), len(rejected)) == (2999, 0)


def test_of_images_with_the_same_pixels_the_first_is_kept(tmp_path):
    picture = Image.open(io.BytesIO(photo(1)))
    same = [("cats/1.jpg", photo(1)), ("cats/2.png", encode(picture, "PNG"))]
    pack(tmp_path / "images.zip", [*same, ("cats/3.jpg", photo(2)), ("dogs/4.jpg", photo(3))])
    kept, rejected = clean_archive(tmp_path / "images.zip")
    assert list(kept["path"]) == ["cats/1.jpg", "cats/3.jpg", "dogs/4.jpg"]
    assert rejected.to_dict("records") == [
        {
            "path": "cats/2.png",
            "reason": "duplicate",
            "detail": "cat with the pixels of cats/1.jpg, cat",
        }
    ]


@pytest.mark.parametrize(
    "unusual", [".hidden.jpg", ".cache/1.jpg", "Thumbs.db", "0", "__MACOSX/._1.jpg"]
)
def test_of_images_with_the_same_pixels_a_visible_image_name_is_kept(tmp_path, unusual):
    same = [f"cats/{unusual}", "cats/z.JPG", "cats/zz.jpg"]
    files = [(name, photo(1)) for name in same] + [("dogs/4.jpg", photo(3))]
    pack(tmp_path / "images.zip", files)
    kept, rejected = clean_archive(tmp_path / "images.zip")
    assert list(kept["path"]) == ["cats/z.JPG", "dogs/4.jpg"]
    assert rejected[["path", "detail"]].to_numpy().tolist() == [
        [name, "cat with the pixels of cats/z.JPG, cat"] for name in (same[0], same[2])
    ]


def test_same_pixels_under_both_labels_are_dropped_as_nobody_knows_which(tmp_path):
    files = {"cats/1.jpg": 1, "dogs/1.jpg": 1, "dogs/2.jpg": 1, "cats/3.jpg": 3, "dogs/4.jpg": 4}
    pack(tmp_path / "images.zip", [(name, photo(number)) for name, number in files.items()])
    kept, rejected = clean_archive(tmp_path / "images.zip")
    assert list(kept["path"]) == ["cats/3.jpg", "dogs/4.jpg"]
    assert rejected[["path", "reason"]].to_numpy().tolist() == [
        ["cats/1.jpg", "contradictory"],
        ["dogs/1.jpg", "contradictory"],
        ["dogs/2.jpg", "contradictory"],
    ]


def test_first_and_second_of_contradictory_images_name_each_other(tmp_path):
    files = {"cats/1.jpg": 1, "cats/2.jpg": 1, "dogs/1.jpg": 1, "cats/3.jpg": 3, "dogs/4.jpg": 4}
    pack(tmp_path / "images.zip", [(name, photo(number)) for name, number in files.items()])
    _, rejected = clean_archive(tmp_path / "images.zip")
    assert list(rejected["detail"]) == [
        "cat with the pixels of cats/2.jpg, cat",
        "cat with the pixels of cats/1.jpg, cat",
        "dog with the pixels of cats/1.jpg, cat",
    ]


def test_corrections_change_labels_and_reject_what_is_neither(tmp_path):
    names = ["cats/1.jpg", "cats/2.jpg", "dogs/3.jpg", "dogs/4.jpg"]
    pack(tmp_path / "images.zip", [(name, photo(n)) for n, name in enumerate(names)])
    corrections = {"cats/1.jpg": "dog", "dogs/4.jpg": "none"}
    kept, rejected = clean_archive(tmp_path / "images.zip", corrections=corrections)
    assert kept[["path", "label"]].to_numpy().tolist() == [
        ["cats/1.jpg", "dog"],
        ["cats/2.jpg", "cat"],
        ["dogs/3.jpg", "dog"],
    ]
    assert rejected[["path", "reason"]].to_numpy().tolist() == [["dogs/4.jpg", "neither_class"]]


def test_files_are_described_with_the_reasons_of_the_rejected():
    kept = pd.DataFrame(index=range(1200))
    rejected = pd.DataFrame({"reason": ["empty", "not_an_image", "empty"]})
    described = describe_files(kept, rejected)
    assert described == "kept 1,200 of 1,203 files (2 empty, 1 not an image)"
    assert describe_files(kept, rejected.head(0)) == "kept 1,200 of 1,200 files"
