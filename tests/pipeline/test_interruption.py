"""What the machine can do to a run: end it at any moment, have no more room, refuse to write."""

import os
import re
import shutil
from pathlib import Path

import pytest
from conftest import run
from kills import Undisturbed, fingerprint, recover

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
    assert recover(undisturbed, kills=3, seed=1) == 3


# One stage for each kind of file: zip, PNG, memory-mapped arrays, model.
@posix
@pytest.mark.parametrize("stage", ["fetch", "preview", "features", "predict"])
def test_stage_that_cannot_write_it_all_says_so_and_leaves_nothing_half(workspace, stage):
    before = fingerprint(workspace)
    command = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
    command += f"import runpy; runpy.run_module('stages.{stage}', run_name='__main__')"
    result = run("python", "-c", command, cwd=workspace)
    (line,) = result.stderr.splitlines()
    assert re.search(r"expected to write .*(File too large|iostream error)", line)
    assert (result.returncode, fingerprint(workspace)) == (1, before)
