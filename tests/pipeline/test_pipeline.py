"""Test the pipeline as its users run it: real `dvc repro`, real stages, real processes."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, change, environment_with, replace, repro, run, succeed
from dependencies import opened, recording, run_stage, surprises, with_dependencies_only
from dvc_yaml import OUTPUTS, STAGES, params_of
from kills import SAMPLE, Undisturbed, fingerprint, recover

from examples.demo import ARCHIVE, prepare, write_archive
from pawprint.base import paths
from pawprint.base.columns import HISTORY, UNKNOWN_SCORE
from pawprint.base.files import pack
from pawprint.base.tables import read_table
from pawprint.base.yaml_file import parse_yaml
from pawprint.commands.params_file import overlay
from pawprint.given.archive import members, open_archive, read_member
from pawprint.given.reading import open_image
from pawprint.model.predictor import load_predictor
from pawprint.scores.prediction_table import probabilities_in, read_probabilities

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
hardware: {devices: cpu, threads: 1, precision: mixed_bfloat16}
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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Undisturbed:
    """Return a run that trains in epochs, and writes records of what it opened to its folder."""
    folder = tmp_path_factory.mktemp("small")
    return Undisturbed(folder, **recording(folder / "records"))


@pytest.mark.extended
@pytest.mark.parametrize("stage", STAGES)
def test_stage_needs_nothing_but_what_it_lists(undisturbed, tmp_path, stage):
    """This covers readers in C and C++, which the hook does not see."""
    small, folder = undisturbed.workspace, undisturbed.folder
    assert surprises(small, stage, folder / "records" / f"{stage}.txt") == set()
    alone = with_dependencies_only(small, stage, tmp_path / "workspace")
    shutil.copy(folder / "images.zip", tmp_path)
    changes = parse_yaml(OTHER_VALUES, "")
    for param in params_of(STAGES[stage]):
        section, _, key = param.partition(".")
        changes[section].pop(key, None)
    change(alone, json.dumps(changes))  # JSON is valid YAML
    result = run_stage(alone, stage)
    assert result.returncode == 0, result.stderr
    assert fingerprint(alone, OUTPUTS[stage]) == fingerprint(small, OUTPUTS[stage])


@pytest.mark.extended
@pytest.mark.skipif(os.name != "posix", reason="groups of processes as in POSIX")
def test_run_that_was_killed_again_and_again_ends_with_the_same_bytes(undisturbed):
    assert recover(undisturbed, kills=3, seed=1) == 3


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


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="groups of processes as in POSIX")
def test_killed_stage_computes_no_finished_features_again(tiny_copy):
    change(tiny_copy, "augment: {views: 60}")  # which takes seconds
    (tiny_copy / paths.LOCK).unlink()
    kept, command = tiny_copy / paths.INTERRUPTED_FEATURES, ("python", "-m", "stages.features")
    with subprocess.Popen(
        command, cwd=tiny_copy, env=environment_with(), start_new_session=True
    ) as process:
        while not list(kept.rglob("train/*/shard-*")):  # those of other splits may be empty
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.01)
                pytest.fail("the stage ended before it was killed")
        os.killpg(process.pid, signal.SIGKILL)
    assert " 0 reused" not in succeed(*command, cwd=tiny_copy)
    assert not kept.exists()
    before = fingerprint(tiny_copy, ["data/features"])
    assert " 0 reused" in succeed(*command, cwd=tiny_copy)
    assert fingerprint(tiny_copy, ["data/features"]) == before


def test_served_model_gives_what_was_evaluated_for_photos_decoded_anew(tiny_run):
    predictor = load_predictor(tiny_run / paths.SERVED_MODEL)
    table = read_probabilities(tiny_run / paths.PROBABILITIES_CSV["test"])
    with open_archive(tiny_run / paths.RAW_ARCHIVES) as archive:
        predicted = [predictor.predict(open_image(archive, path)) for path in table["path"]]
    probabilities = np.array([prediction.probabilities for prediction in predicted])
    assert probabilities == pytest.approx(probabilities_in(table), abs=2e-6)
    scores = [prediction.unknown_score for prediction in predicted]
    assert scores == pytest.approx(table[UNKNOWN_SCORE], abs=2e-6)


def test_dvc_shows_metrics_and_plots(tiny_run, tmp_path):
    shown = json.loads(succeed("dvc", "metrics", "show", "--json", cwd=tiny_run))
    for stage in ("evaluate", "train_extract"):
        assert shown[""]["data"][f"metrics/{stage}.json"]["data"] == metrics(tiny_run, stage)
    succeed("dvc", "plots", "show", "--out", str(tmp_path / "plots"), cwd=tiny_run)
    html = (tmp_path / "plots" / "index.html").read_text(encoding="utf-8")
    for title in ("Accuracy", "Loss", "ROC", "Confusion matrix", "Recall"):
        assert title in html
    assert '"title": "step"' not in html  # how DVC labels the x axis of an unknown table


def test_mistake_in_a_param_is_one_line_and_leaves_nothing_half_written(tiny_copy):
    replace(tiny_copy / "params.yaml", "[dog, dogs]", "[wolf]")
    result = run("dvc", "repro", cwd=tiny_copy)
    assert result.returncode != 0
    assert "images.zip: expected a folder or label named wolf" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert not list(tiny_copy.rglob(".*.part*"))


@pytest.mark.slow
def test_sample_learns_more_in_fine_tuning(tmp_path):
    prepare(tmp_path, SAMPLE)
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
