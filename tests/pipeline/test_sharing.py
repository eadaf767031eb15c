"""Data and models travel through a DVC remote: a folder, and servers of SSH and S3.

What DVC itself promises of its remotes, its cache and its errors is tested by DVC.
"""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import (
    AFTER_FINETUNING,
    OFFLINE,
    TINY,
    change,
    clone,
    commit,
    git_project,
    repro,
    run,
    succeed,
)
from servers import S3, SSH, Server

from pawprint.files import pack
from pawprint.recipes.sample.drawings import drawn_dataset

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A project with two committed runs that differ in one param."""
    folder = tmp_path_factory.mktemp("first")
    pack(folder / "images.zip", drawn_dataset(train=12, validation=8))
    project = git_project(folder / "project", TINY + OFFLINE)
    assert len(repro(project)) == 13
    commit(project, "First run")
    change(project, "train_finetune: {learning_rate: 0.01}")
    assert repro(project) == AFTER_FINETUNING
    commit(project, "Faster")
    return project


@pytest.fixture
def origin(finished, tmp_path) -> Path:
    """The finished project, pushed to an empty remote, a folder."""
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    url = str(tmp_path / "remote")
    succeed("dvc", "remote", "add", "--default", "storage", url, cwd=project)
    succeed("git", "commit", "-qam", "Remote", cwd=project)
    # What both commits need: `--all-commits` shares the history, not only the last run.
    assert "files pushed" in succeed("dvc", "push", "--all-commits", cwd=project)
    return project


def predict(project: Path, images: Path) -> str:
    with zipfile.ZipFile(images) as archive:
        photo = archive.read("drawn/validation/dogs/dog.0001.jpg")
    (project.parent / "photo.jpg").write_bytes(photo)
    return succeed("python", "-m", "pawprint", "predict", "../photo.jpg", cwd=project)


@pytest.fixture(scope="module", params=[SSH, S3], ids=["ssh", "s3"])
def served(request, finished, tmp_path_factory) -> Iterator[tuple[Path, Server]]:
    """The finished project, pushed to a server, which is its remote."""
    folder = tmp_path_factory.mktemp("server")
    server = request.param(folder)
    project = folder / "project"
    shutil.copytree(finished, project)
    succeed("dvc", "remote", "add", "--default", "storage", server.url, cwd=project)
    succeed("git", "commit", "-qam", "Remote", cwd=project)
    configure(project, server.settings)
    assert "files pushed" in succeed("dvc", "push", cwd=project)
    yield project, server
    server.kill()


def configure(project: Path, settings: dict[str, str]) -> None:
    """What `dvc remote modify --local` writes, for all options at once."""
    lines = ["['remote \"storage\"']", *(f"{key} = {value}" for key, value in settings.items())]
    (project / ".dvc" / "config.local").write_text("\n".join(lines), encoding="utf-8")


def test_clone_pulls_from_a_server_and_reruns_nothing(served, finished):
    project, server = served
    second = clone(project, "second")
    configure(second, server.settings)
    succeed("dvc", "pull", "models/served", cwd=second)
    cached = [path for path in (second / ".dvc/cache/files").rglob("*") if path.is_file()]
    assert len(cached) == 5  # the four files of the folder, and its listing
    images = finished.parent / "images.zip"
    assert predict(second, images) == predict(project, images)
    succeed("dvc", "pull", cwd=second)
    assert repro(second, "--allow-missing") == []
    assert succeed("git", "status", "--porcelain", cwd=second) == ""


def test_change_in_an_empty_clone_pulls_only_what_it_needs(origin):
    second = clone(origin, "change")
    assert "no stage changed" in succeed("python", "-m", "stages.code", cwd=second)
    change(second, "train_finetune: {learning_rate: 0.02}")
    assert repro(second, "--pull", "--allow-missing") == AFTER_FINETUNING
    assert (second / "data" / "features" / "shard-0.npy").is_file()


RESULTS = ("dvc.lock", "metrics", "plots", "docs/model_card.md")


def test_two_branches_are_merged(finished, tmp_path):
    """The procedure of docs/sharing.md: results of one side, then `dvc repro`."""
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    shutil.copy(finished.parent / "images.zip", tmp_path)
    succeed("git", "branch", "other", cwd=project)
    for branch, changes, first in (
        ("main", "calibrate: {temperature: false}", "calibrate"),
        ("other", "train_finetune: {seed: 2}", "train_finetune"),
    ):
        succeed("git", "checkout", "-q", branch, cwd=project)
        succeed("dvc", "checkout", cwd=project)
        change(project, changes)
        assert repro(project)[0] == first
        succeed("git", "commit", "-qam", changes, cwd=project)
    succeed("git", "checkout", "-q", "main", cwd=project)
    merge = run("git", "merge", "other", cwd=project)
    assert merge.returncode != 0
    for name in ("dvc.lock", "metrics/", "plots/", "docs/model_card.md"):
        assert f"Merge conflict in {name}" in merge.stdout

    succeed("git", "checkout", "HEAD", "--", *RESULTS, cwd=project)
    succeed("dvc", "checkout", cwd=project)
    assert repro(project)[0] == "calibrate"  # the training of `other` is in the cache
    succeed("git", "add", "params.yaml", *RESULTS, cwd=project)
    succeed("git", "commit", "-qm", "Merge other", cwd=project)
    assert succeed("git", "status", "--porcelain", cwd=project) == ""
    assert repro(project) == []
    assert len(succeed("git", "log", "--format=%p", "-1", cwd=project).split()) == 2
