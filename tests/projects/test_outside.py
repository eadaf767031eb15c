"""Test functions of `pawprint.projects` on a project that is not the current folder."""

from pathlib import Path

import pytest
from app_project import write_project
from conftest import commit, photo, set_author, succeed, write_files

from pawprint.params.file import set_params
from pawprint.pipeline.dvc import WORKSPACE
from pawprint.projects.comparison import read_revision_run
from pawprint.projects.discard import discard, find_uncommitted, to_discard
from pawprint.projects.init import create
from pawprint.projects.recipes import use_recipe
from pawprint.projects.upgrade import upgrade
from pawprint.yaml_file import read_yaml

WASTE = Path("waste")


@pytest.fixture
def outside(tmp_path, monkeypatch) -> Path:
    """Return the current folder, which contains photos."""
    names = [f"photos/{label}/{number}.jpg" for label in ("can", "jar") for number in range(2)]
    write_files(tmp_path, {name: photo(number) for number, name in enumerate(names)})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_project_is_made_changed_and_discarded_from_outside(outside):
    source, _ = create(WASTE, Path("photos"), None, is_outside=False)
    assert (WASTE / source / "can/0.jpg").exists() and Path("photos/can/0.jpg").exists()
    set_author(WASTE)
    commit(WASTE, "Project")
    before = read_yaml(WASTE / "params.yaml")
    set_params(WASTE, {"model.image_size": 96})
    write_files(WASTE, {"photos/jar/new.jpg": photo(9)})
    kept, lost, stages = find_uncommitted(WASTE)
    assert kept == ["1 photo of jar added"]
    assert lost == [f"model.image_size: {before['model']['image_size']} → 96"]
    assert stages[:2] == ["fetch", "clean"]
    assert to_discard(WASTE) == ["params.yaml"]
    discard(WASTE)
    assert read_yaml(WASTE / "params.yaml") == before
    assert (WASTE / "photos/jar/new.jpg").exists()
    use_recipe(WASTE, "filtered-160")
    assert read_yaml(WASTE / "params.yaml")["fetch"] == before["fetch"]
    assert read_yaml(WASTE / "params.yaml")["model"]["image_size"] == 160
    assert upgrade(WASTE) == []
    assert sorted(path.name for path in outside.iterdir()) == ["photos", "waste"]


def test_run_of_a_commit_and_of_the_workspace_is_read_from_outside(outside):
    write_project(WASTE)
    revision = read_revision_run(WASTE, "v2", "v2")
    here = read_revision_run(WASTE, WORKSPACE, "this run")
    assert (revision.name, here.name) == ("v2", "this run")
    for split, table in here.judged.items():
        assert revision.judged[split].equals(table)
    assert succeed("git", "status", "--short", cwd=WASTE) == "?? .dvc/\n"
