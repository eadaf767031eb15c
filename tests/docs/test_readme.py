"""README.md: its commands work in a fresh clone."""

import shutil
from pathlib import Path

import pytest
from conftest import OFFLINE, PROJECT, TINY, change, clone, git_project, repro
from pages import blocks, commands, execute

from pawprint.images.archive import open_archive, read_member
from pawprint.recipes.sample.drawings import drawn_picture, write_archive

PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")
# The packages are installed; the demo is tests/pipeline/test_pipeline.py's.
NOT_RUN = ("python3 -m venv .venv", ". .venv/bin/activate", "pip install -r requirements.txt")
REMOTE = "/mnt/team/pawprint"
PREDICT = "python -m pawprint predict PHOTO.jpg"


COMMANDS = [
    each for language, text in blocks(PAGE) if language == "console" for each in commands(text)
]


def first_prediction(folder: Path, photo: bytes) -> str:
    """The line of PREDICT, run in a fresh clone that the photo lies in."""
    assert PREDICT in dict(COMMANDS)
    project = clone(git_project(folder / "project", "{}"))
    shutil.copy(PROJECT / "dvc.lock", project)
    (project / "PHOTO.jpg").write_bytes(photo)
    lines = execute(PREDICT, project)
    assert any("examples/cats_and_dogs" in line for line in lines)
    (line,) = (line for line in lines if line.endswith("PHOTO.jpg"))
    return line


def test_model_in_git_predicts_in_a_fresh_clone(tmp_path):
    assert first_prediction(tmp_path, drawn_picture("dog", 1))


@pytest.mark.parametrize("label", ["cat", "dog"])
def test_model_in_git_labels_a_photo(mirror, tmp_path, label):
    name = f"cats_and_dogs_filtered/validation/{label}s/{label}.2001.jpg"  # not for training
    with open_archive(mirror / "cats_and_dogs_filtered.zip") as archive:
        photo = read_member(archive, name)
    assert first_prediction(tmp_path, photo).split()[0] == label


@pytest.mark.extended
def test_every_command_works_in_a_fresh_clone(tmp_path):
    write_archive(tmp_path / "images.zip", train=10, validation=8)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(drawn_picture("dog", 11))
    folder = clone(git_project(tmp_path / "project", TINY + OFFLINE))
    shutil.copy(PROJECT / "dvc.lock", folder)  # by which `predict` knows the model in Git
    ran = []
    for command, _ in COMMANDS:
        if command in NOT_RUN:
            continue
        if command == "dvc repro" and ran:  # "Change a param" of a committed run
            execute("git add -A && git commit -q --allow-empty -m Results", folder)
            change(folder, "calibrate: {temperature: false}")
        if command.startswith("dvc remote add"):  # after an experiment, of which nothing is kept
            execute("git restore --staged --worktree . && dvc checkout -q", folder)
        command = command.replace(REMOTE, str(tmp_path / "remote"))
        execute(command.replace("PHOTO.jpg", str(photo)), folder)
        ran.append(command)
    assert ran.count("dvc repro") == 2
    second = tmp_path / "second"
    execute(f"git clone -q {folder} {second}", folder)
    execute("dvc pull models/served", second)
    execute(f"python -m pawprint predict {photo}", second)
    execute("dvc pull", second)
    assert repro(second, "--allow-missing") == []
