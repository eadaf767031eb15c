"""Test folders of photos as people have them: classes, splits, unlabelled and system folders.

The docstring of each test refers to the public report that its input comes from.
"""

from collections import Counter
from pathlib import Path
from shutil import make_archive

import pandas as pd
import pytest
from classes_of import describe_classes
from conftest import (
    clean_archive,
    complaint,
    pawprint_here,
    photo,
    photos_of,
    refused,
    run,
    write_files,
)

from pawprint import paths
from pawprint.classes import UNKNOWN
from pawprint.dataset.folder_messages import describe_class_counts, describe_names
from pawprint.dataset.folders import read_folders
from pawprint.dataset.sources import describe_empty, fetch
from pawprint.dataset.user_tables import Correction, classes_given
from pawprint.errors import InputError
from pawprint.files import pack
from pawprint.images.folder import find_images
from pawprint.projects.init import WITHOUT_CLASSES, create


def labels_of(names: list[str], labels: str = "auto") -> dict[str, str]:
    """Return the label of each file by its name, or "" if it has none."""
    return {name: place.label for name, place in read_folders(names, labels, "photos").items()}


def splits_of(names: list[str]) -> dict[str, str]:
    return {name: place.split for name, place in read_folders(names, "auto", "photos").items()}


def images_in(*folders: str) -> list[str]:
    return [f"{folder}/{number}.jpg" for folder in folders for number in range(2)]


NESTED = [
    images_in("cat/monday", "cat/tuesday", "dog/monday", "dog/tuesday"),
    images_in("cat", "cat/old", "dog", "dog/cropped"),
]


@pytest.mark.parametrize("names", NESTED)
def test_two_readings_of_nested_folders_are_shown_with_counts_and_one_is_chosen(names):
    """ultralytics/ultralytics 21224, huggingface/datasets 5153."""
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


@pytest.mark.parametrize(
    "names",
    [
        images_in("train/a/images", "train/b/images", "train/c/images"),
        images_in("site1/a", "site2/a", "site3/a"),
    ],
)
def test_reading_that_gives_one_class_is_not_asked_for(names):
    """The layout of Tiny ImageNet, and photos of a single class sorted by place."""
    assert labels_of(names) == labels_of(names, "outer")


def test_folders_above_all_classes_are_no_classes():
    """Kaggle's zips, among others, contain the folder that was packed."""
    names = images_in("archive/photos/cat", "archive/photos/dog")
    assert set(labels_of(names).values()) == {"cat", "dog"}


@pytest.mark.parametrize(
    "name", ["_unlabeled", "Unlabelled", "no_label", "UNSORTED", "cat/unsorted"]
)
def test_folder_for_images_without_a_label_is_neither_a_class_nor_unknown(tmp_path, name):
    """FiftyOne exports such folders."""
    names = [*images_in("cat", "dog"), f"{name}/9.jpg"]
    pack(tmp_path / "given.zip", photos_of(names).items())
    kept, rejected, _ = clean_archive(tmp_path / "given.zip", labels="auto")
    assert set(kept["label"]) == {"cat", "dog", ""}
    assert kept["path"][kept["label"] == ""].tolist() == [f"{name}/9.jpg"]
    assert rejected.empty


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


def test_folders_of_systems_hold_no_images_wherever_images_are_looked_for(tmp_path):
    """immich-app/immich 30690."""
    write_files(tmp_path / "photos", photos_of([*images_in("cat", "dog"), *OF_SYSTEMS]))
    fetch(tmp_path / "photos", tmp_path / "raw")
    kept, rejected, _ = clean_archive(tmp_path / "raw", labels="auto")
    assert Counter(kept["label"]) == {"cat": 2, "dog": 2}
    assert Counter(rejected["reason"]) == {"other_file": len(OF_SYSTEMS)}
    found = find_images([tmp_path / "photos"])
    assert sorted(path.relative_to(tmp_path / "photos").as_posix() for path in found) == sorted(
        images_in("cat", "dog")
    )


