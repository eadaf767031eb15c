"""Test a committed run: what a clone runs after a change, remotes, and merging.

DVC's own tests cover what it promises about its remotes, its cache and its errors.
"""

import shutil
from pathlib import Path

import pytest
from conftest import change, clone, repro, run, succeed

from pawprint.files import md5_of_folder
from pawprint.yaml_file import read_yaml

pytestmark = pytest.mark.slow


@pytest.fixture
def origin(tiny_run, tmp_path) -> Path:
    """Return the project, pushed to an empty remote in a folder."""
    project = shutil.copytree(tiny_run, tmp_path / "project")
    url = str(tmp_path / "remote")
    succeed("dvc", "remote", "add", "--default", "storage", url, cwd=project)
    succeed("git", "commit", "-qam", "Remote", cwd=project)
    assert "files pushed" in succeed("dvc", "push", cwd=project)
    return project


def test_change_in_an_empty_clone_pulls_only_what_it_needs(origin):
    second = clone(origin, "change")
    assert "no stage's code changed" in succeed("python", "-m", "stages.code", cwd=second)
    change(second, "calibrate: {recall: {dog: 0.5}}")
    assert repro(second, "--pull", "--allow-missing") == ["evaluate", "plot"]
    assert (second / "data/outputs/test.npz").is_file()
    assert not (second / "data/features").exists()
    recorded = read_yaml(second / "dvc.lock")["stages"]
    md5 = md5_of_folder(second / "models" / "served")
    assert md5 in [out["md5"] for out in recorded["evaluate"]["outs"]]
    assert md5 in [dep["md5"] for dep in recorded["plot"]["deps"]]
    before = read_yaml(origin / "dvc.lock")["stages"]
    assert recorded["features"] == before["features"]
    assert repro(second, "--pull", "--allow-missing") == []


RESULTS = ("dvc.lock", "metrics", "plots", "docs/model_card.md")


@pytest.mark.extended
def test_two_branches_are_merged(tiny_run, tmp_path):
    """This is the procedure in docs/sharing.md: take the results of one side, then `dvc repro`."""
    project = shutil.copytree(tiny_run, tmp_path / "project")
    shutil.copy(tiny_run.parent / "images.zip", tmp_path)
    succeed("git", "branch", "other", cwd=project)
    for branch, changes, first in (
        ("main", "calibrate: {temperature: false}", "evaluate"),
        ("other", "train_finetune: {epochs: {number: 3, seed: 2}}", "train_finetune"),
    ):
        succeed("git", "checkout", "-q", branch, cwd=project)
        succeed("dvc", "checkout", cwd=project)
        change(project, changes)
        assert repro(project)[0] == first
        succeed("git", "commit", "-qam", changes, cwd=project)
    succeed("git", "checkout", "-q", "main", cwd=project)
    merge = run("git", "merge", "other", cwd=project)
    assert merge.returncode != 0
    for name in ("dvc.lock", "docs/model_card.md"):  # and metrics, if they differ
        assert f"Merge conflict in {name}" in merge.stdout

    succeed("git", "checkout", "HEAD", "--", *RESULTS, cwd=project)
    succeed("dvc", "checkout", cwd=project)
    assert repro(project)[0] == "evaluate"  # the training of `other` is in the cache
    succeed("git", "add", "params.yaml", *RESULTS, cwd=project)
    succeed("git", "commit", "-qm", "Merge other", cwd=project)
    assert succeed("git", "status", "--porcelain", cwd=project) == ""
    assert repro(project) == []
    assert len(succeed("git", "log", "--format=%p", "-1", cwd=project).split()) == 2
