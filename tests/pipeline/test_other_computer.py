"""Test the promise of docs/pipeline.md: another computer, with one core, writes the same bytes.

QEMU emulates its processor, with other instructions and another size of L2 cache, both of which
libraries look at to choose how they compute.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest
from conftest import OFFLINE, PROJECT, succeed

from pawprint.files import pack, read_json
from pawprint.params.file import overlay
from pawprint.recipes.demo import FOOD, draw_collection, prepare

QEMU = shutil.which("qemu-x86_64")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not QEMU or sys.platform != "linux", reason="needs qemu-user on Linux"),
]
PICTURES = 40  # per class
PARAMS = """
fetch: {source: ../images.zip}
clean: {labels: auto}
model: {image_size: 96, fine_tune_at: null, features: auto}
augment: {views: 2}
train_extract: {epochs: null}
calibrate: {temperature: true, recall: {hotdog: 0.9}, unknown_quantile: 0.9}
"""
COMPUTING = ("features", "train_extract", "train_finetune", "predict", "evaluate")


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
    shutil.rmtree(project / "data" / "features")  # rows would be reused
    folders = (other_python(tmp_path / "bin"), os.environ["PATH"])
    options = ("--force", "--single-item", *COMPUTING)
    succeed("dvc", "repro", *options, cwd=project, PATH=os.pathsep.join(map(str, folders)))
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
    program.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    program.chmod(0o755)
    return folder
