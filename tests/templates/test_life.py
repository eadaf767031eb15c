"""The life of projects with the installed package: runs, colleagues, upgrades, own stages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SAMPLE_SHA256, SAMPLE_WEIGHTS, TINY, change, commit, set_author, succeed
from installed import Installed

from pawprint.files import pack
from pawprint.recipes.sample.drawings import drawn_dataset

pytestmark = pytest.mark.slow
SMALL = TINY.replace("fetch: {source: ../images.zip}", "")
SMALL += f"weights: {{source: {SAMPLE_WEIGHTS.name}, sha256: {SAMPLE_SHA256}}}\n"
AFTER_FINETUNING = ["train_finetune", "calibrate", "evaluate", "review", "plot", "report"]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def repository(installed, tmp_path_factory) -> Path:
    """Two projects in one repository, with a first result of one."""
    folder = tmp_path_factory.mktemp("team")
    succeed("git", "init", "-q", "-b", "main", cwd=folder)
    set_author(folder)
    pack(folder / "images.zip", drawn_dataset(train=10, validation=8))
    for name in ("one", "two"):
        installed.succeed("pawprint", "init", name, "--images", "images.zip", cwd=folder)
        shutil.copy(SAMPLE_WEIGHTS, folder / name)
        change(folder / name, SMALL)
    (folder / "images.zip").unlink()
    installed.succeed("dvc", "repro", cwd=folder / "one")
    commit(folder, "First")
    return folder


@pytest.fixture
def project(installed, repository) -> Iterator[Path]:
    """The project with a result, as it was committed."""
    yield repository / "one"
    succeed("git", "checkout", "-q", ".", cwd=repository)
    succeed("git", "clean", "-fdq", cwd=repository)
    installed.succeed("dvc", "checkout", "-q", cwd=repository / "one")


def test_run_leaves_nothing_to_commit_and_a_second_one_computes_nothing(
    installed, repository, project
):
    assert succeed("git", "status", "--short", cwd=repository) == ""
    assert installed.repro(project) == []
    assert succeed("git", "status", "--short", cwd=repository) == ""
    installed.succeed("pawprint", "check", cwd=project)
    assert not (repository / "two" / "dvc.lock").exists()


def test_colleague_without_the_photos_folder_runs_a_changed_param(
    installed, repository, project, tmp_path
):
    change(project, "calibrate: {temperature: false}")
    installed.succeed("dvc", "remote", "add", "-q", "-d", "s", str(tmp_path / "s"), cwd=project)
    installed.succeed("dvc", "repro", cwd=project)
    commit(repository, "Remote")
    installed.succeed("dvc", "push", cwd=project)
    succeed("git", "clone", "-q", str(repository), str(tmp_path / "clone"), cwd=tmp_path)
    clone = tmp_path / "clone" / "one"
    installed.succeed("dvc", "pull", cwd=clone)
    change(clone, "train_finetune: {learning_rate: 0.0005}")
    assert installed.repro(clone) == AFTER_FINETUNING
    assert " D " not in succeed("git", "status", "--short", cwd=clone)
    succeed("git", "revert", "--no-edit", "HEAD", cwd=repository)
    installed.succeed("dvc", "checkout", "-q", cwd=project)


@pytest.mark.parametrize(
    ("file", "old", "new", "ran"),
    [
        ("pawprint/images/decoder.py", '"""Decode image files.', '"""Decode images.', []),
        ("pawprint/reports/charts.py", '"#0072B2"', '"#0072B3"', ["preview", "plot", "report"]),
        ("params.yaml", "  errors: 12 ", "  errors: 13 ", []),  # a project keeps its value
        (
            "pawprint/network/training.py",
            "(1 + np.cos(turn)) / 2",
            "(1 + np.cos(turn)) / 3",
            ["train_extract", *AFTER_FINETUNING],
        ),
    ],
)
def test_upgrade_runs_the_stages_that_it_changes(
    repository, project, tmp_path, file, old, new, ran
):
    newer = Installed(tmp_path / "newer")
    edit(newer.source / file, old, new)
    newer.install()
    result = newer.run("dvc", "repro", cwd=project)  # another package than that of requirements.txt
    assert "requirements.txt: expected the package that is installed" in result.stderr
    newer.succeed("pawprint", "upgrade", cwd=project)
    changed = succeed("git", "diff", "--name-only", cwd=repository).split()
    assert changed == ["one/.pawprint.json", "one/requirements.txt"]
    assert newer.repro(project) == ran


def test_own_stage_takes_the_place_of_the_packages_and_is_fingerprinted(installed, project):
    (project / "stages").mkdir()
    for name in ("__init__.py", "plot.py"):
        shutil.copy(installed.source / "stages" / name, project / "stages")
    result = installed.run("dvc", "repro", cwd=project)
    assert "dvc.yaml: stages.plot.cmd: expected one that runs stages/plot.py" in result.stderr
    edit(project / "dvc.yaml", "python -m pawprint.stages.plot", "python -m stages.plot")
    assert "plot" in installed.repro(project)
    edit(project / "stages" / "plot.py", "pictures in", "own pictures in")
    assert installed.repro(project) == ["plot"]
    assert installed.repro(project) == []
