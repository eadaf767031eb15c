"""Exactly the stages that a change touches run again: every param, with real `dvc repro`."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from changed_params import TOGETHER_WITH, changed_values, expected_stages
from conftest import (
    AFTER_FINETUNING,
    SAMPLE_WEIGHTS,
    TINY,
    change,
    commit,
    git_project,
    repro,
    run,
    succeed,
)
from networks import save_weights

from pawprint.files import pack
from pawprint.network.backbone import application
from pawprint.params.whole import Params
from pawprint.recipes.sample.drawings import drawn_dataset

WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{}_no_top.h5"
pytestmark = pytest.mark.slow
PARAMS = [
    f"{section}.{key}"
    for section, field in Params.model_fields.items()
    for key in field.annotation.model_fields
    if key != "onnx"  # needs a file: stages/test_onnx_backbone.py
]
# One of each section is a slow test; the others are extended tests.
LAST = {param.split(".")[0]: param for param in PARAMS}.values()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Iterator[Path]:
    """A project in which a tiny run is committed; beside it images, and a KERAS_HOME."""
    folder = tmp_path_factory.mktemp("staleness")
    pack(folder / "images.zip", drawn_dataset(train=12, validation=8))
    pack(folder / "others.zip", drawn_dataset(train=12, validation=8, seed=8))
    published = folder / "keras" / "models"
    published.mkdir(parents=True)
    for name in ("0.35_96", "0.35_128"):
        shutil.copy(SAMPLE_WEIGHTS, published / WEIGHTS.format(name))
    save_weights(application("MobileNetV2", 0.5, 96), published / WEIGHTS.format("0.5_96"))
    save_weights(application("MobileNet", 0.5, 96), published / "mobilenet_5_0_224_tf_no_top.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(folder / "keras"))
        project = git_project(folder / "project", TINY)
        assert repro(project)
        commit(project, "Tiny run")
        yield project


def restore(workspace: Path) -> None:
    succeed("git", "reset", "-q", "--hard", cwd=workspace)
    succeed("dvc", "checkout", "-q", cwd=workspace)


@pytest.fixture
def restored(workspace):
    yield
    restore(workspace)


@pytest.mark.parametrize(
    "param",
    [
        param if param in LAST else pytest.param(param, marks=pytest.mark.extended)
        for param in PARAMS
    ],
)
def test_change_reruns_exactly_the_stages_that_it_affects(workspace, restored, param):
    section, key = param.split(".")
    changes = {key: changed_values(workspace)[param]} | TOGETHER_WITH.get(param, {})
    before = (workspace / "params.yaml").read_bytes()
    change(workspace, json.dumps({section: changes}))
    assert (workspace / "params.yaml").read_bytes() != before
    ran = repro(workspace)
    assert sorted(ran) == sorted(expected_stages(param))


def test_everything_made_again_is_the_same_bytes(workspace):
    assert len(repro(workspace, "--force")) == 13
    assert run("git", "status", "--porcelain", cwd=workspace).stdout == ""


def test_nothing_runs_after_going_back_to_a_commit(workspace, restored):
    """DVC stages no file in Git, so that `git checkout` takes dvc.lock back, too."""
    # A value that no other test has, or DVC would take the model from its cache.
    change(workspace, "train_finetune: {learning_rate: 0.00123}")
    assert repro(workspace) == AFTER_FINETUNING
    run("git", "checkout", "--", ".", cwd=workspace)
    run("dvc", "checkout", cwd=workspace)
    assert repro(workspace) == []
    assert run("git", "status", "--porcelain", cwd=workspace).stdout == ""


def test_experiments_and_a_queued_sweep_run_from_dvcs_own_folders(workspace):
    """Relative sources are found there too, and `1e-6` arrives as a number."""
    changes = ("-S", "train_finetune.learning_rate=1e-6", "-S", "model.alpha=0.5")
    succeed("dvc", "exp", "run", "-n", "wider", *changes, cwd=workspace)
    restore(workspace)
    sweep = ("-S", "train_finetune.learning_rate=0.002,0.003", "-S", "model.alpha=0.5")
    queued = run("dvc", "exp", "run", "--queue", "--allow-missing", *sweep, cwd=workspace)
    assert queued.stdout.count("Queued experiment") == 2, queued.stderr
    succeed("dvc", "exp", "run", "--run-all", cwd=workspace)
    shown = json.loads(run("dvc", "exp", "show", "--json", cwd=workspace).stdout)
    (head,) = (each for each in shown if each["experiments"])
    rates = set()
    for experiment in head["experiments"]:
        data = experiment["revs"][0]["data"]
        rates.add(data["params"]["params.yaml"]["data"]["train_finetune"]["learning_rate"])
        assert data["metrics"]["metrics/evaluate.json"]["data"]["test"]["accuracy"] > 0
    assert rates == {1e-6, 0.002, 0.003}
