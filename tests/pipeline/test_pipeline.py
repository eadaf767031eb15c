"""Test the pipeline as its users run it: real `dvc repro`, real stages, real processes."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import PROJECT, SAMPLE_WEIGHTS, TINY, change, overlay, repro, run, succeed
from dependencies import opened, surprises, with_dependencies_only
from dvc_yaml import OUTPUTS, STAGES, params_of
from kills import fingerprint, start

from examples.demo import ARCHIVE, draw_dataset, prepare, write_archive
from pawprint.base import paths
from pawprint.base.columns import HISTORY
from pawprint.base.files import pack
from pawprint.base.tables import read_table
from pawprint.base.yaml_file import parse_yaml
from pawprint.commands.params_file import recipe_values, set_values
from pawprint.given.archive import members, open_archive, read_member

PARAMS = (PROJECT / "params.yaml").read_text(encoding="utf-8")
# Another value for each param. Each is valid for a stage that does not read the param.
OTHER_VALUES = """
fetch: {source: ../others.zip}
weights: {source: imagenet, sha256: FFFF}
clean: {rule: jfif, bits: 12, labels: {a: [a], b: [b]}}
split:
  seed: 2
  validation_fraction: 0.3
  test_fraction: 0.4
  group: "([0-9]+)[.]jpg"
  near_duplicate_distance: 0
  use_archive_split: false
model:
  backbone: MobileNet
  alpha: 0.5
  image_size: 128
  resize: stretch
  pooling: flatten
  features: last
  fine_tune_at: -24
augment:
  views: 3
  keep_original: false
  RandomFlip: {mode: vertical}
  RandomRotation: {factor: 0.2}
  RandomZoom: {height_factor: 0.1}
  RandomShear: {x_factor: 0.1}
  seed: 2
head: {dense: {units: 4}, dropout: 0.5, output: logits}
hardware: {devices: cpu, threads: 1, precision: float32}
train_extract: {class_weight: balanced, epochs: {number: 4}}
train_finetune: {class_weight: balanced, epochs: {number: 3, learning_rate: 0.01, seed: 2}}
calibrate: {temperature: false, threshold: null, recall: {a: 0.1}, max_error: 0.9}
""".replace("FFFF", "f" * 64)


def metrics(workspace: Path, name: str) -> dict:
    return json.loads((workspace / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("stage", STAGES)
def test_stage_opens_only_what_it_lists(tiny_run, stage):
    record = tiny_run.parent / "records" / f"{stage}.txt"
    assert f"stages/{stage}.py" in opened(record)[0]
    assert surprises(tiny_run, stage, record) == set()
    assert STAGES[stage]["cmd"] == f"python -m stages.{stage}"
    assert stage == "code" or f"data/code/{stage}.txt" in STAGES[stage]["deps"]


@pytest.mark.extended
@pytest.mark.parametrize("stage", STAGES)
def test_stage_needs_nothing_but_the_files_and_params_that_it_lists(tiny_run, tmp_path, stage):
    """This covers readers in C and C++, which the hook does not see. Heads train in epochs."""
    alone = with_dependencies_only(tiny_run, stage, tmp_path / "workspace")
    shutil.copy(tiny_run.parent / "images.zip", tmp_path)
    changes = parse_yaml(OTHER_VALUES, "")
    for param in params_of(STAGES[stage]):
        section, _, key = param.partition(".")
        changes[section].pop(key, None)
    made = []
    for each in (f"{TINY}weights: {{source: {SAMPLE_WEIGHTS}}}", json.dumps(changes)):
        change(alone, each)  # JSON is valid YAML
        result = run("python", "-m", f"stages.{stage}", cwd=alone)
        assert result.returncode == 0, result.stderr
        made.append(fingerprint(alone, OUTPUTS[stage]))
    assert made[0] == made[1] != {}


@pytest.mark.parametrize(
    ("stage", "unused"),
    [
        ("features", {"openvino", "dvc"}),  # no row is missing
        ("train_finetune", {"pandas", "keras"}),  # nothing is tuned
        ("plot", {"scipy", "sklearn", "openvino"}),
    ],
)
def test_stage_imports_what_its_work_needs(tiny_copy, stage, unused):
    code = f"import sys; from stages import {stage} as stage; stage.main(); print(*sys.modules)"
    *_, imported = succeed("python", "-c", code, cwd=tiny_copy).splitlines()
    assert not unused & set(imported.split())


RUN_STAGES = """
import importlib, sys
import pandas
pandas.options.mode.string_storage = sys.argv[1]
for name in sys.argv[2:]:
    if finish := importlib.import_module(f"stages.{name}").main():
        finish()
