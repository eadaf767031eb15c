"""What several people do with one project: photos in DVC, imported photos, published models."""

from pathlib import Path

import pytest
import yaml
from conftest import PROJECT, TINY, clone, commit, git_init, git_project, photo, repro, succeed

pytestmark = pytest.mark.slow
FIRST_STAGES = ["fetch", "clean", "split"]  # enough to read the photos


def add_photos(folder: Path, numbers: range) -> None:
    for number in numbers:
        path = folder / ("dogs" if number % 2 else "cats") / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(number))


def add_remote(project: Path) -> None:
    remote = project.parent / f"remote-of-{project.name}"
    succeed("dvc", "remote", "add", "--default", "storage", str(remote), cwd=project)


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

    project = git_project(tmp_path / "project", TINY.replace("../images.zip", "photos"))
    succeed("dvc", "import", str(data), "photos", cwd=project)
    assert repro(project, "split") == FIRST_STAGES
    add_remote(project)
    commit(project, "Import")
    assert "photos/" not in succeed("git", "ls-files", cwd=project)
    succeed("dvc", "push", cwd=project)
    second = clone(project)
    succeed("dvc", "pull", "photos.dvc", "split", "--with-deps", cwd=second)
    assert len(list((second / "photos").rglob("*.jpg"))) == 40
    assert repro(second, "split") == []

    add_photos(data / "photos", range(40, 44))
    succeed("dvc", "add", "photos", cwd=data)
    commit(data, "More photos")
    succeed("dvc", "push", cwd=data)
    assert repro(project, "split") == []  # the import stays at its commit
    succeed("dvc", "update", "photos.dvc", cwd=project)
    assert repro(project, "split") == FIRST_STAGES


def test_published_model_is_fetched_from_another_folder(tmp_path):
    """By the artifact that this project's dvc.yaml names and an annotated tag."""
    project = tmp_path / "published"
    model = project / "models" / "served"
    model.mkdir(parents=True)
    artifacts = yaml.safe_load((PROJECT / "dvc.yaml").read_text(encoding="utf-8"))["artifacts"]
    (project / "dvc.yaml").write_text(yaml.safe_dump({"artifacts": artifacts}), encoding="utf-8")
    git_init(project)
    succeed("dvc", "init", "-q", cwd=project)
    add_remote(project)
    for version in ("v1.0.0", "v1.1.0"):
        (model / "model.json").write_text(version, encoding="utf-8")
        succeed("dvc", "add", "models/served", cwd=project)
        commit(project, version)
        succeed("dvc", "push", cwd=project)
        succeed("git", "tag", "-a", f"classifier@{version}", "-m", version, cwd=project)
    get = ("dvc", "artifacts", "get", str(project), "classifier", "--out")
    for out, version, options in (("a", "v1.1.0", ()), ("b", "v1.0.0", ("--rev", "v1.0.0"))):
        succeed(*get, out, *options, cwd=tmp_path)
        assert (tmp_path / out / "model.json").read_text(encoding="utf-8") == version
