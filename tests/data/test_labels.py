"""Test which label an image gets, which of several copies is kept, and what is left out."""

import io
from functools import partial

import numpy as np
import pandas as pd
import pytest
from conftest import clean_archive, encode, photo, photos_of, refused
from PIL import Image

from pawprint.base.columns import REJECTED
from pawprint.base.files import pack
from pawprint.base.labels import SEVERAL_LABELS
from pawprint.data.labels import (
    describe_conflicts,
    describe_labels,
    describe_not_known,
    describe_overruled,
    without_duplicates,
)
from pawprint.given.decoding.decoder import pixels_sha256
from pawprint.given.reading import decode
from pawprint.given.user_tables import Correction


@pytest.mark.parametrize("copy", ["z (1).JPG", "copies/1.jpg"])
def test_of_images_with_the_same_pixels_the_one_with_the_shortest_path_is_kept(tmp_path, copy):
    png = encode(Image.open(io.BytesIO(photo(1))), "PNG")
    same = [(f"cats/{copy}", photo(1)), ("cats/z.JPG", photo(1)), ("cats/zz.png", png)]
    pack(tmp_path / "images.zip", [*same, ("dogs/4.jpg", photo(3))])
    kept, rejected, _ = clean_archive(tmp_path / "images.zip")
    assert list(kept["path"]) == ["cats/z.JPG", "dogs/4.jpg"]
    assert rejected[["path", "reason", "detail"]].to_numpy().tolist() == [
        [name, "duplicate", "cat with the pixels of cats/z.JPG, cat"]
        for name in (f"cats/{copy}", "cats/zz.png")
    ]


def test_same_pixels_under_both_labels_are_dropped_as_nobody_knows_which(tmp_path):
    files = {"cats/1.jpg": 1, "cats/2.jpg": 1, "dogs/1.jpg": 1, "cats/3.jpg": 3, "dogs/4.jpg": 4}
    pack(tmp_path / "images.zip", [(name, photo(number)) for name, number in files.items()])
    kept, rejected, _ = clean_archive(tmp_path / "images.zip")
    assert list(kept["path"]) == ["cats/3.jpg", "dogs/4.jpg"]
    assert rejected[["path", "reason", "detail"]].to_numpy().tolist() == [
        ["cats/1.jpg", "contradictory", "cat with the pixels of cats/2.jpg, cat"],
        ["cats/2.jpg", "contradictory", "cat with the pixels of cats/1.jpg, cat"],
        ["dogs/1.jpg", "contradictory", "dog with the pixels of cats/1.jpg, cat"],
    ]


def pixels_of(number: int) -> str:
    return pixels_sha256(np.asarray(decode(photo(number))))


def page_of(path: str, label: str, number: int) -> Correction:
    return Correction(path, label, pixels_of(number), is_of_page=True)


# Numbers of photos by path, corrections, the label of each usable image, and of each other path
# its reason or "not applied".
CORRECTED = {
    "of copies too": (
        {"cats/1.jpg": 1, "cats/1 (1).jpg": 1},
        [Correction("cats/1.jpg", "dog")],
        {"cats/1.jpg": "dog", "cats/1 (1).jpg": "duplicate"},
    ),
    "none, of copies too": (
        {"cats/1.jpg": 1, "cats/1 (1).jpg": 1},
        [Correction("cats/1.jpg", "none")],
        {"cats/1.jpg": "label_none", "cats/1 (1).jpg": "label_none"},
    ),
    "pixels under another name": (
        {"cats/1.jpg": 10, "cats/2.jpg": 1},
        [Correction("cats/1.jpg", "dog", pixels_of(1))],
        {"cats/1.jpg": "cat", "cats/2.jpg": "dog"},
    ),
    "pixels that are gone": (
        {"cats/1.jpg": 1},
        [Correction("cats/1.jpg", "dog", pixels_of(4))],
        {"cats/1.jpg": "cat", "cats/1.jpg ": "not applied"},
    ),
    "in no folder of a class": (
        {"birds/1.jpg": 1, "birds/4.jpg": 4, "birds/5.jpg": 5},
        [Correction("birds/1.jpg", "dog"), Correction("birds/4.jpg", "cat", pixels_of(4))],
        {"birds/1.jpg": "dog", "birds/4.jpg": "cat", "birds/5.jpg": "unlabelled"},
    ),
    "the path before the pixels": (
        {"cats/1.jpg": 1, "cats/1 (1).jpg": 1},
        [Correction("cats/old.jpg", "dog", pixels_of(1)), Correction("cats/1.jpg", "none")],
        {"cats/1.jpg": "label_none", "cats/1 (1).jpg": "label_none"},
    ),
    "a row of a person before one with the pixels": (
        {"cats/1.jpg": 1},
        [Correction("cats/1.jpg", "cat", pixels_of(1)), Correction("cats/1.jpg", "dog")],
        {"cats/1.jpg": "dog"},
    ),
    "a row of a person before a label of a page": (
        {"cats/1.jpg": 1, "cats/4.jpg": 4},
        [
            page_of("cats/1.jpg", "cat", 1),
            Correction("cats/1.jpg", "dog"),
            page_of("cats/4.jpg", "dog", 4),
        ],
        {"cats/1.jpg": "dog", "cats/4.jpg": "dog"},
    ),
}


