"""Nothing of the user's is lost: photos, labels and params, when a run is discarded or is another.

Sources: public reports, a repository and the number of an issue in each docstring.
"""

import shutil
import sys
from pathlib import Path

import pytest
from conftest import (
    commit,
    complaint,
    git_init,
    photo,
    photos_of,
    printed,
    refused,
    replace,
    run,
    set_author,
    succeed,
    write_files,
)

from pawprint import project as paths
from pawprint.cli.projects import run_discard
from pawprint.tools import last_commit

NAMES = [f"{label}/{number}.jpg" for label in ("cat", "dog") for number in range(20)]
SPLIT = "dvc", "repro", "-q", "split"


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Path:
    """A project of forty photos with a run as far as `split`, all of it committed."""
    root = tmp_path_factory.mktemp("committed")
    write_files(root / "photos", photos_of(NAMES))
    printed(root, "init", "project", "--images", "photos")
    set_author(root / "project")
    succeed(*SPLIT, cwd=root / "project")
    commit(root / "project", "First run")
    return root / "project"


@pytest.fixture
def project(committed, tmp_path, monkeypatch) -> Path:
    """A copy of it, the working directory."""
    folder = shutil.copytree(committed, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def changed(folder: Path) -> str:
    return succeed("git", "status", "--short", cwd=folder)


def relabel(folder: Path) -> None:
    with (folder / paths.LABELS_CSV).open("a", encoding="utf-8") as table:
        table.write("cat/1.jpg,dog\n")


def test_photos_and_labels_since_the_commit_stay_when_a_run_is_discarded(project):
    """treeverse/dvc 2802, 2498: README's way to discard removed a photo that DVC had cached."""
    new = write_files(project, {"photos/cat/new.jpg": photo(100)}) / "photos/cat/new.jpg"
    relabel(project)
    replace(project / paths.PARAMS, "  views: 4", "  views: 2")
    lock = (project / paths.LOCK).read_bytes()
    succeed(*SPLIT, cwd=project)
    assert (project / paths.LOCK).read_bytes() != lock
    assert "--yes" in complaint(project, "discard")
    printed(project, "discard", "--yes")
    assert (project / paths.LOCK).read_bytes() == lock
    assert changed(project) == " M labels.csv\n M photos.dvc\n"
    run("dvc", "checkout", cwd=project)  # that fails: the commit has no models
    assert new.exists()
    assert "cat/1.jpg,dog" in (project / paths.LABELS_CSV).read_text()
    assert "new.jpg" not in (project / paths.SPLIT_CSV).read_text()


def test_params_are_shown_as_a_diff_and_a_no_changes_nothing(project, monkeypatch, capsys):
    class Terminal:
        isatty = staticmethod(lambda: True)

    replace(project / paths.PARAMS, "  views: 4", "  views: 2")
    before = (project / paths.PARAMS).read_bytes()
    monkeypatch.setattr(sys, "stdin", Terminal)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    arguments = type("Arguments", (), {"yes": False})
    assert run_discard(arguments) == 1
    assert (project / paths.PARAMS).read_bytes() == before
    shown = capsys.readouterr().out
    assert "-  views: 4" in shown and "+  views: 2" in shown and "params.yaml" in shown
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert run_discard(arguments) == 0
    assert (project / paths.PARAMS).read_bytes() != before
    assert changed(project) == ""


@pytest.mark.parametrize("is_staged", [False, True])
def test_discard_leaves_what_no_stage_writes(project, is_staged):
    """Also of a folder of results, and where the commit lacks a result that this run has."""
    write_files(project, {"plots/mine.csv": "a\n", "metrics/notes.txt": "b\n"})
    succeed("git", "rm", "-q", "--cached", str(paths.SPLIT_METRICS), cwd=project)
    succeed("git", "add", "plots", cwd=project)
    succeed("git", "commit", "-qm", "Own files", cwd=project)
    write_files(project, {"plots/mine.csv": "c\n"})
    relabel(project)
    if is_staged:
        succeed("git", "add", "-A", cwd=project)
    last_commit.discard()
    assert not (project / paths.SPLIT_METRICS).exists()
    assert (project / "plots/mine.csv").read_text() == "c\n"
    assert (project / "metrics/notes.txt").read_text() == "b\n"
    assert {line[3:] for line in changed(project).splitlines()} == {
        "labels.csv",
        "metrics/notes.txt",
        "plots/mine.csv",
    }


def test_discard_mends_params_pipeline_and_outputs_that_cannot_be_read(project):
    """As after an interrupted stage, of which DVC has removed the outputs."""
    (project / paths.PARAMS).unlink()
    write_files(project, {"dvc.yaml": "stages: [", "dvc.lock": "schema: '2.", "data/split/x": "x"})
    split = (project / paths.SPLIT_CSV).read_bytes()
    (project / paths.SPLIT_CSV).write_bytes(b"half")
    shutil.rmtree(project / "data/clean")
    last_commit.discard()
    assert changed(project) == ""
    assert (project / paths.SPLIT_CSV).read_bytes() == split
    assert (project / paths.IMAGES_CSV).exists()


def test_discard_names_what_the_cache_lacks(project):
    replace(project / paths.PARAMS, "  views: 4", "  views: 2")
    (project / paths.SPLIT_CSV).unlink()
    shutil.rmtree(project / ".dvc/cache")
    with refused(str(paths.SPLIT_CSV), "dvc pull dvc.yaml", "dvc repro"):
        last_commit.discard()
    assert changed(project) == ""  # params are back nevertheless
    assert len(list((project / "photos").rglob("*.jpg"))) == len(NAMES)


def test_discard_before_the_first_commit_says_so_and_changes_nothing(tmp_path, monkeypatch):
    write_files(tmp_path, {"params.yaml": "fetch: {source: photos}\n"})
    monkeypatch.chdir(tmp_path)
    with refused("not a git repository"):
        last_commit.discard()
    succeed("git", "init", "-q", cwd=tmp_path)
    with refused("expected a commit"):
        last_commit.discard()
    assert (tmp_path / "params.yaml").exists()


def test_first_run_is_discarded_in_a_project_below_the_top_of_a_repository(committed, tmp_path):
    ignored = shutil.ignore_patterns(".git")
    folder = shutil.copytree(committed, tmp_path / "inner", symlinks=True, ignore=ignored)
    git_init(tmp_path)
    succeed("git", "add", ".", ":!inner/dvc.lock", ":!inner/metrics", cwd=tmp_path)
    succeed("git", "commit", "-qm", "Without a run", cwd=tmp_path)
    write_files(tmp_path, {"other.txt": "x"})
    printed(folder, "discard", "--yes")
    assert changed(tmp_path) == "?? other.txt\n"
    assert not (folder / paths.LOCK).exists()
    assert len(list((folder / "photos").rglob("*.jpg"))) == len(NAMES)
