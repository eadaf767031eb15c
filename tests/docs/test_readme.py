"""README.md: its commands work, with the package installed and no clone of the repository."""

import shutil
import zipfile
from pathlib import Path

import pytest
from conftest import PROJECT, SAMPLE_SHA256, SAMPLE_WEIGHTS, TINY, change, set_author
from installed import Installed
from pages import blocks, commands

from pawprint.images.archive import open_archive, read_member
from pawprint.recipes.sample.drawings import drawn_picture, write_archive

PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")
NOT_RUN = ("python3 -m venv ", ". .venv/", "pip install ")
REMOTE = "/mnt/team/hotdog"
SMALL = TINY.replace("fetch: {source: ../images.zip}", "")
SMALL += f"weights: {{source: {SAMPLE_WEIGHTS.name}, sha256: {SAMPLE_SHA256}}}\n"
PREDICT = "pawprint predict PHOTO.jpg"
COMMANDS = [
    command
    for language, text in blocks(PAGE)
    if language == "console"
    for command, _ in commands(text)
    if not command.startswith(NOT_RUN)
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


def first_prediction(installed: Installed, folder: Path, photo: bytes) -> str:
    """The line of PREDICT in a folder that holds the photo and nothing else."""
    assert COMMANDS[0] == PREDICT
    (folder / "PHOTO.jpg").write_bytes(photo)
    (line,) = installed.succeed("sh", "-c", PREDICT, cwd=folder).splitlines()
    return line


def test_model_of_the_package_predicts(installed, tmp_path):
    assert first_prediction(installed, tmp_path, drawn_picture("dog", 1)).endswith("PHOTO.jpg")


@pytest.mark.parametrize("label", ["cat", "dog"])
def test_model_of_the_package_labels_a_photo(mirror, installed, tmp_path, label):
    name = f"cats_and_dogs_filtered/validation/{label}s/{label}.2001.jpg"  # not for training
    with open_archive(mirror / "cats_and_dogs_filtered.zip") as archive:
        photo = read_member(archive, name)
    assert first_prediction(installed, tmp_path, photo).split()[0] == label


@pytest.mark.slow
def test_every_command_works_in_an_empty_folder(installed, tmp_path):
    write_archive(tmp_path / "drawn.zip", train=10, validation=8)
    (tmp_path / "PHOTO.jpg").write_bytes(drawn_picture("dog", 11))
    with zipfile.ZipFile(tmp_path / "drawn.zip") as drawn:
        drawn.extractall(tmp_path / "all")
    for label in ("cats", "dogs"):
        for path in (tmp_path / "all").glob(f"drawn/*/{label}/*.jpg"):
            copy = tmp_path / "photos" / label / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            path.rename(copy)
    folder, ran = tmp_path, []
    for command in COMMANDS:
        if command.startswith("cd "):
            folder /= command.removeprefix("cd ")
            set_author(folder)
            shutil.copy(PROJECT / SAMPLE_WEIGHTS, folder)
            change(folder, SMALL)
            continue
        if command == "dvc repro" and ran[-1].startswith("git commit"):
            change(folder, "calibrate: {temperature: false}")
        if command.startswith("dvc remote add"):  # after an experiment, of which nothing is kept
            installed.succeed("sh", "-c", "git restore . && dvc checkout -q", cwd=folder)
        command = command.replace(REMOTE, str(tmp_path / "remote"))
        installed.succeed("sh", "-c", command, cwd=folder)
        ran.append(command)
    assert ran.count("dvc repro") == 2
    assert installed.succeed("git", "status", "--short", cwd=folder) == ""
    colleague = tmp_path / "colleague"
    shutil.rmtree(tmp_path / "photos")
    installed.succeed("git", "clone", "-q", str(folder), str(colleague), cwd=tmp_path)
    installed.succeed("dvc", "pull", "models/served", cwd=colleague)
    installed.succeed("pawprint", "predict", str(tmp_path / "PHOTO.jpg"), cwd=colleague)
    installed.succeed("dvc", "pull", cwd=colleague)
    assert installed.repro(colleague) == []
