"""Test the promise of docs/pipeline.md: another processor, with fewer cores, writes the same bytes.

On a processor with AVX-512, the other one has AVX2. Otherwise, the other one's kernels are older.
"""

import os
import sys

import pytest
from conftest import OFFLINE, PROJECT, succeed
from other_computer import hashes, on_cores, other_computer

from pawprint.files import pack, read_json
from pawprint.params.file import overlay
from pawprint.recipes.demo import FOOD, draw_collection, prepare

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the promise is for Linux"),
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


def test_another_processor_with_one_core_writes_the_same_bytes(tmp_path, monkeypatch):
    environment = other_computer(monkeypatch)
    pictures = draw_collection(FOOD, PICTURES)
    pack(tmp_path / "images.zip", ((f"{label}/{name}.jpg", data) for label, name, data in pictures))
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    for changes in (OFFLINE, PARAMS):
        params = overlay(params, changes)
    written = []
    for cores, changes in ((os.cpu_count() or 1, {}), (1, environment)):
        project = tmp_path / f"{len(written)}"
        project.mkdir()
        prepare(project, params)
        with on_cores(cores):
            succeed("dvc", "repro", cwd=project, **changes)
        written.append(hashes(project))
    assert written[0] == written[1]
    chosen = read_json(project / "data" / "cross_validation.json")
    assert {"blocks_loss_change", "views_loss_change"} <= chosen.keys()
    served = read_json(project / "models" / "served" / "model.json")
    assert served["thresholds"] and served["unknown_threshold"]