BOTH = ("buildings", "forest")


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("seg_train/seg_train", "seg_test/seg_test", "test"),
        ("training_set/training_set", "test_set/test_set", "test"),
        ("Train", "Test", "test"),
        ("train2017", "val2017", "validation"),
        ("data/TrainImages", "data/ValidImages", "validation"),
        ("data/Training", "data/dev", "validation"),
    ],
)
def test_siblings_with_the_word_of_a_split_and_the_same_classes_are_splits(train, other, split):
    """Kaggle's intel-image-classification has such folders, among others."""
    names = images_in(*(f"{folder}/{label}" for folder in (train, other) for label in BOTH))
    assert set(labels_of(names).values()) == set(BOTH)
    found = splits_of(names)
    assert {found[name] for name in names if name.startswith(train)} == {"train"}
    assert {found[name] for name in names if name.startswith(other)} == {split}


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (images_in("test_positive", "test_negative"), {"test_positive", "test_negative"}),
        (images_in("bus", "car", "train"), {"bus", "car", "train"}),
        (images_in("train/bus", "train/train", "test/bus", "test/train"), {"bus", "train"}),
        (images_in("train_a/x", "test_a/x", "test_b/x"), {"train_a", "test_a", "test_b"}),
        (images_in("test_wagon/x", "train_car/y"), None),
    ],
)
def test_word_of_a_split_alone_makes_no_split(names, classes):
    if classes is None:
        with refused("outer` gives 2 classes", "inner` gives 2 classes"):
            read_folders(names, "auto", "photos")
    else:
        assert set(labels_of(names).values()) == classes


@pytest.mark.parametrize(
    "beside", ["seg_pred/seg_pred", "test/test", "test", "predict", "test/images"]
)
def test_folder_of_images_without_classes_beside_splits_is_unlabelled(beside):
    """Examples are Kaggle's intel-image-classification and dogs-vs-cats."""
    splits = ("train", "val") if beside.startswith("test") else ("seg_train", "seg_test")
    names = images_in(*(f"{split}/{label}" for split in splits for label in BOTH), beside)
    found = labels_of(names)
    assert {found[name] for name in images_in(beside)} == {""}
    assert set(found.values()) == {"", *BOTH}


@pytest.mark.parametrize("name", ["aux/1.jpg", "cat/con.jpg", "cat/what?.jpg", "mug./1.jpg"])
def test_name_that_windows_cannot_hold_is_said(name):
    places = dict.fromkeys(["cat/1.jpg", "console/lpt10.jpg", "cat.v2/nul_1.jpg"], ("cat", ""))
    assert list(describe_names(places)) == []
    (line,) = describe_names({**places, name: ("cat", "")})
    assert line.endswith(f"Windows: {name}")


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_classes_of_an_archive_are_said_too(tmp_path, form):
    files = photos_of(images_in("cat", "dog")) | {"unknown/1.jpg": photo(9)}
    made = make_archive(str(tmp_path / "photos"), form, write_files(tmp_path / "photos", files))
    assert describe_classes(Path(made), "auto") == [f"2 classes: cat (2), dog (2); 1 {UNKNOWN}"]


def test_class_of_which_no_file_is_read_is_named_where_one_class_is_left():
    """qarmin/czkawka 2007."""
    with pytest.raises(InputError, match=r"two or more classes.*2 \.dng"):
        read_folders([*images_in("cat"), "bird/1.dng", "bird/2.dng"], "auto", "photos")


@pytest.mark.parametrize("label", ["none", "None", "Unsure", "UNSURE"])
@pytest.mark.parametrize("is_table", [False, True], ids=["folders", "metadata.csv"])
def test_reserved_label_is_refused_in_any_case_before_a_project_is_made(tmp_path, label, is_table):
    """As in flairNLP/flair 2068, NONE means that there is no label."""
    folders = ("ant", "bee", label)
    names = [f"{folder}/{number}.jpg" for folder in folders for number in range(2)]
    files = photos_of(names)
    expected = f"Received: {label!r}"
    if is_table:
        rows = [f"{name.replace('/', '_')},{name.split('/')[0]}" for name in names]
        files = {name.replace("/", "_"): data for name, data in files.items()}
        files["metadata.csv"] = "\n".join(["file_name,label", *rows]).encode()
        expected += f".*2 rows.*{label}_0.jpg"
    photos = write_files(tmp_path / "photos", files)
    with pytest.raises(InputError, match=expected):
        create(tmp_path / "project", photos, None)
    assert not (tmp_path / "project").exists()


