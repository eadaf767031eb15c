"""Test folders of photos as people have them: classes, splits, unlabelled and system folders."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from classes_of import describe_classes
from conftest import clean_archive, photos_of, printed, refused, succeed, write_files

from pawprint.base.errors import InputError
from pawprint.base.files import pack
from pawprint.commands.init import WITHOUT_CLASSES
from pawprint.data.sources import describe_empty, fetch
from pawprint.given.folders import (
    describe_alike,
    describe_class_counts,
    describe_names,
    read_folders,
)
from pawprint.given.user_tables import Correction, classes_given


def labels_of(names: list[str], labels: str = "auto") -> dict[str, str]:
    """Return the label of each file by its name, or "" if it has none."""
    return {name: place.label for name, place in read_folders(names, labels, "photos").items()}


def images_in(*folders: str) -> list[str]:
    return [f"{folder}/{number}.jpg" for folder in folders for number in range(2)]


@pytest.mark.parametrize(
    ("few", "many", "is_asked"),
    [
        ("plsatic", "plastic", True),
        ("plasic", "plastic", True),
        ("plastik", "plastic", True),
        ("Badger", "badgers", True),
        ("cherry", "cherries", True),
        ("type1", "type2", False),
        ("grade_a", "grade_b", False),
        ("gradeA", "gradeB", False),
        ("cat", "dog", False),
    ],
)
def test_two_names_that_seem_to_mean_the_same_are_asked_about(few, many, is_asked):
    said = describe_alike({few: 5, "metal": 60, many: 60})
    assert (few in said and many in said, "metal" in said) == (is_asked, False)
    is_plural = is_asked and many.startswith(("badgers", "cherries"))
    assert bool(describe_alike({few: 30, many: 60})) == is_plural


NESTED = [
    images_in("cat/monday", "cat/tuesday", "dog/monday", "dog/tuesday"),
    images_in("cat", "cat/old", "dog", "dog/cropped"),
]


@pytest.mark.parametrize("names", NESTED)
def test_two_readings_of_nested_folders_are_shown_with_counts_and_one_is_chosen(names):
    inner = Counter(name.split("/")[-2] for name in names)
    expected = (
        "outer` gives 2 classes: cat (4), dog (4)",
        f"inner` gives {describe_class_counts(inner)}",
    )
    with refused("photos: expected ", *expected):
        read_folders(names, "auto", "photos")
    assert labels_of(names, "outer") == {name: name.split("/")[0] for name in names}
    assert labels_of(names, "inner") == {name: name.split("/")[-2] for name in names}


def test_split_beside_inner_classes_has_no_class_of_its_own():
    names = images_in("site1/cat", "site1/dog", "site1/test", "site2/cat", "site2/dog/train")
    labels = labels_of(names, "inner")
    assert {label for name, label in labels.items() if "/test/" in name} == {""}
    assert labels["site2/dog/train/0.jpg"] == "dog"


# The label of the photos in each folder, and their split.
READ = [
    {"archive/photos/cat": "cat", "archive/photos/dog": "dog"},  # a zip of a folder
    {"NA": "NA", "null": "null", "nan": "nan", "N-A": "N-A"},
    {"site1/a": "site1", "site2/a": "site2"},  # inner folders would give one class
    {"train/a/images": "a train", "train/b/images": "b train"},  # Tiny ImageNet
    # Siblings with the word of a split and the same classes.
    {"Train/a": "a train", "Train/b": "b train", "Test/a": "a test", "Test/b": "b test"},
    {"train2017/a": "a train", "train2017/b": "b train"}
    | {"val2017/a": "a validation", "val2017/b": "b validation"},
    {"d/TrainImages/a": "a train", "d/TrainImages/b": "b train"}
    | {"d/ValidImages/a": "a validation", "d/ValidImages/b": "b validation"},
    {"d/Training/a": "a train", "d/Training/b": "b train", "d/dev/b": "b validation"},
    {"train/bus": "bus train", "train/train": "train train", "test/bus": "bus test"},
    # Kaggle's intel-image-classification, with photos that have no class.
    {
        "seg_train/seg_train/a": "a train",
        "seg_train/seg_train/b": "b train",
        "seg_test/seg_test/a": "a test",
        "seg_test/seg_test/b": "b test",
        "seg_pred/seg_pred": "",
    },
    {"Plants/Plants/train/a": "a train", "Plants/Plants/train/b": "b train", "test/test": " test"},
    {"Final_Training/Images/1": "1 train", "Final_Training/Images/2": "2 train"}
    | {"Final_Test/Images": " test"},
    {"train/a": "a train", "train/b": "b train", "val/c": " validation"},
    {"cat": "cat", "dog": "dog", "test/cat": "cat test", "test/dog": "dog test", "examples": ""},
    # The word of a split alone makes no split.
    {"test_positive": "test_positive", "test_negative": "test_negative"},
    {"bus": "bus", "car": "car", "train": "train"},
    {"train_a/x": "train_a", "test_a/x": "test_a", "test_b/x": "test_b"},
    {"training_shoe": "training_shoe", "test_tube": "test_tube"},
    {"valid_ticket": "valid_ticket", "invalid_ticket": "invalid_ticket"},
    # No folder is a class.
    {".": ""},
    {"unlabelled": "", ".": "", "unknown": "unknown"},
    {"archive/unsorted": ""},
    {"cat": "cat", "dog": "dog"}
    | dict.fromkeys(("_unlabeled", "Unlabelled", "no_label", "UNSORTED", "cat/unsorted"), ""),
]


@pytest.mark.parametrize("folders", READ, ids=lambda folders: " ".join(folders))
def test_folder_is_a_class_a_split_or_neither(folders):
    found = read_folders(images_in(*folders), "auto", "photos")
    read = {name.rpartition("/")[0]: f"{to.label} {to.split}" for name, to in found.items()}
    assert {folder: text.rstrip() for folder, text in read.items()} == folders


REFUSED = [
    (["test_wagon/x", "train_car/y"], "inner` gives 2 classes"),
    (["Cat", "cat", "dog"], "more than case"),
    (["cat"], "expected two or more classes"),
    (["cat", "."], "expected two or more classes"),
    (["unknown"], "expected two or more classes"),
    (["ant", "bee", "None"], "none must be in lower case. Received: 'None'"),
    (["ant", "bee", "UNSURE"], "Received: 'UNSURE'"),
    # Sets of photos without classes: Kaggle's dogs-vs-cats, Stanford Cars, ISIC 2019.
    (["train", "test1"], "in a metadata.csv"),
    (["cars_train", "cars_test"], "in a metadata.csv"),
    (["ISIC_Training_Input/ISIC_Training_Input", "ISIC_Test_Input"], "in a metadata.csv"),
    (["cats_train", "cats_val", "dogs_train", "dogs_val"], "in a metadata.csv"),
]


@pytest.mark.parametrize(("folders", "message"), REFUSED)
def test_folders_that_give_no_classes_are_refused(folders, message):
    with pytest.raises(InputError, match=f"^photos: .*{message}"):
        read_folders(images_in(*folders), "auto", "photos")


def test_folder_that_a_mapping_names_is_a_class_whatever_its_name(tmp_path):
    names = images_in("unsorted", "lost", "test_images", "train_images/lost")
    pack(tmp_path / "given.zip", photos_of(names).items())
    mapping = {"mixed": ["Unsorted"], "lost": ["lost"], "other": ["test_images"]}
    kept, rejected, _ = clean_archive(tmp_path / "given.zip", labels=mapping)
    assert Counter(kept["label"]) == {"mixed": 2, "lost": 4, "other": 2}
    assert set(kept["archive_split"]) == {""}
    assert rejected.empty


OF_SYSTEMS = (
    "cat/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/2.jpg", "$RECYCLE.BIN/3.jpg",
    "System Volume Information/4.jpg", "lost+found/5.jpg", ".Trash-1000/files/6.jpg",
    "dog/@Recycle/7.jpg", "cat/.ipynb_checkpoints/8-checkpoint.jpg",
    "LOST.DIR/9.jpg", "__MACOSX/10.jpg",
)  # fmt: skip


def test_folders_of_systems_hold_no_images(tmp_path):
    write_files(tmp_path / "photos", photos_of([*images_in("cat", "dog"), *OF_SYSTEMS]))
    fetch(tmp_path / "photos", tmp_path / "raw")
    kept, rejected, _ = clean_archive(tmp_path / "raw", labels="auto")
    assert Counter(kept["label"]) == {"cat": 2, "dog": 2}
    assert Counter(rejected["reason"]) == {"other_file": len(OF_SYSTEMS)}


@pytest.mark.parametrize("name", ["aux/1.jpg", "cat/con.jpg", "cat/what?.jpg", "mug./1.jpg"])
def test_name_that_windows_cannot_hold_is_said(name):
    places = dict.fromkeys(["cat/1.jpg", "console/lpt10.jpg", "cat.v2/nul_1.jpg"], ("cat", ""))
    assert list(describe_names(places)) == []
    (line,) = describe_names({**places, name: ("cat", "")})
    assert line.endswith(f"Windows: {name}")


@pytest.mark.parametrize(
    ("photo", "mask"),
    [("{}.png", "{}_mask.png"), ("{}.jpg", "{}_Masks_1.tif"), ("a ({}).png", "a ({})seg.png")],
)
def test_masks_beside_the_photos_of_a_class_are_said_with_a_group_for_each_pair(photo, mask):
    names = [f"x/cat/{name.format(number)}" for number in range(40) for name in (photo, mask)]
    places = dict.fromkeys(names, ("cat", "")) | {f"x/dog/{n}.png": ("dog", "") for n in range(9)}
    (line,) = describe_names(places)
    assert line.startswith("40 of 89 files")
    group = yaml.safe_load("{" + line[line.index("split.group") :] + "}")["split.group"]
    groups = [re.search(group, name)[1] for name in names]
    assert groups[::2] == groups[1::2] and len(set(groups)) == 40
    few = {name: places[name] for name in places if name not in names[25::2]}
    assert list(describe_names(few)) == []


def test_class_of_which_no_file_is_read_is_named_where_one_class_is_left():
    with pytest.raises(InputError, match=r"two or more classes.*2 \.dng"):
        read_folders([*images_in("cat"), "bird/1.dng", "bird/2.dng"], "auto", "photos")


def test_empty_folder_of_a_split_is_not_said_to_be_no_class(tmp_path):
    write_files(tmp_path, photos_of(images_in("train/a", "train/b", "val/a")))
    for name in ("val/b", "val/c"):
        (tmp_path / name).mkdir(parents=True)
    folders = (Path(tmp_path, "val", name) for name in "bc")
    assert describe_empty(tmp_path) == [f"{folder} has no files" for folder in folders]


NAMES = [f"IMG_{number}.jpg" for number in range(6)]


def test_all_photos_are_set_aside_until_labels_csv_gives_some_a_label(tmp_path):
    write_files(tmp_path / "photos", photos_of(NAMES) | {"notes.txt": b"text"})
    fetch(tmp_path / "photos", tmp_path / "raw")
    assert describe_classes(tmp_path / "photos", "auto")[-1] == WITHOUT_CLASSES
    kept, rejected, _ = clean_archive(tmp_path / "raw", labels="auto")
    assert dict(zip(kept["path"], kept["label"])) == dict.fromkeys(NAMES, "")
    assert rejected["path"].tolist() == ["notes.txt"]
    corrections = [Correction(name, label) for name, label in zip(NAMES, ["cat", "dog"])]
    kept, *_ = clean_archive(tmp_path / "raw", "decodes", "auto", corrections)
    labels = dict(zip(kept["path"], kept["label"]))
    assert labels == dict(zip(NAMES, ["cat", "dog"])) | dict.fromkeys(NAMES[2:], "")


def test_classes_are_the_labels_of_labels_csv():
    given = [Correction(f"{n}.jpg", label) for n, label in enumerate(("owl", "cat", "none", "owl"))]
    assert classes_given(given) == ["cat", "owl"]
    assert classes_given([]) == []
    for label in ("Cat", "unknown", "<b>"):
        with refused("labels.csv: expected labels"):
            classes_given([*given, Correction("9.jpg", label)])


def test_project_of_such_photos_runs_until_labels_are_missing(tmp_path):
    write_files(tmp_path / "photos", photos_of(NAMES))
    assert printed(tmp_path, "init", "project", "--images", "photos").endswith("\npawprint app\n")
    said = succeed("dvc", "repro", "split", cwd=tmp_path / "project")
    assert "clean: 0 classes; 6 unlabelled" in said
    (missing,) = re.findall("split: nothing can be trained yet: .*", said)
    assert "pawprint app" in missing
