"""Test folders from further public reports, and from public data sets as downloaded."""

from unicodedata import normalize

import pytest
from test_folders import images_in, labels_of, splits_of

from pawprint.dataset.folders import find_places
from pawprint.errors import InputError

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


def test_classes_of_a_mapping_that_the_folders_lack_are_named():
    """open-mmlab/mmpretrain 819."""
    mapping = {"cat": ["cat"], "dog": ["dog"], "bird": ["bird", "owl"]}
    with pytest.raises(InputError, match=r"named bird or owl \(clean\.labels\.bird\)"):
        find_places(images_in("cat", "dog"), None, mapping, "photos")


def test_folders_that_differ_in_case_are_no_two_classes():
    """caltechlibrary/dataset 81."""
    with pytest.raises(InputError, match="more than case"):
        labels_of(images_in("Cat", "cat", "dog"))


def test_mapping_finds_folders_of_a_mac_by_composed_names():
    """uewepuep/FPVTracksideCore 75."""
    names = [normalize("NFD", name) for name in images_in("Müller", "개", "Groß")]
    mapping = {"a": ["müller"], "b": ["개", "Groß"]}
    _, places = find_places(names, None, mapping, "photos")
    assert [places[name].label for name in names] == ["a"] * 2 + ["b"] * 4


def test_folder_that_only_validation_has_is_no_class():
    """As in ultralytics/ultralytics 26182, where its images counted as the first class."""
    found = labels_of(images_in("train/a", "train/b", "val/c"))
    assert {found[name] for name in images_in("val/c")} == {""}
    assert {found[name] for name in images_in("train/a")} == {"a"}
