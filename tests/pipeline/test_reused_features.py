"""Test that features are computed only once, whatever changes and whenever a run is killed."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import PROJECT, TINY, environment_with, replace, succeed
from kills import fingerprint

from examples.demo import prepare, write_archive
from pawprint import paths
from pawprint.features.store import Shard
from pawprint.params.file import overlay
from pawprint.projects.recipes import apply_recipe

pytestmark = pytest.mark.slow
IMAGES, VIEWS = 60, 30
FEATURES = ("python", "-m", "stages.features")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Return a workspace in which `features` has run under DVC."""
    folder = tmp_path_factory.mktemp("reuse")
    write_archive(folder / "images.zip", train=20, validation=10)
    params = apply_recipe((PROJECT / "params.yaml").read_text(encoding="utf-8"), "sample")
    params = overlay(overlay(params, TINY), f"augment: {{views: {VIEWS}}}")
    prepare(folder / "workspace", params)
    assert computed(folder / "workspace") == (IMAGES, 0)
    return folder / "workspace"


@pytest.fixture
def workspace(finished, tmp_path) -> Path:
    shutil.copy(finished.parent / "images.zip", tmp_path)
    return shutil.copytree(finished, tmp_path / "workspace", symlinks=True)


def computed(workspace: Path, *command: str) -> tuple[int, int]:
    """Run `features`, or DVC up to it. Return how many images were computed and reused."""
    printed = succeed(*(command or ("dvc", "repro", "features")), cwd=workspace)
    (line,) = (line for line in printed.splitlines() if " computed, " in line)
    words = line.split()
    return int(words[1]), int(words[4])


def features(workspace: Path) -> dict[str, str]:
    made = fingerprint(workspace).items()
    return {path: sha256 for path, sha256 in made if path.startswith("data/features")}


def test_corrected_label_runs_no_features(workspace):
    before = features(workspace)
    with (workspace / paths.LABELS_CSV).open("a", encoding="utf-8") as labels:
        labels.write("drawn/train/cats/cat.0001.jpg,dog\n")
    printed = succeed("dvc", "repro", "features", cwd=workspace)
    assert "Running stage 'split'" in printed and "Running stage 'features'" not in printed
    assert features(workspace) == before


@pytest.mark.parametrize(
    ("module", "decoded", "computed_again"),
    [
        ("decoding/formats.py", True, False),
        ("features/views.py", False, True),
        pytest.param("decoding/jpeg.py", True, True, marks=pytest.mark.extended),
        pytest.param("images/archive.py", False, False, marks=pytest.mark.extended),
    ],
)
def test_edit_decodes_and_computes_what_its_folder_decides(
    workspace, module, decoded, computed_again
):
    before = features(workspace)
    with (workspace / "pawprint" / module).open("a", encoding="utf-8") as file:
        file.write("UNUSED = 0\n")
    printed = succeed("dvc", "repro", "features", cwd=workspace)
    reused = f"clean: {IMAGES} images were not decoded again" in printed
    assert decoded == ("Running stage 'clean'" in printed and not reused)
    number = IMAGES if computed_again else 0
    assert f"features: {number} images computed, {IMAGES - number} reused" in printed
    after = features(workspace)
    changed = {path for path in after if after[path] != before[path]}
    assert changed == ({"data/features.json"} if computed_again else set())


@pytest.mark.skipif(os.name != "posix", reason="groups of processes as in POSIX")
def test_killed_run_goes_on_where_it_was(workspace):
    """The stage is killed after each finished shard, and then computes only the others."""
    (workspace / "dvc.lock").unlink()
    replace(
        workspace / "pawprint/features/store.py", "IMAGES_PER_SHARD = 64", "IMAGES_PER_SHARD = 8"
    )
    kept = workspace / paths.INTERRUPTED_FEATURES
    for finished in range(1, 5):
        with subprocess.Popen(
            FEATURES,
            cwd=workspace,
            env=environment_with(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            while len(list(kept.rglob("shard-*"))) < finished:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.01)
                    pytest.fail("the stage ended before it was killed")
            os.killpg(process.pid, signal.SIGKILL)
    new, reused = computed(workspace, *FEATURES)
    assert new + reused == IMAGES
    indices = [Shard(path).read("index") for path in (workspace / "data").rglob("shard-*.npy")]
    assert reused >= sum(sorted(len(set(index["pixels_sha256"])) for index in indices)[:4])
    assert not kept.exists()
    before = features(workspace)
    assert computed(workspace, *FEATURES)[1] == 0  # no rows can be reused
    assert features(workspace) == before
