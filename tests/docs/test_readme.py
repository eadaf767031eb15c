"""Test that README's commands work with the installed package, and what follows later."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import (
    PROJECT,
    SAMPLE_WEIGHTS,
    change,
    replace,
    set_author,
    succeed,
    write_files,
)
from installed import NO_NETWORK, SMALL, Installed
from pages import blocks, commands

from examples.demo import draw_picture
from pawprint.data.archive import open_archive, read_member

PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")
NOT_RUN = ("cd pawprint", "python3 -m venv ", ". .venv/", "pip install ", "cd ..")
REMOTE = "/mnt/team/food"
PREDICT = "pawprint predict PHOTO.jpg"
COMMANDS = [
    command
    for language, text in blocks(PAGE)
    if language == "console"
    for command, _ in commands(text)
    if not command.startswith(NOT_RUN)
]


def test_model_of_the_package_labels_photos(mirror, installed, tmp_path):
    with open_archive(mirror / "cats_and_dogs_filtered.zip") as archive:
        for label in ("cat", "dog"):
            # This is not a training image.
            name = f"cats_and_dogs_filtered/validation/{label}s/{label}.2001.jpg"
            (tmp_path / f"{label}.jpg").write_bytes(read_member(archive, name))
    lines = installed.succeed("pawprint", "predict", ".", cwd=tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == ["cat", "dog"]


def drawn(first: int, last: int) -> dict[str, bytes]:
    """Return drawn cats and dogs with these numbers, by class and file."""
    return {
        f"{label}/{label} {number}.jpg": draw_picture(label, number)
        for label in ("cat", "dog")
        for number in range(first, last)
    }


@pytest.fixture(scope="module")
def finished(installed, tmp_path_factory) -> Path:
    """Return the project after all commands. The photos that it was made from are gone."""
    root = tmp_path_factory.mktemp("readme")
    (root / "PHOTO.jpg").write_bytes(draw_picture("dog", 11))
    write_files(root / "given" / "photos", drawn(1, 17))
    write_files(root / "given" / "new", drawn(17, 18))
    folder, ran = root, []
    for command in COMMANDS:
        if command.startswith("cd "):
            folder /= command.removeprefix("cd ")
            set_author(folder)
            shutil.copy(SAMPLE_WEIGHTS, folder)
            change(folder, SMALL)
            continue
        if command == "dvc repro" and ran[-1].startswith("pawprint try"):
            change(folder, "calibrate: {temperature: false}")
        if command == "pawprint discard":  # `discard` asks for confirmation
            command += " --yes"
        command = command.replace(REMOTE, (root / "remote").as_posix())
        away = NO_NETWORK | {"KERAS_HOME": str(root / "keras")}
        place = root if command == PREDICT else folder  # it is for any folder
        installed.succeed("sh", "-c", command, cwd=place, **away)
        ran.append(command)
    assert ran.count("dvc repro") == 2
    shutil.rmtree(root / "given")
    return folder


@pytest.fixture
def project(installed, finished) -> Iterator[Path]:
    """Return the project as it was committed."""
    yield finished
    succeed("git", "checkout", "-q", ".", cwd=finished)
    succeed("git", "clean", "-fdq", cwd=finished)
    installed.succeed("dvc", "checkout", "-q", cwd=finished)


@pytest.mark.slow
def test_experiments_on_the_pages_change_a_new_project(installed, project):
    """On the pages about sharing and evaluation."""
    printed = {}
    for name, heading in (("sharing", "## Experiments"), ("evaluation", "## Compare two runs")):
        page = (PROJECT / "docs" / f"{name}.md").read_text(encoding="utf-8").split(heading)[1]
        text = next(text for language, text in blocks(page) if language == "console")
        for command, _ in commands(text):
            command += " --csv" if command.startswith("dvc exp show") else ""
            printed[command] = installed.succeed("sh", "-c", command, cwd=project)
    table = next(text for command, text in printed.items() if command.endswith(" --csv"))
    header, *rows = (line.split(",") for line in table.split())
    assert {"cross_validated_loss", "loss", "resize", "image_size"} <= {
        name.rpartition(":")[2].rpartition(".")[2] for name in header
    }
    assert len(rows) == 5  # one of them is the workspace, with the first experiment
    assert len({row[1] for row in rows}) == 4
    assert not any("identical" in text for text in printed.values())


def status(project: Path) -> str:
    return succeed("git", "status", "--short", cwd=project)


@pytest.mark.slow
def test_second_run_computes_nothing_and_leaves_nothing_to_commit(installed, project):
    assert status(project) == ""
    assert installed.repro(project) == []
    assert status(project) == ""
    installed.succeed("pawprint", "check", cwd=project)


NOTHING = [
    ("pawprint/data/decoding/decoder.py", '"""Decode image files and', '"""Decode images and'),
    # The project keeps its own value.
    ("params.yaml", "  unknown_quantile: 0.995 ", "  unknown_quantile: 0.9 "),
]
COLOUR = [("pawprint/report/charts.py", '"#0072B2"', '"#0072B3"')]


@pytest.mark.slow
def test_renewal_runs_the_stages_that_it_changes(project, tmp_path):
    newer = Installed(tmp_path / "newer").create(*NOTHING)
    for edits, ran in (((), []), (COLOUR, ["plot"])):
        if edits:
            newer.install(*edits)
        newer.succeed("pawprint", "init", "--renew", cwd=project)
        assert set(succeed("git", "diff", "--name-only", cwd=project).split()) <= {"dvc.lock"}
        assert newer.repro(project) == ran


@pytest.mark.slow
def test_own_stage_takes_the_place_of_the_packages_and_is_fingerprinted(installed, project):
    (project / "stages").mkdir()
    for name in ("__init__.py", "plot.py"):
        shutil.copy(PROJECT / "stages" / name, project / "stages")
    refused = installed.run("dvc", "repro", cwd=project)
    assert "stages.plot.cmd: expected a command that runs stages/plot.py" in refused.stderr
    for name, old, new in (
        ("dvc.yaml", "python -P -m pawprint.stages.plot", "python -m stages.plot"),
        ("stages/plot.py", "Open {paths", "See {paths"),
    ):
        replace(project / name, old, new)
        assert installed.repro(project)[:1] == ["plot"]
    assert installed.repro(project) == []
