"""Test the name of the project, and its commit."""

import os

import pytest
from conftest import commit, git_init, succeed

from pawprint.artifacts import project_name
from pawprint.base.git import current_commit


@pytest.mark.parametrize("folder", ["ants", "ants/.dvc/tmp/exps/tmp1", "ants/.dvc/tmp/exps/a/b/c"])
def test_name_is_that_of_the_folder_also_in_a_copy_for_an_experiment(tmp_path, monkeypatch, folder):
    (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    assert project_name() == "ants"


def test_commit_of_the_workspace_says_whether_files_were_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert current_commit() is None
    (tmp_path / "dvc.lock").write_text("one")
    git_init(tmp_path)
    commit(tmp_path, "Model")
    succeed("git", "tag", "-a", "v1", "-m", "First", cwd=tmp_path)
    head = succeed("git", "rev-parse", "HEAD", cwd=tmp_path).strip()
    assert current_commit() == head
    (tmp_path / "dvc.lock").write_text("other")
    assert current_commit() == f"{head}-dirty"
    assert current_commit(digits=7) == f"{head[:7]}-dirty"


def test_reading_the_commit_leaves_the_index_alone(tmp_path):
    """A process that is killed while it writes the index leaves a lock, which stops Git."""
    (tmp_path / "dvc.lock").write_text("one")
    git_init(tmp_path)
    commit(tmp_path, "Model")
    os.utime(tmp_path / "dvc.lock", (1, 1))  # makes Git refresh the index entry
    index = tmp_path / ".git" / "index"
    before = index.read_bytes()
    assert not current_commit(folder=tmp_path).endswith("-dirty")
    assert index.read_bytes() == before
