"""Test the promises of docs/pipeline.md about other computers, whose processors QEMU emulates.

One has x86-64, with other instructions and another size of L2 cache, both of which libraries look
at to choose how they compute, and one core: it writes the same bytes. One has ARM: it predicts the
same labels.
"""

import json
import os
import platform
import shutil
import sys
from pathlib import Path

import pytest
from conftest import OFFLINE, PROJECT, environment_with, overlay, run, succeed
from pandas.testing import assert_frame_equal

from examples.demo import FOOD, draw_collection, prepare
from pawprint.base.files import pack, read_json
from pawprint.base.paths import PROBABILITIES_CSV
from pawprint.scores.prediction_table import read_probabilities

QEMU, QEMU_ARM = map(shutil.which, ("qemu-x86_64", "qemu-aarch64"))
IS_PROMISED = sys.platform == "linux" and platform.machine() == "x86_64"
PICTURES = 20  # per class
PARAMS = """
fetch: {source: ../images.zip}
clean: {labels: auto}
model: {image_size: 96, fine_tune_at: null, features: auto}
augment: {views: 2}
train_extract: {epochs: null}
calibrate: {temperature: true, recall: {hotdog: 0.9}, unknown_quantile: 0.9}
"""
# What these stages import.
NEEDED = (
    *("numpy", "opencv-python-headless", "openvino", "pandas", "pi-heif", "pillow", "pydantic"),
    *("pyyaml", "simplejpeg", "threadpoolctl", "tqdm"),
)
COMPUTING = ("features", "train_extract", "predict", "evaluate")


KERNELS = """
import json, os
import numpy as np, openvino
from pawprint.base.runtime import compile_reproducible
operations = openvino.opset15
maps = operations.parameter([1, 64, 8, 8], np.float32)
filters = operations.constant(np.ones((64, 64, 3, 3), np.float32))
means = operations.reduce_mean(operations.convolution(maps, filters, *[[1, 1]] * 4), [2, 3])
before = dict(os.environ)
compiled = compile_reproducible(openvino.Model([means], [maps]))
assert before == dict(os.environ)
nodes = compiled.get_runtime_model().get_ops()
print(json.dumps([node.get_rt_info()["primitiveType"].value for node in nodes]))
"""


@pytest.mark.skipif(not IS_PROMISED, reason="the promise is for Linux on x86-64")
def test_no_kernel_needs_more_than_avx2_and_the_environment_stays():
    kernels = json.loads(succeed("python", "-c", KERNELS, cwd=PROJECT))
    assert {"brgconv_avx2_f32", "jit_avx2_f32"} <= {*kernels}


@pytest.mark.slow
@pytest.mark.skipif(not IS_PROMISED or not QEMU, reason="needs qemu-user on Linux and x86-64")
def test_another_processor_with_one_core_writes_the_same_bytes(tmp_path):
    project = computed_here(tmp_path, PICTURES)
    here = (project / "dvc.lock").read_bytes()
    compute_again(project, other_python(tmp_path / "bin"))
    assert (project / "dvc.lock").read_bytes() == here
    chosen = read_json(project / "data" / "cross_validation.json")
    assert {"blocks_loss_change", "views_loss_change"} <= chosen.keys()
    served = read_json(project / "models" / "served" / "model.json")
    assert served["thresholds"] and served["unknown_threshold"]


@pytest.mark.slow
@pytest.mark.skipif(
    not IS_PROMISED or not QEMU_ARM or not shutil.which("apt-get"),
    reason="needs qemu-user and apt on Linux and x86-64",
)
def test_a_processor_with_arm_predicts_the_same_labels(tmp_path):
    python = python_for_arm(tmp_path)
    project = computed_here(tmp_path, 8)
    here = read_probabilities(project / PROBABILITIES_CSV["test"])
    compute_again(project, python)
    there = read_probabilities(project / PROBABILITIES_CSV["test"])
    assert_frame_equal(there, here, rtol=0, atol=1e-4)