def test_names_that_other_programs_read_as_no_value_are_classes():
    """As in googledatalab/pydatalab 398, where pandas reads the label NA as a missing value."""
    folders = ["NA", "null", "nan", "N-A"]
    assert set(labels_of(images_in(*folders)).values()) == set(folders)


def test_empty_folder_of_a_split_is_not_said_to_be_no_class(tmp_path):
    """As in huggingface/pytorch-image-models 957: the validation folder of one class is empty."""
    write_files(tmp_path, photos_of(images_in("train/a", "train/b", "val/a")))
    for name in ("val/b", "val/c"):
        (tmp_path / name).mkdir(parents=True)
    folders = (Path(tmp_path, "val", name) for name in "bc")
    assert describe_empty(tmp_path) == [f"{folder} has no files" for folder in folders]


SETS = [
    ["train", "test1"],  # Kaggle's dogs-vs-cats
    ["cars_train", "cars_test"],  # Stanford Cars
    ["train_images", "test_images"],
    ["ISIC_Training_Input/ISIC_Training_Input", "ISIC_Test_Input"],  # ISIC 2019
    ["cats_train", "cats_val", "dogs_train", "dogs_val"],
]


@pytest.mark.parametrize("folders", SETS)
def test_sets_of_images_without_classes_are_not_taken_for_classes(folders):
    with pytest.raises(InputError, match=r"classes\. Received: 0.*in a metadata\.csv"):
        labels_of(images_in(*folders))


@pytest.mark.parametrize(
    "folders", [["training_shoe", "test_tube"], ["valid_ticket", "invalid_ticket"]]
)
def test_folders_that_more_than_the_word_of_a_split_tells_apart_are_classes(folders):
    assert set(labels_of(images_in(*folders)).values()) == set(folders)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Final_Training/Images", "Final_Test/Images"),  # GTSRB
        ("asl_train/asl_train", "asl_test/asl_test"),  # Kaggle's asl-alphabet
        ("Plants/Plants/train", "test/test"),  # Kaggle's new-plant-diseases-dataset
    ],
)
def test_test_images_without_classes_are_unlabelled(train, test):
    """As in fastai/fastai 1552, where the test images became a class."""
    names = images_in(f"{train}/1", f"{train}/2", test)
    found = labels_of(names)
    assert {found[name] for name in images_in(test)} == {""}
    assert set(found.values()) == {"", "1", "2"}
    assert set(splits_of(names).values()) == {"train", "test"}


def test_classes_beside_a_split_with_the_same_classes_stay_classes():
    """fastai/fastai 1552."""
    names = images_in("cat", "dog", "test/cat", "test/dog", "examples")
    found = labels_of(names)
    assert [found[name] for name in images_in("cat", "test/dog", "examples")] == [
        *("cat", "cat", "dog", "dog", "", "")
    ]


def test_folders_that_differ_in_case_are_no_two_classes():
    """caltechlibrary/dataset 81."""
    with pytest.raises(InputError, match="more than case"):
        labels_of(images_in("Cat", "cat", "dog"))


def test_folder_that_only_validation_has_is_no_class():
    """As in ultralytics/ultralytics 26182, where its images counted as the first class."""
    found = labels_of(images_in("train/a", "train/b", "val/c"))
    assert {found[name] for name in images_in("val/c")} == {""}
    assert {found[name] for name in images_in("train/a")} == {"a"}


NAMES = [f"IMG_{number}.jpg" for number in range(6)]


