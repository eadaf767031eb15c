"""What several people do with one project: photos in DVC, imported photos, published models."""

from pathlib import Path

import pytest
import yaml
from conftest import (
    PROJECT,
    TINY,
    clone,
    commit,
    git_init,
    git_project,
    photo,
    repro,
    succeed,
)

pytestmark = pytest.mark.slow
FIRST_STAGES = ["fetch", "clean", "split"]  # enough to read the photos


def add_photos(folder: Path, numbers: range) -> None:
    for number in numbers:
        path = folder / ("dogs" if number % 2 else "cats") / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(number))


def project_of_photos(folder: Path) -> Path:
    changes = TINY.replace("../images.zip", "photos")
    return git_project(folder, changes)


def add_remote(project: Path) -> None:
    remote = project.parent / f"remote-of-{project.name}"
    succeed("dvc", "remote", "add", "--default", "storage", str(remote), cwd=project)


def test_photos_in_dvc_reach_a_clone_that_runs_nothing(tmp_path):
    project = project_of_photos(tmp_path / "project")
    add_photos(project / "photos", range(40))
    succeed("dvc", "add", "photos", cwd=project)
    assert repro(project, "split") == FIRST_STAGES
    add_remote(project)
    commit(project, "Photos")
    assert "photos/" not in succeed("git", "ls-files", cwd=project)
    succeed("dvc", "push", cwd=project)
    second = clone(project)
    succeed("dvc", "pull", "photos", "split", "--with-deps", cwd=second)
    assert len(list((second / "photos").rglob("*.jpg"))) == 40
    assert repro(second, "split") == []

    add_photos(second / "photos", range(40, 44))
    assert repro(second, "split") == FIRST_STAGES
    assert " M photos.dvc" in succeed("git", "status", "--porcelain", cwd=second).splitlines()


def test_photos_imported_from_a_repository_of_data(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    git_init(data)
    succeed("dvc", "init", "-q", cwd=data)
    add_photos(data / "photos", range(40))
    succeed("dvc", "add", "photos", cwd=data)
    add_remote(data)
    commit(data, "Photos")
    succeed("dvc", "push", cwd=data)

    project = project_of_photos(tmp_path / "project")
    succeed("dvc", "import", str(data), "photos", cwd=project)
    assert repro(project, "split") == FIRST_STAGES
    commit(project, "Import")
    second = clone(project)
    succeed("dvc", "pull", "photos.dvc", cwd=second)  # from the remote of the repository of data
    assert len(list((second / "photos").rglob("*.jpg"))) == 40

    add_photos(data / "photos", range(40, 44))
    succeed("dvc", "add", "photos", cwd=data)
    commit(data, "More photos")
    succeed("dvc", "push", cwd=data)
    assert repro(project, "split") == []  # the import stays at its commit
    succeed("dvc", "update", "photos.dvc", cwd=project)
    assert repro(project, "split") == FIRST_STAGES


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A project with two versions of a model under the artifact of this project's dvc.yaml."""
    project = tmp_path_factory.mktemp("published") / "project"
    (project / "models" / "served").mkdir(parents=True)
    artifacts = yaml.safe_load((PROJECT / "dvc.yaml").read_text(encoding="utf-8"))["artifacts"]
    (project / "dvc.yaml").write_text(yaml.safe_dump({"artifacts": artifacts}), encoding="utf-8")
    git_init(project)
    succeed("dvc", "init", "-q", cwd=project)
    add_remote(project)
    for version in ("v1.0.0", "v1.1.0"):
        (project / "models" / "served" / "model.json").write_text(version, encoding="utf-8")
        succeed("dvc", "add", "models/served", cwd=project)
        commit(project, version)
        succeed("dvc", "push", cwd=project)
        succeed("git", "tag", "-a", f"classifier@{version}", "-m", version, cwd=project)
    (project / "models" / "served" / "model.json").write_text("not published", encoding="utf-8")
    succeed("dvc", "add", "models/served", cwd=project)
    commit(project, "Later")
    succeed("git", "tag", "classifier@v2.0.0", cwd=project)  # not an annotated tag
    return project


@pytest.mark.parametrize(("options", "version"), [((), "v1.1.0"), (("--rev", "v1.0.0"), "v1.0.0")])
def test_published_model_is_fetched_from_another_folder(published, tmp_path, options, version):
    get = ("dvc", "artifacts", "get", str(published), "classifier", "--out", "model", *options)
    succeed(*get, cwd=tmp_path)
    assert (tmp_path / "model" / "model.json").read_text(encoding="utf-8") == version