"""


def test_strings_in_arrow_as_with_the_extras_change_no_byte(tiny_copy):
    """Each photo has a group of metadata.csv and of split.group, some with the same text."""
    pytest.importorskip("pyarrow", reason="install the `app` extra")
    photos = [*draw_dataset(train=20, validation=0)]
    rows = [
        f"{name},{Path(name).name[:3]},{n % 14:02},{n % 3}" for n, (name, _) in enumerate(photos)
    ]
    table = "\n".join(["file_name,label,group,camera", *rows]).encode()
    pack(tiny_copy.parent / "images.zip", [*photos, ("metadata.csv", table)])
    change(tiny_copy, 'clean: {labels: auto}\nsplit: {group: "00([0-9]+)[.]"}')
    stages = [name for name in STAGES if name not in ("code", "backbone")]
    made = []
    for storage in ("python", "pyarrow"):
        succeed("python", "-c", RUN_STAGES, storage, *stages, cwd=tiny_copy)
        made.append(fingerprint(tiny_copy, sorted(set().union(*map(OUTPUTS.get, stages)))))
    assert made[0] == made[1]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="groups of processes as in POSIX")
def test_killed_run_computes_no_finished_features_again_and_ends_with_the_same_bytes(tiny_copy):
    change(tiny_copy, "augment: {views: 60}")  # which takes seconds
    kept, lock = tiny_copy / paths.INTERRUPTED_FEATURES, tiny_copy / paths.LOCK
    lock.unlink()
    with start(tiny_copy, "features") as process:
        while not list(kept.rglob("train/*/shard-*")):  # those of other splits may be empty
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.01)
                pytest.fail("the run ended before it was killed")
        os.killpg(process.pid, signal.SIGKILL)
    assert " 0 reused" not in succeed("dvc", "repro", "features", cwd=tiny_copy)
    assert not kept.exists()
    before = fingerprint(tiny_copy, ["data"])
    lock.unlink()
    assert " 0 reused" in succeed("python", "-m", "stages.features", cwd=tiny_copy)
    assert fingerprint(tiny_copy, ["data"]) == before


def test_dvc_shows_metrics_and_plots(tiny_run, tmp_path):
    shown = json.loads(succeed("dvc", "metrics", "show", "--json", cwd=tiny_run))
    for stage in ("evaluate", "train_extract"):
        assert shown[""]["data"][f"metrics/{stage}.json"]["data"] == metrics(tiny_run, stage)
    succeed("dvc", "plots", "show", "--out", str(tmp_path / "plots"), cwd=tiny_run)
    html = (tmp_path / "plots" / "index.html").read_text(encoding="utf-8")
    for title in ("Accuracy", "Loss", "ROC", "Confusion matrix", "Recall"):
        assert title in html
    assert '"title": "step"' not in html  # how DVC labels the x axis of an unknown table


@pytest.mark.slow
def test_sample_learns_more_in_fine_tuning(tmp_path):
    prepare(tmp_path, set_values(PARAMS, recipe_values("sample")))
    write_archive(tmp_path / ARCHIVE)
    repro(tmp_path, "evaluate")
    evaluated = metrics(tmp_path, "evaluate")
    head = read_table(tmp_path / paths.EXTRACT_HISTORY_CSV, HISTORY)
    of_head = head.loc[head["kept"], "validation_accuracy"].iloc[0]
    assert 0.7 < of_head < evaluated["validation"]["accuracy"]
    assert evaluated["test"]["accuracy"] >= 0.9


@pytest.mark.slow
def test_fifth_of_the_real_photos_is_enough_for_nearly_the_published_accuracy(mirror, tmp_path):
    prepare(tmp_path, overlay(PARAMS, "fetch: {source: photos.zip}\naugment: {views: 2}"))
    with open_archive(mirror / "cats_and_dogs_filtered.zip") as archive:
        names = members(archive)[::5]
        pack(tmp_path / "photos.zip", ((name, read_member(archive, name)) for name in names))
    real = {"PAWPRINT_MIRROR": str(mirror), "KERAS_HOME": str(mirror / "keras")}
    repro(tmp_path, "evaluate", **real)
    evaluated = metrics(tmp_path, "evaluate")
    assert evaluated["validation"]["accuracy"] >= 0.94
    assert evaluated["test"]["accuracy"] >= 0.92