@pytest.mark.parametrize("name", CORRECTED)
def test_correction_counts_in_any_order_of_the_rows(tmp_path, name):
    files, corrections, expected = CORRECTED[name]
    others = {"cats/8.jpg": 8, "dogs/9.jpg": 9}
    archive = tmp_path / "images.zip"
    pack(archive, [(path, photo(number)) for path, number in (files | others).items()])
    for rows in (corrections, corrections[::-1]):
        kept, rejected, not_applied = clean_archive(archive, corrections=rows)
        found = dict(zip(kept["path"], kept["label"]))
        found |= dict(zip(rejected["path"], rejected["reason"]))
        found |= dict.fromkeys((f"{path} " for path in not_applied), "not applied")
        assert found == {**expected, "cats/8.jpg": "cat", "dogs/9.jpg": "dog"}


def test_rows_that_say_different_things_about_one_photo_are_named_with_their_lines():
    images = pd.DataFrame({"path": ["a/00.jpg", "a/copy.jpg"], "pixels_sha256": "1"})
    rows = [Correction("a/old.jpg", "a", "1", line=2), Correction("a/00.jpg", "b", line=5)]
    (line,) = describe_conflicts(images, rows)
    assert "a/00.jpg is a in line 2 (a/old.jpg) and b in line 5 (a/00.jpg): b counts" in line
    assert [*describe_conflicts(images, [rows[0], rows[1]._replace(label="a")])] == []


def test_rejected_file_keeps_the_invisible_characters_of_its_name(tmp_path):
    names = [f"cats/{kind}\u200e.jpg" for kind in ("copy", "damaged", "none", "one")]
    contents = [photo(1), b"damaged", photo(2), photo(1)]
    others = [("cats/8.jpg", photo(8)), ("dogs/9.jpg", photo(9))]
    pack(tmp_path / "images.zip", [*zip(names, contents), *others])
    given = [Correction(names[1], "dog"), Correction(names[2], "none")]
    _, rejected, not_applied = clean_archive(tmp_path / "images.zip", corrections=given)
    assert rejected["path"].tolist() == names[:3]
    assert not_applied == {names[1]: rejected["detail"].iloc[1]}


def test_label_that_empties_a_class_is_named_with_its_file(tmp_path):
    archive = tmp_path / "images.zip"
    pack(archive, [("cats/8.jpg", photo(8)), ("dogs/9.jpg", photo(9))])
    with refused("class dog", "labels.csv gives all its images other labels", "clean.labels"):
        clean_archive(archive, corrections=[Correction("dogs/9.jpg", "cat")])


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


@pytest.mark.parametrize(("label", "kept"), [("cat", "test/cat (1).jpg"), ("", "train/cat.jpg")])
def test_copy_in_the_test_set_of_the_archive_is_kept_unless_it_has_no_label(label, kept):
    paths = ["test/cat (1).jpg", "train/cat.jpg"]
    images = pd.DataFrame({"path": paths, "label": [label, "cat"], "pixels_sha256": "a"})
    usable, _ = without_duplicates(images.assign(archive_split=["test", "train"]))
    assert list(usable["path"]) == [kept]


def test_copies_with_other_labels_are_one_row_with_all_of_them():
    paths = ["test/dog/1.jpg", "train/cat/1.jpg", "train/owl/11.jpg"]
    images = pd.DataFrame({"path": paths, "label": ["dog", "cat", "owl, barn"]})
    images = images.assign(archive_split=["test", "train", "train"], pixels_sha256="1")
    usable, rejected = without_duplicates(images)
    *_, line = describe_labels(images, usable, rejected, 0, {}, SEVERAL_LABELS)
    assert line.splitlines()[1:] == ['test/dog/1.jpg,"cat|dog|owl, barn"']


def test_class_none_of_the_source_is_a_class_in_labels_csv_too(tmp_path):
    files = photos_of(["cat/1.jpg", "cat/2.jpg", "none/3.jpg"])
    pack(tmp_path / "images.zip", files.items())
    given = [Correction("cat/1.jpg", "none")]
    kept, *_ = clean_archive(tmp_path / "images.zip", labels="auto", corrections=given)
    assert [*kept["label"]] == ["none", "cat", "none"]


def test_unlabelled_row_of_metadata_keeps_its_group_when_it_gets_a_label(tmp_path):
    table = "file_name,label,group\n1.jpg,unlabelled,a\n2.jpg,unlabelled,a\n3.jpg,unlabelled,b\n"
    files = photos_of(["1.jpg", "2.jpg", "3.jpg"]) | {"metadata.csv": table.encode()}
    pack(tmp_path / "images.zip", files.items())
    given = [Correction("1.jpg", "cat"), Correction("3.jpg", "dog")]
    kept, rejected, _ = clean_archive(tmp_path / "images.zip", labels="auto", corrections=given)
    assert [*zip(kept["label"], kept["group"])] == [("cat", "a"), ("", "a"), ("dog", "b")]
    assert rejected.empty