def computed_here(folder: Path, pictures: int) -> Path:
    """Return a project with a run, but without features, for this many drawn pictures per class."""
    drawn = draw_collection(FOOD, pictures)
    pack(folder / "images.zip", ((f"{label}/{name}.jpg", data) for label, name, data in drawn))
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    for changes in (OFFLINE, PARAMS):
        params = overlay(params, changes)
    project = folder / "project"
    project.mkdir()
    prepare(project, params)
    succeed("dvc", "repro", cwd=project)
    for stored in ("data/features", ".dvc/cache/files"):  # rows would be reused
        shutil.rmtree(project / stored)
    return project


def compute_again(project: Path, python: Path) -> None:
    """Run the stages that compute, with the program `python` in a folder."""
    path = os.pathsep.join((str(python), environment_with()["PATH"]))
    options = ("--force", "--single-item", *COMPUTING)
    printed = succeed("dvc", "repro", *options, cwd=project, PATH=path)
    assert ", 0 reused" in printed


def other_python(folder: Path) -> Path:
    """Write a program `python` to the folder, which runs Python on one core of another computer."""
    has_avx512 = "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    processor = "EPYC-Rome" if has_avx512 else "Haswell"  # 512 kB and 4 MB of L2 cache
    core = min(os.sched_getaffinity(0))
    command = f"taskset -c {core} {QEMU} -cpu {processor} {sys.executable}"
    # NumPy's argsort for AVX2 is wrong in QEMU 7.2.
    return write_python(folder, "NPY_DISABLE_CPU_FEATURES=X86_V3", command)


def python_for_arm(folder: Path) -> Path:
    """Write the same for a processor with ARM, with Python from Debian and wheels in the folder.

    Nothing is installed or run as root. Skips the test if the packages cannot be downloaded.
    """
    version = platform.python_version()
    python = "python" + version.rpartition(".")[0]
    apt, root, packages = (folder / name for name in ("apt", "root", "packages"))
    for name in ("lists/partial", "archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()  # so that all packages are missing
    settings = (f"Dir::State={apt}", f"Dir::State::status={apt}/status", f"Dir::Cache={apt}")
    settings += ("APT::Architecture=arm64", "APT::Architectures=arm64", "APT::Sandbox::User=root")
    settings += ("Acquire::http::Timeout=20", "Acquire::Retries=0")
    get = ("apt-get", "--quiet=2", "--yes", *(f"--option={setting}" for setting in settings))
    wanted = ("--no-install-recommends", "--download-only", python, "libstdc++6")
    for command in ((*get, "update"), (*get, "install", *wanted)):
        if (result := run(*command, cwd=folder)).returncode:
            pytest.skip(f"no Debian packages for arm64: {result.stderr.splitlines()[-1]}")
    for path in (apt / "archives").glob("*.deb"):
        succeed("dpkg-deb", "--extract", str(path), str(root), cwd=folder)
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, 36)]
    pip = (sys.executable, "-m", "pip", "install", "--retries=1", f"--target={packages}")
    options = ("--only-binary=:all:", f"--python-version={version}", *platforms)
    result = run(*pip, *options, "--constraint=requirements.txt", *NEEDED, cwd=PROJECT)
    if "connection broken by" in result.stderr:
        pytest.skip(f"no connection to the package registry: {result.stderr.splitlines()[0]}")
    assert result.returncode == 0, result.stderr
    command = f"{QEMU_ARM} -cpu cortex-a76 -L {root} {root}/usr/bin/{python}"
    return write_python(folder / "bin", f"PYTHONPATH={packages}", command)


def write_python(folder: Path, setting: str, command: str) -> Path:
    """Write a program `python` to a new folder, which runs a command with an environment."""
    folder.mkdir()
    program = folder / "python"
    text = f'#!/bin/sh\nexport {setting}\nexec {command} "$@"\n'
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return folder
