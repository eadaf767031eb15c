"""README.md: its commands work in a fresh clone."""

import shutil

import pytest
from conftest import OFFLINE, PROJECT, TINY, change, clone, git_project, repro
from pages import blocks, commands, execute

from recipes.sample.drawings import write_archive

PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")
# The packages are installed; the demo is tests/pipeline/test_pipeline.py's.
NOT_RUN = ("python3 -m venv .venv", ". .venv/bin/activate", "pip install -r requirements.txt")
REMOTE = "/mnt/team/pawprint"


COMMANDS = [
    each for language, text in blocks(PAGE) if language == "console" for each in commands(text)
]


def test_model_in_git_predicts_in_a_fresh_clone(tmp_path):
    folder = clone(git_project(tmp_path / "project", "{}"))
    (found,) = (each for each in COMMANDS if each[0].startswith("python -m pawprint predict"))
    shutil.copy(PROJECT / "dvc.lock", folder)
    lines = execute(found[0], folder)
    assert all(any(name in line for line in lines) for name in ("cat.jpg", "dog.jpg"))
    assert any("examples/cats_and_dogs" in line for line in lines)


@pytest.mark.extended
def test_every_command_works_in_a_fresh_clone(tmp_path):
    write_archive(tmp_path / "images.zip", train=10, validation=8)
    folder = clone(git_project(tmp_path / "project", TINY + OFFLINE))
    ran = []
    for command, _ in COMMANDS:
        if command in NOT_RUN:
            continue
        if command == "dvc repro" and ran:  # "Change a param" of a committed run
            execute("git add -A && git commit -q --allow-empty -m Results", folder)
            change(folder, "calibrate: {temperature: false}")
        if command.startswith("dvc remote add"):  # after an experiment, of which nothing is kept
            execute("git restore --staged --worktree . && dvc checkout -q", folder)
        execute(command.replace(REMOTE, str(tmp_path / "remote")), folder)
        ran.append(command)
    assert ran.count("dvc repro") == 2
    second = tmp_path / "second"
    execute(f"git clone -q {folder} {second}", folder)
    execute("dvc pull models/served", second)
    execute("python -m pawprint predict recipes/sample/pictures", second)
    execute("dvc pull", second)
    assert repro(second, "--allow-missing") == []
