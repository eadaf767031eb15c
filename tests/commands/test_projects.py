"""Test `pawprint init` from an installed wheel, outside the repository."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from conftest import (
    PROJECT,
    as_installed,
    change,
    commit,
    photos_of,
    replace,
    set_author,
    succeed,
    write_files,
)
from installed import Installed

from pawprint.base.yaml_file import read_yaml


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("given") / "photos"
    return write_files(folder, photos_of(["cat/0.jpg", "dog/1.jpg", "cat/2.jpg", "dog/3.jpg"]))


@pytest.fixture(scope="module")
def made(installed, photos, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    installed.succeed("pawprint", "init", "animals", "--images", str(photos), cwd=folder)
    set_author(folder / "animals")
    return folder / "animals"


@pytest.fixture
def project(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "animals", symlinks=True)


def listing(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_init_writes_a_project_whose_photos_dvc_tracks_and_which_names_the_package(
    installed, project, photos
):
    commit(project, "New")
    assert listing(project / "photos") == listing(photos)
    assert read_yaml(project / "params.yaml")["fetch"] == {"source": "photos"}
    assert read_yaml(project / "params.yaml")["clean"]["labels"] == "auto"
    assert succeed("git", "status", "--short", cwd=project) == ""
    lock = (project / "requirements.txt").read_text()
    # The wheel only exists on this computer.
    assert lock.startswith("# pawprint-dvc ") and "file:" not in lock
    versions = (PROJECT / "requirements.txt").read_text()
    either = f"{versions}{as_installed(versions)}".splitlines()
    pins = {line.partition(" ;")[0] for line in lock.splitlines() if "==" in line}
    assert pins < {line.partition(" ;")[0] for line in either}
    assert any(pin.startswith("numpy==") for pin in pins)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_name_of_a_photo_that_is_not_utf_8_is_shown_by_init_and_by_code(
    installed, photos, tmp_path
):
    source = shutil.copytree(photos, tmp_path / "given")
    wrong = source / "cat" / os.fsdecode(b"caf\xe9.jpg")
    command = ("pawprint", "init", "animals", "--images", "given")
    installed.succeed(*command, cwd=tmp_path)
    wrong.touch()
    change(tmp_path / "animals", "fetch: {source: ../given}")  # photos may stay outside
    repro = installed.run("dvc", "repro", cwd=tmp_path / "animals")
    shutil.rmtree(tmp_path / "animals")
    for result in (repro, installed.run(*command, cwd=tmp_path)):
        assert result.returncode and "cat/caf\\udce9.jpg: expected a name in UTF-8" in result.stderr


def test_recipe_brings_its_params_and_the_address_of_its_images(installed, tmp_path):
    installed.succeed("pawprint", "init", "cats", "--recipe", "filtered-160", cwd=tmp_path)
    params = read_yaml(tmp_path / "cats" / "params.yaml")
    assert params["model"]["image_size"] == 160
    assert "url" in read_yaml(tmp_path / "cats" / params["fetch"]["source"])


def test_renew_writes_the_new_pipeline_and_params_and_keeps_what_is_the_users(project, tmp_path):
    replace(project / "dvc.yaml", "stages:\n", "stages:\n  ours:\n    cmd: echo ours\n\n")
    newer = Installed(tmp_path / "newer").create(
        ("dvc.yaml", "desc: Bring the images", "desc: Pack the images"),
        ("params.yaml", "  seed: 1  # random seed; change", "  seed: 2  # another; change"),
        ("params.yaml", "\nsplit:\n", "\nsplit:\n  columns: 4  # of photos\n"),
        ("pyproject.toml", 'version = "', 'version = "9.'),
    )
    result = newer.run("pawprint", "init", "--renew", cwd=project)
    assert result.returncode == 1 and "dvc.yaml" in result.stderr and "Commit" in result.stderr
    commit(project, "Ours")
    said = newer.succeed("pawprint", "init", "--renew", cwd=project)
    changed = set(succeed("git", "diff", "--name-only", cwd=project).split())
    assert changed == {".pawprint.json", "dvc.yaml", "params.yaml", "requirements.txt"}
    assert said.endswith(f"{succeed('git', 'diff', cwd=project).rstrip()}\n")
    assert "+  columns: 4  # of photos" in said and "seed: 2" not in said
    assert "+    desc: Pack the images" in said
    assert "    cmd: echo ours\n" in (project / "dvc.yaml").read_text()
    assert "+# pawprint-dvc 9." in said
    commit(project, "Renewed")
    assert "nothing to change" in newer.succeed("pawprint", "init", "--renew", cwd=project)


def test_pipeline_without_what_a_stage_of_the_package_reads_is_refused(installed, project):
    replace(project / "dvc.yaml", "[data/clean, data/code/split.txt", "[data/code/split.txt")
    result = installed.run("dvc", "repro", "code", cwd=project)
    assert "dvc.yaml: stages.split: expected deps: data/clean" in result.stderr
