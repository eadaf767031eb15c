"""Test photos without classes, where labels.csv provides the classes."""

from pathlib import Path

import pandas as pd
import pytest
from conftest import clean_archive, complaint, pawprint, photo, photos_of, refused, run, write_files

from pawprint import paths
from pawprint.dataset.folders import read_folders
from pawprint.dataset.sources import fetch
from pawprint.dataset.user_tables import Correction, classes_given
from pawprint.errors import InputError
from pawprint.projects.init import WITHOUT_CLASSES, describe_classes

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
    result = pawprint(tmp_path, "init", "project", "--images", "photos")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "pawprint app"
    folder = tmp_path / "project"
    said, _ = stages(folder, "split")
    assert "clean: no classes; 6 unlabelled" in said
    (missing,) = [line for line in said if line.startswith("split: labels are missing: ")]
    assert "pawprint app" in missing
    aside = pd.read_csv(folder / paths.UNLABELLED_CSV)
    assert aside["path"].tolist() == NAMES
    assert complaint(folder, "try").startswith("cannot try candidates: labels are missing: ")
    rows = [f"{name},{label}\n" for name, label in zip(NAMES, "aaabbb")]
    (folder / paths.LABELS_CSV).write_text("path,label\n" + "".join(rows), encoding="utf-8")
    said, _ = stages(folder, "split")
    assert "clean: classes from labels.csv: a, b" in said
    assert sorted(pd.read_csv(folder / paths.SPLIT_CSV)["label"]) == list("aaabbb")