def test_cells_of_labels_count_for_each_label_and_none_is_the_empty_set(tmp_path):
    cells = ["sunset | not lake|sea", "none", "sea|lake?", "unknown", "sea|unlisted", "none", "sea"]
    rows = "".join(f"{number}.jpg,{cell}\n" for number, cell in enumerate(cells))
    photos = [photo(number) for number in (0, 1, 2, 3, 4, 5, 5)]  # the last two are copies
    files = {f"{number}.jpg": data for number, data in enumerate(photos)}
    files["metadata.csv"] = f"file_name,label\n{rows}".encode()
    pack(tmp_path / "images.zip", files.items())
    labels = {"sea": ["SEA", "lake"], "sunset": ["sunset"]}
    cleaned = partial(clean_archive, tmp_path / "images.zip", labels=labels, kind=SEVERAL_LABELS)
    kept, rejected, _ = cleaned()
    assert [*kept["label"]] == ["sea|sunset", "none", "sea", "unknown"]
    reasons = rejected["reason"].tolist()
    assert reasons == ["unlabelled", "contradictory", "contradictory"]
    copies = rejected.assign(pixels_sha256="5")
    lines = [*describe_labels(copies, kept, rejected, 0, {}, SEVERAL_LABELS)]
    assert any("1 photo with copies" in line and "5.jpg,sea" in line for line in lines)
    assert not any("exactly one label" in line for line in lines)
    kept, *_ = cleaned(corrections=[Correction("2.jpg", "none"), Correction("6.jpg", "sea|sunset")])
    assert [*kept["label"]] == ["sea|sunset", "none", "none", "unknown", "sea|sunset"]


def test_label_that_is_not_known_is_as_in_copies_that_know_it(tmp_path):
    cells = {"1": "sea|new?", "1b": "sea|new", "2": "sea", "2b": "sea|new", "3": "sea?|new?"}
    cells |= {"4": "none", "5": "sea|new?", "6": "a?|sea?|new?"}
    rows = "".join(f"{name}.jpg,{cell}\n" for name, cell in cells.items())
    files = [(f"{name}.jpg", photo(int(name[0]))) for name in cells]
    pack(tmp_path / "images.zip", [("metadata.csv", f"file_name,label\n{rows}".encode()), *files])
    cleaned = partial(clean_archive, tmp_path / "images.zip", labels="auto", kind=SEVERAL_LABELS)
    kept, rejected, _ = cleaned()
    found = dict(zip(kept["path"], kept["label"]))
    assert found["1.jpg"] == "new|sea"
    assert (found["3.jpg"], found["6.jpg"]) == ("", "")  # neither says anything of a label
    assert [*rejected["reason"]] == ["duplicate", "contradictory", "contradictory"]
    corrections = [Correction("5.jpg", "not new"), Correction("2.jpg", "sea|new")]
    kept, *_ = cleaned(corrections=corrections, not_asked=["new"])
    found = dict(zip(kept["path"], kept["label"]))
    assert (found["4.jpg"], found["5.jpg"], found["2.jpg"]) == ("new?", "none", "new|sea")


def test_what_is_not_known_and_labels_that_no_row_has_are_told():
    images = pd.DataFrame({"label": ["sea", "sea|fog?", "dark|fog?", "dark?|sea?|fog?", "dark?"]})
    text = "\n".join(describe_not_known(images["label"], ["new"]))
    assert "not known of 5 photos: dark of 2 (shown: 1, not shown: 2)" in text
    assert "`fog` in its cell" in text and "`sea` in its cell" not in text
    text = "\n".join(describe_not_known(images["label"][2:], []))
    assert "dark: no photo is known to lack it" in text

    names = [*"abc"]
    table = pd.DataFrame({"path": names, "pixels_sha256": names, "label": "sea|new"})
    rows = [Correction(name, "sea") for name in names]
    (line,) = describe_overruled(table, rows, [])
    assert "none of its rows has new" in line and "3 of their photos" in line
    assert not [*describe_overruled(table, rows, ["new"])]


def test_labels_joined_by_a_comma_in_metadata_are_no_label_of_their_own(tmp_path):
    rows = 'file_name,label\n1.jpg,sea\n2.jpg,sunset\n3.jpg,"sea, sunset"\n'
    photos = [(f"{number}.jpg", photo(number)) for number in (1, 2, 3)]
    pack(tmp_path / "images.zip", [("metadata.csv", rows.encode()), *photos])
    with refused("metadata.csv: expected labels joined by |", "'sea, sunset'"):
        clean_archive(tmp_path / "images.zip", labels="auto", kind=SEVERAL_LABELS)


def test_switch_turned_on_by_mistake_is_told():
    images = pd.DataFrame({"label": ["cat", "dog", ""]})
    rejected = pd.DataFrame(columns=list(REJECTED))
    columns = images.assign(path="", pixels_sha256="")
    *_, line = describe_labels(columns, images, rejected, 0, {}, SEVERAL_LABELS)
    assert "exactly one label" in line and "clean.several_labels: false" in line
