"""`data diff` on two recorded runs of `fetch`, `clean` and `split`."""

import contextlib
import shutil
from pathlib import Path

import pytest
from conftest import clone, commit, complaint, git_init, git_project, photo, printed, succeed

from pawprint.cli.data import images_in
from pawprint.dataset.changes import CHANGES as COLUMNS
from pawprint.dataset.changes import find_changes
from pawprint.project import SPLIT_CSV

SPLITS, LABELS = ("train", "validation", "test"), ("cat", "dog")
PATHS = [f"{split}/{label}/{n}.jpg" for split in SPLITS for label in LABELS for n in range(4)]
NEW = "train/dog/\u202enew.jpg"  # with a mark that reverses the text after it in a terminal
CHANGES = f"""path,kind,before,after,reason
{NEW},added,,dog,
train/cat/0.jpg,removed,cat,,
train/cat/1.jpg,relabelled,cat,dog,
unknown/2.jpg,relabelled,dog,unknown,
test/dog/moved.jpg,moved,train,test,
test/cat/1.jpg,rejected,cat,,label_none: its label in labels.csv is none
train/cat/3 (1).jpg,rejected,,,"duplicate: cat with the pixels of train/cat/3.jpg, cat"
train/dog/0.jpg,rejected,dog,,truncated: data of the image are missing
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Two commits, `old` and `new`, on main; the tables and images of both are in a remote."""
    folder = tmp_path_factory.mktemp("data_diff")
    photos = folder / "photos"
    for number, path in enumerate(PATHS):
        (photos / path).parent.mkdir(parents=True, exist_ok=True)
        (photos / path).write_bytes(photo(number))
    project = git_project(folder / "project", "fetch: {source: ../photos}")
    succeed("dvc", "remote", "add", "--default", "storage", str(folder / "remote"), cwd=project)
    record(project, "old")
    (photos / NEW).write_bytes(photo(100))
    (photos / "train/cat/0.jpg").unlink()
    (photos / "train/cat/2.jpg").rename(photos / "train/cat/renamed.jpg")
    (photos / "train/dog/1.jpg").rename(photos / "test/dog/moved.jpg")
    (photos / "unknown").mkdir()
    (photos / "train/dog/2.jpg").rename(photos / "unknown/2.jpg")
    shutil.copy(photos / "train/cat/3.jpg", photos / "train/cat/3 (1).jpg")
    (photos / "train/dog/0.jpg").write_bytes(photo(PATHS.index("train/dog/0.jpg"))[:-100])
    (project / "labels.csv").write_text("path,label\ntrain/cat/1.jpg,dog\ntest/cat/1.jpg,none\n")
    record(project, "new")
    return project


def record(project: Path, tag: str) -> None:
    succeed("dvc", "repro", "split", cwd=project)
    commit(project, tag)
    succeed("git", "tag", tag, cwd=project)
    succeed("dvc", "push", cwd=project)


def diff(project: Path, old: str, new: str) -> str:
    """What `data diff` has in a table, as CSV."""
    with contextlib.chdir(project):
        table = find_changes(images_in(old), images_in(new))
    return table[COLUMNS].to_csv(index=False)


def test_every_kind_of_change_between_two_commits_is_a_row(project):
    assert diff(project, "old", "new") == CHANGES


def test_workspace_is_compared_by_default_and_the_same_data_is_one_line(project):
    *_, row = printed(project, "data", "diff", "old").splitlines()
    assert row.split()[:3] == ["train/dog/0.jpg", "rejected", "dog"]
    (line,) = printed(project, "data", "diff", "new").splitlines()
    assert line.startswith("new and workspace have the same images.")


def test_project_in_a_folder_of_a_repository(project, tmp_path):
    folder = tmp_path / "repository" / "pets"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".git"))
    shutil.copytree(project.parent / "photos", folder.parent / "photos")
    git_init(folder.parent)
    commit(folder.parent, "Code")
    (folder / "labels.csv").write_text("path,label\ntrain/dog/3.jpg,none\n")
    succeed("dvc", "repro", "split", cwd=folder)
    assert "train/dog/3.jpg,rejected,dog" in diff(folder, "HEAD", "workspace")


def test_tables_that_are_nowhere_are_one_line(project):
    other, remote = clone(project, "without_remote"), project.parent / "remote"
    for rev in ("old", "new"):
        succeed("git", "checkout", "-q", rev, cwd=other)
        succeed("dvc", "fetch", "--quiet", "clean", "split", cwd=other)
    remote.rename(remote.with_name("away"))
    try:
        assert diff(other, "old", "new") == CHANGES
        shutil.rmtree(other / ".dvc" / "cache")
        line = complaint(other, "data", "diff", "old", "new")
        assert f"{SPLIT_CSV} in Git or in DVC's cache or remote" in line
    finally:
        remote.with_name("away").rename(remote)
