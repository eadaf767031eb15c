"""README.md: its commands work in a fresh clone."""

from pathlib import Path

import pytest
from conftest import OFFLINE, PROJECT, TINY, git_project, repro
from pages import blocks, commands, execute

from recipes.overlay import overlay
from recipes.sample.drawings import write_archive

PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")
# What `make demo` installs is installed; the demo itself is tests/pipeline/test_pipeline.py's.
NOT_RUN = ("make demo", ". .venv/bin/activate")
REMOTE = "/mnt/team/pawprint"


COMMANDS = [
    each for language, text in blocks(PAGE) if language == "console" for each in commands(text)
]


def clone(project: Path) -> Path:
    folder = project.parent / "clone"
    execute(f"git clone -q {project} {folder}", project)
    for name, value in (("user.name", "Tester"), ("user.email", "tester@example.org")):
        execute(f"git config {name} {value}", folder)
    return folder


def test_model_in_git_predicts_in_a_fresh_clone(tmp_path):
    folder = clone(git_project(tmp_path / "project", "{}"))
    (found,) = (each for each in COMMANDS if each[0].startswith("python -m pawprint predict"))
    command, shown = found
    assert execute(command, folder) == shown


@pytest.mark.extended
def test_every_command_works_in_a_fresh_clone(tmp_path):
    write_archive(tmp_path / "images.zip", train=10, validation=8)
    folder = clone(git_project(tmp_path / "project", TINY + OFFLINE))
    ran = []
    for command, _ in COMMANDS:
        if command in NOT_RUN:
            continue
        if command == "dvc repro" and ran:  # "Change a param" of a committed run
            execute("git add -A && git commit -qm Results", folder)
            params = folder / "params.yaml"
            changed = overlay(params.read_text(encoding="utf-8"), "calibrate: {temperature: false}")
            params.write_text(changed, encoding="utf-8")
        if command.startswith("dvc remote add"):  # after an experiment, of which nothing is kept
            execute("git checkout -q -- . && dvc checkout -q", folder)
        execute(command.replace(REMOTE, str(tmp_path / "remote")), folder)
        ran.append(command)
    assert ran.count("dvc repro") == 2
    second = tmp_path / "second"
    execute(f"git clone -q {folder} {second}", folder)
    execute("dvc pull models/served", second)
    execute("python -m pawprint predict recipes/sample/pictures", second)
    execute("dvc pull", second)
    assert repro(second, "--allow-missing") == []
