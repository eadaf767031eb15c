"""`dvc.yaml` lists what each stage reads and writes, and its fingerprint every module it imports.

A file that a stage reads but does not list would leave stale results behind. So each stage runs for
real, on small data,
- under an audit hook that writes down every file of the project that it opens (test_pipeline.py);
- in a folder that holds nothing but its dependencies, with other values for all params that it
  does not list: its outputs must be the same bytes. This also holds readers in C and C++, which the
  hook does not see.
"""

import json
import shutil
from pathlib import Path

import pytest
from changed_params import changed_values
from conftest import SAMPLE_SHA256, SAMPLE_WEIGHTS, git_project, repro
from dependencies import PARAMS, run_stage, with_dependencies_only
from dvc_yaml import OUTPUTS, STAGES, params_of
from kills import fingerprint

from pawprint.recipes.overlay import overlay
from pawprint.recipes.sample.drawings import write_archive

pytestmark = pytest.mark.slow
# Of two params that exclude each other both differ from CHANGED.
SMALL = f"""
fetch: {{source: ../images.zip}}
weights: {{source: {SAMPLE_WEIGHTS}, sha256: {SAMPLE_SHA256}}}
model: {{image_size: 96}}
augment: {{views: 2}}
train_extract: {{optimizer: adam, epochs: 1, learning_rate: 0.001, learning_rate_decay: cosine,
  batch_size: 32, views_per_epoch: one, keep_best: false, seed: 1}}
train_finetune: {{epochs: 1, keep_best: false}}
calibrate: {{threshold: 0.5}}
"""
CHANGED = {
    "clean.labels": {"a": ["a"], "b": ["b"]},
    "train_extract.learning_rate_decay": None,
    "calibrate.threshold": None,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project in which the pipeline has run."""
    folder = tmp_path_factory.mktemp("dependencies")
    write_archive(folder / "images.zip", train=8, validation=6)
    project = git_project(folder / "project", SMALL)
    assert repro(project)
    return project


def other_values_for_all_but(project: Path, listed: set[str]) -> str:
    """params.yaml of the run with a changed value for every param that is not listed."""
    changes: dict[str, dict] = {}
    for name, value in (changed_values(project) | CHANGED).items():
        if name not in listed:
            section, _, key = name.partition(".")
            changes.setdefault(section, {})[key] = value
    before = (project / PARAMS).read_text(encoding="utf-8")
    return overlay(before, json.dumps(changes))  # which is YAML


@pytest.fixture
def alone(project, tmp_path, stage) -> Path:
    """A folder with what a stage lists, and other values of all params that it does not list."""
    alone = with_dependencies_only(project, stage, tmp_path / "project")
    shutil.copy(project.parent / "images.zip", tmp_path)
    params = other_values_for_all_but(project, params_of(STAGES[stage]))
    (alone / PARAMS).write_text(params, encoding="utf-8")
    return alone


@pytest.mark.parametrize("stage", STAGES)
def test_stage_needs_nothing_but_what_it_lists(project, alone, stage):
    result = run_stage(alone, stage)
    assert result.returncode == 0, result.stderr
    assert fingerprint(alone, OUTPUTS[stage]) == fingerprint(project, OUTPUTS[stage])
