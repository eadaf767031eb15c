"""What the machine can do to a run: end it at any moment, have no more room, refuse to write."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROJECT, run
from kills import HALF_WRITTEN_BY_DVC, Undisturbed, fingerprint, recover

from pawprint import project

pytestmark = pytest.mark.slow
posix = pytest.mark.skipif(os.name != "posix", reason="limits and groups of processes as in POSIX")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def workspace(undisturbed, tmp_path) -> Path:
    """A copy of what a whole run left."""
    shutil.copy(undisturbed.folder / "images.zip", tmp_path)
    return shutil.copytree(undisturbed.workspace, tmp_path / "workspace", symlinks=True)


@posix
def test_run_that_was_killed_again_and_again_ends_with_the_same_bytes(undisturbed):
    assert recover(undisturbed, kills=5, seed=1) == 5


@pytest.mark.parametrize(("message", "file"), HALF_WRITTEN_BY_DVC.items())
def test_troubleshooting_tells_what_to_do_with_what_dvc_left_half_written(message, file):
    rows = (PROJECT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").splitlines()
    assert any(message in row and f"`{file}`" in row for row in rows)


# One stage for each kind of file: zip, CSV, PNG, memory-mapped arrays, model.
@posix
@pytest.mark.parametrize(
    "stage", ["fetch", "clean", "preview", "features", "train_extract", "calibrate"]
)
def test_stage_that_cannot_write_it_all_says_so_and_leaves_nothing_half(workspace, stage):
    before = fingerprint(workspace)
    command = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
    command += f"import runpy; runpy.run_module('stages.{stage}', run_name='__main__')"
    result = run("python", "-c", command, cwd=workspace)
    check_refused(result, r"expected to write .*(File too large|iostream error)")
    after = fingerprint(workspace)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed <= {project.EXTRACT_HISTORY_CSV.as_posix()}  # whole after each epoch


@pytest.mark.parametrize(
    ("stage", "folder", "options", "reason"),
    [
        ("features", "data", "size={size}", "expected . MB of free space"),
        ("split", "metrics", "ro", "expected to write it.*Read-only file system"),
    ],
)
def test_full_disk_and_read_only_folder_are_named(workspace, stage, folder, options, reason):
    here, saved = workspace / folder, workspace / "saved"
    here.rename(saved)
    here.mkdir()
    needed = [
        path
        for name in ("code", "raw", "split")
        for path in (saved / name).rglob("*")
        if path.is_file()
    ]
    size = 100_000 + sum(path.stat().st_size for path in needed)
    with mounted(here, options.format(size=size)):
        for path in needed:
            (here / path.relative_to(saved)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, here / path.relative_to(saved))
        before = fingerprint(workspace)
        check_refused(run("python", "-m", f"stages.{stage}", cwd=workspace), reason)
        assert fingerprint(workspace) == before


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """An empty file system with these options in a folder."""
    mount = ("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield
    finally:
        subprocess.run(("umount", folder), check=True)


def check_refused(result: subprocess.CompletedProcess, reason: str) -> None:
    assert result.returncode == 1, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert re.search(reason, result.stderr), result.stderr
