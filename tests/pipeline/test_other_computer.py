"""Test the promise of docs/pipeline.md: another computer, with one core, writes the same bytes.

QEMU emulates its processor, with other instructions and another size of L2 cache, both of which
libraries look at to choose how they compute.
"""

import json
import os
import platform
import shutil
import sys
from pathlib import Path

import pytest
from conftest import OFFLINE, PROJECT, environment_with, succeed

from examples.demo import FOOD, draw_collection, prepare
from pawprint.base.files import pack, read_json
from pawprint.commands.params_file import overlay

QEMU = shutil.which("qemu-x86_64")
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
    pictures = draw_collection(FOOD, PICTURES)
    pack(tmp_path / "images.zip", ((f"{label}/{name}.jpg", data) for label, name, data in pictures))
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    for changes in (OFFLINE, PARAMS):
        params = overlay(params, changes)
    project = tmp_path / "project"
    project.mkdir()
    prepare(project, params)
    succeed("dvc", "repro", cwd=project)
    here = (project / "dvc.lock").read_bytes()
    for folder in ("data/features", ".dvc/cache/files"):  # rows would be reused
        shutil.rmtree(project / folder)
    path = os.pathsep.join((str(other_python(tmp_path / "bin")), environment_with()["PATH"]))
    options = ("--force", "--single-item", *COMPUTING)
    printed = succeed("dvc", "repro", *options, cwd=project, PATH=path)
    assert ", 0 reused" in printed
    assert (project / "dvc.lock").read_bytes() == here
    chosen = read_json(project / "data" / "cross_validation.json")
    assert {"blocks_loss_change", "views_loss_change"} <= chosen.keys()
    served = read_json(project / "models" / "served" / "model.json")
    assert served["thresholds"] and served["unknown_threshold"]


def other_python(folder: Path) -> Path:
    """Write a program `python` to the folder, which runs Python on one core of another computer."""
    has_avx512 = "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    processor = "EPYC-Rome" if has_avx512 else "Haswell"  # 512 kB and 4 MB of L2 cache
    core = min(os.sched_getaffinity(0))
    folder.mkdir()
    program = folder / "python"
    command = f'taskset -c {core} {QEMU} -cpu {processor} {sys.executable} "$@"'
    # NumPy's argsort for AVX2 is wrong in QEMU 7.2.
    setting = "export NPY_DISABLE_CPU_FEATURES=X86_V3"
    program.write_text(f"#!/bin/sh\n{setting}\nexec {command}\n", encoding="utf-8")
    program.chmod(0o755)
    return folder
