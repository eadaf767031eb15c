"""Test that photos, labels and params of the user are never lost, for example by a discard.

The docstrings refer to public reports, by repository and issue number.
"""

import json
import os
import shutil
import sys
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest
from conftest import (
    commit,
    complaint,
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
from dvc.repo import Repo
from dvc.rwlock import rwlock

from pawprint.app.labelling import write_rows
from pawprint.base import paths
from pawprint.base.files import is_link_of_dvc, write_text
from pawprint.commands import discard as last_commit
from pawprint.commands.discard import run as run_discard
from pawprint.commands.keep_splits import keep_splits
from stages import fetch, split

NAMES = [f"{label}/{number}.jpg" for label in ("cat", "dog") for number in range(20)]
SPLIT = "dvc", "repro", "-q", "split"


class Terminal:
    isatty = staticmethod(lambda: True)


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Path:
    """Return a project of forty photos with a committed run up to `split`."""
    root = tmp_path_factory.mktemp("committed")
    write_files(root / "photos", photos_of(NAMES))
    printed(root, "init", "project", "--images", "photos")
    set_author(root / "project")
    succeed(*SPLIT, cwd=root / "project")
    commit(root / "project", "First run")
    return root / "project"


@pytest.fixture
def project(committed, tmp_path, monkeypatch) -> Path:
    """Return a copy of the committed project, which is the current directory."""
    folder = shutil.copytree(committed, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def changed(folder: Path) -> str:
    return succeed("git", "status", "--short", cwd=folder)


def relabel(folder: Path) -> None:
    with (folder / paths.LABELS_CSV).open("a", encoding="utf-8") as table:
        table.write("cat/1.jpg,dog\n")


def test_photos_and_labels_since_the_commit_stay_when_a_run_is_discarded(project):
    """As in treeverse/dvc 2802 and 2498: README's way to discard removed a photo in DVC's cache."""
    new = write_files(project, {"photos/cat/new.jpg": photo(100)}) / "photos/cat/new.jpg"
    relabel(project)
    replace(project / paths.PARAMS, "  views: 1", "  views: 2")
    lock = (project / paths.LOCK).read_bytes()
    succeed("dvc", "repro", "-q", "fetch", cwd=project)
    assert (project / paths.LOCK).read_bytes() != lock
    printed(project, "discard", "--yes")
    assert (project / paths.LOCK).read_bytes() == lock
    assert changed(project) == " M labels.csv\n M photos.dvc\n"
    run("dvc", "checkout", cwd=project)  # fails, because the commit has no models
    assert new.exists()
    assert "cat/1.jpg,dog" in (project / paths.LABELS_CSV).read_text()


def test_params_are_shown_as_a_diff_and_a_no_changes_nothing(project, monkeypatch, capsys):
    replace(project / paths.PARAMS, "  views: 1", "  views: 2")
    before = (project / paths.PARAMS).read_bytes()
    arguments = Namespace(yes=False)
    with refused("--yes"):  # as in a script
        run_discard(arguments)
    monkeypatch.setattr(sys, "stdin", Terminal)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert run_discard(arguments) == 1
    assert (project / paths.PARAMS).read_bytes() == before
    shown = capsys.readouterr().out
    assert "-  views: 1" in shown and "+  views: 2" in shown and "params.yaml" in shown

    def end_of_input(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", end_of_input)  # Ctrl-D: tio/tio 83
    assert run_discard(arguments) == 1
    assert (project / paths.PARAMS).read_bytes() == before
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert run_discard(arguments) == 0
    assert (project / paths.PARAMS).read_bytes() != before
    assert changed(project) == ""


def test_params_that_change_while_the_command_asks_are_kept(project, monkeypatch):
    def answer(_: str) -> str:
        replace(project / paths.PARAMS, "  views: 1", "  views: 2")
        return "y"

    (project / "metrics/classes.csv").write_text("shown")
    monkeypatch.setattr(sys, "stdin", Terminal)
    monkeypatch.setattr("builtins.input", answer)
    with refused("discard: nothing was changed"):
        run_discard(Namespace(yes=False))
    assert changed(project) == " M metrics/classes.csv\n M params.yaml\n"
    assert "  views: 2" in (project / paths.PARAMS).read_text()


@pytest.mark.parametrize("is_staged", [False, True])
def test_discard_leaves_what_no_stage_writes(project, is_staged):
    """This includes result folders, and results that the commit lacks."""
    write_files(project, {"plots/mine.csv": "a\n", "metrics/notes.txt": "b\n"})
    succeed("git", "rm", "-q", "--cached", str(paths.SPLIT_METRICS), cwd=project)
    succeed("git", "add", "plots", cwd=project)
    succeed("git", "commit", "-qm", "Own files", cwd=project)
    write_files(project, {"plots/mine.csv": "c\n"})
    relabel(project)
    if is_staged:
        succeed("git", "add", "-A", cwd=project)
    (project / paths.SPLIT_METRICS).write_text("{}")  # perhaps after it was staged
    last_commit.discard(Path(), last_commit.read_loss(Path()))
    assert not (project / paths.SPLIT_METRICS).exists()
    assert (project / "plots/mine.csv").read_text() == "c\n"
    assert (project / "metrics/notes.txt").read_text() == "b\n"
    assert {line[3:] for line in changed(project).splitlines()} == {
        "labels.csv",
        "metrics/notes.txt",
        "plots/mine.csv",
    }


def test_discard_keeps_the_only_run(project):
    succeed("git", "rm", "-q", "--cached", "dvc.lock", cwd=project)
    succeed("git", "commit", "-qm", "No run", cwd=project)
    result = run("pawprint", "discard", "--yes", cwd=project)
    assert result.returncode == 1 and "no committed run to go back to" in result.stderr
    assert (project / paths.LOCK).exists() and (project / paths.CLASSES_CSV).exists()


def test_discard_mends_params_pipeline_and_outputs_that_cannot_be_read(project):
    """For example, a stage was interrupted, and DVC has removed its outputs."""
    (project / paths.PARAMS).unlink()
    write_files(project, {"dvc.yaml": "stages: [", "dvc.lock": "schema: '2.", "data/split/x": "x"})
    split = (project / paths.SPLIT_CSV).read_bytes()
    (project / paths.SPLIT_CSV).write_bytes(b"half")
    shutil.rmtree(project / "data/clean")
    last_commit.discard(Path(), last_commit.read_loss(Path()))
    assert changed(project) == ""
    assert (project / paths.SPLIT_CSV).read_bytes() == split
    assert (project / paths.IMAGES_CSV).exists()


def test_discard_names_what_the_cache_lacks(project):
    replace(project / paths.PARAMS, "  views: 1", "  views: 2")
    (project / paths.SPLIT_CSV).unlink()
    shutil.rmtree(project / ".dvc/cache")
    with refused(str(paths.SPLIT_CSV.parent), "dvc pull dvc.yaml", "dvc repro"):
        last_commit.discard(Path(), last_commit.read_loss(Path()))
    assert changed(project) == ""  # params are restored anyway
    assert len(list((project / "photos").rglob("*.jpg"))) == len(NAMES)


def test_discard_during_another_command_of_dvc_changes_nothing(project):
    replace(project / paths.PARAMS, "  views: 1", "  views: 2")
    with Repo() as repo, repo.lock, refused("a `dvc` is running"):
        last_commit.discard(Path(), last_commit.read_loss(Path()))
    assert changed(project) == " M params.yaml\n"


def test_try_during_a_stage_of_a_run_writes_nothing(project):
    out = str(project / "data")
    with Repo() as repo, rwlock(repo.tmp_dir, repo.fs, "features", [], [out], False):
        assert "a `dvc` is running" in complaint(project, "try")
    assert not paths.INTERRUPTED_FEATURES.exists()


def test_param_that_moves_no_image_of_splits_csv_is_named_with_what_to_do(project, capsys):
    printed(project, "keep-splits")
    split.main()
    assert "seed" not in capsys.readouterr().out
    replace(project / paths.PARAMS, "  seed: 1", "  seed: 2")
    split.main()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "seed" in line]
    assert "split.seed: 1 → 2: no image in splits.csv moves" in line and "remove its rows" in line


def test_app_discards_a_run_after_it_has_shown_what_is_lost(project):
    pytest.importorskip("streamlit", reason="Streamlit is not installed")
    from app_project import opened

    replace(project / paths.PARAMS, "  views: 1", "  views: 2")
    page = opened("page_run", "ask_discard", last_commit.read_loss(Path()))
    assert "+  views: 2" in page.code[0].value
    assert changed(project) == " M params.yaml\n"
    page.button(key="discard").click().run()
    assert not page.exception
    assert changed(project) == ""


def test_photos_that_vanish_are_counted_by_folder(project):
    """As in treeverse/dvc 5292, 3596 and 9006: nine of forty photos were deleted, or not pulled."""
    for name in NAMES[:5] + NAMES[20:24]:
        (project / "photos" / name).unlink()
    (project / "photos/cat/9.jpg").rename(project / "photos/cat/renamed.jpg")
    write_files(project, {"photos/bird/1.jpg": photo(200), "photos/cat/8.jpg": photo(201)})
    lines = succeed("dvc", "repro", "fetch", cwd=project).splitlines()
    told = [line.partition(": ")[2] for line in lines if "than in the last commit" in line]
    assert [line.split()[0] for line in told] == ["9", "1"]
    assert "fewer" in told[0] and "5 in cat, 4 in dog" in told[0]
    assert "more" in told[1] and "1 in bird" in told[1]


@pytest.mark.parametrize("source", ["photos", "photos/all", "photos.zip"])
def test_import_is_named_before_anything_is_computed(source, tmp_path, monkeypatch, capsys):
    """As in treeverse/dvc 10157 and 9738: changes in an import are never pushed."""
    monkeypatch.chdir(tmp_path)
    repo = {"url": "https://name:password@example.org/registry.git", "rev_lock": 40 * "1"}
    stage = {"frozen": True, "deps": [{"path": "photos", "repo": repo}], "outs": []}
    name = "photos.zip" if source == "photos.zip" else "photos"
    write_files(tmp_path, {f"{name}.dvc": json.dumps(stage)})
    write_files(tmp_path, {"params.yaml": f"fetch: {{source: {source}}}\n"})
    with refused(source):  # it is missing
        fetch.main()
    (line,) = capsys.readouterr().out.splitlines()
    assert "example.org/registry.git" in line and f"dvc remove {name}.dvc" in line
    assert "password" not in line


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_links_of_dvc_are_fetched_and_missing_files_are_named(project, tmp_path, capsys):
    """As in treeverse/dvc.org 1724, treeverse/dvc 2368, 10500: symlinks, or a shared cache."""
    shutil.move(".dvc/cache", tmp_path / "shared")
    config = f"[cache]\n dir = {tmp_path / 'shared'}\n type = symlink\n"
    write_files(project, {".dvc/config.local": config})
    succeed("dvc", "checkout", "-q", "--relink", "photos.dvc", cwd=project)
    (link, *links) = sorted((project / "photos").rglob("*.jpg"))
    assert all(map(is_link_of_dvc, (link, *links)))
    fetch.main()
    assert capsys.readouterr().out == "fetch: 40 listed files from photos\n"
    cached = link.resolve()
    cached.rename(tmp_path / "away")
    with refused(link.name, "missing from DVC's cache"):
        fetch.main()


CACHES = [".dvc/cache/files/md5", "elsewhere/files/md5", "of_version_2/cache"]
ROW = {"path": "1.jpg", "label": "dog"}
SPLITS = pd.DataFrame({"pixels_sha256": [64 * "1"], "split": ["train"]})
# Each table with the function that writes it.
WRITERS = {
    "label": ("path,label\n", lambda path: write_rows(path, {"1.jpg": ROW})),
    "params": ("params", lambda path: write_text(path, "text")),
    "splits": ("pixels_sha256,split\n", lambda path: keep_splits(path, SPLITS)),
}


@pytest.mark.skipif(os.name != "posix", reason="links")
@pytest.mark.parametrize("kind", [*CACHES, "hard link", "other"])
@pytest.mark.parametrize("writer", WRITERS)
def test_cache_of_dvc_is_never_written_and_other_links_are_followed(
    writer, kind, tmp_path, monkeypatch
):
    """See the same reports: a label in a linked metadata.csv was written into DVC's cache."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    text, write = WRITERS[writer]
    if kind == "other":
        target = write_files(tmp_path, {"drive/table.csv": text}) / "drive/table.csv"
    else:
        folder = CACHES[0] if kind == "hard link" else kind
        name = f"{folder}/ab/{30 * 'c'}"
        target = write_files(tmp_path, {name: text}) / name
        target.chmod(0o444)  # root could still write it
    path = tmp_path / "table.csv"
    path.hardlink_to(target) if kind == "hard link" else path.symlink_to(target)
    write(path)
    assert path.read_text() != text
    if kind == "other":
        assert path.is_symlink() and target.read_text() == path.read_text()
    else:
        assert not path.is_symlink() and target.read_text() == text
