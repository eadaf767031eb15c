"""Test what a clone of a committed run fetches and runs after a change.

DVC's own tests cover what it promises about its remotes, its cache and its errors.
"""

from pathlib import Path

import pytest
from conftest import change, clone, repro, succeed

from pawprint.base.files import md5_of_folder
from pawprint.base.yaml_file import read_yaml

pytestmark = pytest.mark.slow


@pytest.fixture
def origin(tiny_copy, tmp_path) -> Path:
    """Return the project, pushed to an empty remote in a folder."""
    project = tiny_copy
    (tmp_path / "images.zip").unlink()  # only the author has it
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