@pytest.mark.parametrize(
    "names",
    [
        NAMES,
        ["unlabelled/1.jpg", "2.jpg", "unknown/3.jpg"],
        ["archive/unsorted/1.jpg", "readme.txt"],
    ],
)
def test_no_folder_is_a_class(names):
    places = read_folders(names, "auto", "photos")
    assert {places[name].label for name in names} - {"unknown"} == {""}


@pytest.mark.parametrize(
    "names", [["cat/1.jpg"], ["cat/1.jpg", "2.jpg"], ["unknown/1.jpg"], ["a.txt"]]
)
def test_one_class_and_no_photo_are_mistakes(names):
    with pytest.raises(InputError, match=r"^photos: expected two or more classes"):
        read_folders(names, "auto", "photos")


def test_all_photos_are_set_aside_until_labels_csv_gives_some_a_label(tmp_path):
    write_files(tmp_path / "photos", photos_of(NAMES) | {"notes.txt": b"text"})
    fetch(tmp_path / "photos", tmp_path / "raw")
    assert describe_classes(tmp_path / "photos", "auto")[-1] == WITHOUT_CLASSES
    kept, rejected, _ = clean_archive(tmp_path / "raw", labels="auto")
    assert dict(zip(kept["path"], kept["label"])) == dict.fromkeys(NAMES, "")
    assert rejected["path"].tolist() == ["notes.txt"]
    pixels = dict(zip(kept["path"], kept["pixels_sha256"]))
    corrections = [
        Correction(NAMES[0], "cat", pixels[NAMES[0]]),
        Correction("old name.jpg", "dog", pixels[NAMES[1]]),  # renamed later
        Correction(NAMES[2], "none", pixels[NAMES[2]]),
        Correction("gone.jpg", "dog", 64 * "0"),
    ]
    kept, rejected, not_applied = clean_archive(tmp_path / "raw", "decodes", "auto", corrections)
    labels = dict(zip(kept["path"], kept["label"]))
    assert labels == dict(zip(NAMES, ["cat", "dog"])) | dict.fromkeys(NAMES[3:], "")
    assert dict(zip(rejected["path"], rejected["reason"]))[NAMES[2]] == "label_none"
    assert not_applied == ["gone.jpg"]


def test_classes_are_the_labels_of_labels_csv():
    given = [Correction(f"{n}.jpg", label) for n, label in enumerate(("owl", "cat", "none", "owl"))]
    assert classes_given(given) == ["cat", "owl"]
    assert classes_given([]) == []
    for label in ("Cat", "unknown", "<b>"):
        with refused("labels.csv: expected labels"):
            classes_given([*given, Correction("9.jpg", label)])


def stages(folder: Path, name: str) -> tuple[list[str], str]:
    """Run `dvc repro` up to a stage and return that stage's lines and its stderr."""
    result = run("dvc", "repro", name, cwd=folder)
    return result.stdout.splitlines(), result.stderr


def test_project_of_such_photos_runs_until_labels_are_missing(tmp_path):
    write_files(tmp_path / "photos", {name: photo(n) for n, name in enumerate(NAMES)})
    result = pawprint_here(tmp_path, "init", "project", "--images", "photos")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "pawprint app"
    folder = tmp_path / "project"
    said, _ = stages(folder, "split")
    assert "clean: no classes; 6 unlabelled" in said
    (missing,) = [line for line in said if line.startswith("split: nothing can be trained yet: ")]
    assert "pawprint app" in missing
    aside = pd.read_csv(folder / paths.UNLABELLED_CSV)
    assert aside["path"].tolist() == NAMES
    assert complaint(folder, "try").startswith("cannot try candidates: labels are missing: ")
    rows = [f"{name},{label}\n" for name, label in zip(NAMES, "aaabbb")]
    (folder / paths.LABELS_CSV).write_text("path,label\n" + "".join(rows), encoding="utf-8")
    said, _ = stages(folder, "split")
    assert "clean: classes from labels.csv: a, b" in said
    assert sorted(pd.read_csv(folder / paths.SPLIT_CSV)["label"]) == list("aaabbb")
