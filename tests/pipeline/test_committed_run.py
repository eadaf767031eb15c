"""Test a committed run: which stages run again after a change, remotes, and merging.

DVC's own tests cover what it promises about its remotes, its cache and its errors.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from changed_params import TOGETHER_WITH, changed_values, expected_stages
from conftest import (
    AFTER_FINETUNING,
    SAMPLE_WEIGHTS,
    TINY,
    change,
    clone,
    commit,
    git_project,
    printed,
    repro,
    run,
    succeed,
)
from networks import save_weights

from pawprint.files import md5_of_folder, pack
from pawprint.network.keras_backbone import application
from pawprint.params.model import Params
from pawprint.recipes.demo import draw_dataset
from pawprint.yaml_file import read_yaml

WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{}_no_top.h5"
pytestmark = pytest.mark.slow
PARAMS = [
    f"{section}.{key}"
    for section, field in Params.model_fields.items()
    for key in field.annotation.model_fields
    if key != "onnx"  # requires a file; see stages/test_onnx_backbone.py
]
# These tests are fast; the others are marked as slow.
TESTED = ("weights.sha256", "clean.labels")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Iterator[Path]:
    """Return a project with a committed tiny run; next to it are images and a KERAS_HOME."""
    folder = tmp_path_factory.mktemp("committed")
    images = dict(draw_dataset(train=12, validation=8))
    dates = pd.date_range("2026-01-01", periods=len(images)).strftime("%Y-%m-%d")
    rows = [f"{path},{Path(path).parent.name},{date}" for path, date in zip(images, dates)]
    table = "\n".join(["file_name,label,taken", *rows])
    pack(folder / "images.zip", [*images.items(), ("metadata.csv", table.encode())])
    pack(folder / "others.zip", draw_dataset(train=12, validation=8, seed=8))
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


@pytest.fixture
def restored(workspace):
    yield
    succeed("git", "reset", "-q", "--hard", cwd=workspace)
    succeed("dvc", "checkout", "-q", cwd=workspace)


@pytest.mark.parametrize(
    "param",
    [
        param if param in TESTED else pytest.param(param, marks=pytest.mark.extended)
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


def test_run_ends_with_the_verdict_of_compare_with_the_last_commit(workspace, restored):
    change(workspace, "{calibrate: {temperature: false}, train_finetune: {epochs: {number: 2}}}")
    lines = succeed("dvc", "repro", cwd=workspace).splitlines()
    changed = (
        "Since the last commit: train_finetune.epochs.number: 3 → 2, "
        "train_finetune.epochs.learning_rate: 0.001 → not set, "
        "train_finetune.epochs.keep_best: false → not set, calibrate.temperature: true → false"
    )
    verdict = printed(workspace, "compare", "HEAD").splitlines()[0]
    for name, said in (("HEAD", "the last commit"), ("workspace", "this run")):
        verdict = verdict.replace(name, said)
    after = lines[lines.index(changed) + 1]
    assert after.lower() == verdict.lower()


@pytest.mark.extended
def test_queued_sweep_runs_in_dvcs_own_folders(workspace):
    """Also, `1e-6` is read as a number."""
    sweep = ("evaluate", "-S", "calibrate.max_error=1e-6,0.8")
    queued = run("dvc", "exp", "run", "--queue", "--allow-missing", *sweep, cwd=workspace)
    assert queued.stdout.count("Queued experiment") == 2, queued.stderr
    succeed("dvc", "exp", "run", "--run-all", cwd=workspace)
    entries = json.loads(run("dvc", "exp", "show", "--json", cwd=workspace).stdout)
    (head,) = (entry for entry in entries if entry["experiments"])
    levels = set()
    for experiment in head["experiments"]:
        data = experiment["revs"][0]["data"]
        levels.add(data["params"]["params.yaml"]["data"]["calibrate"]["max_error"])
        assert data["metrics"]["metrics/evaluate.json"]["data"]["test"]["accuracy"] > 0
    assert levels == {1e-6, 0.8}


@pytest.fixture
def origin(workspace, tmp_path) -> Path:
    """Return the project, pushed to an empty remote in a folder."""
    project = shutil.copytree(workspace, tmp_path / "project")
    url = str(tmp_path / "remote")
    succeed("dvc", "remote", "add", "--default", "storage", url, cwd=project)
    succeed("git", "commit", "-qam", "Remote", cwd=project)
    assert "files pushed" in succeed("dvc", "push", cwd=project)
    return project


@pytest.mark.parametrize(
    ("changed", "stages", "pulled", "left_out"),
    [
        pytest.param(
            "train_finetune: {epochs: {number: 3, learning_rate: 0.02}}",
            AFTER_FINETUNING,
            "data/features/train/shard-0.npy",
            "models/extractor",
            marks=pytest.mark.extended,
        ),
        (
            "calibrate: {recall: {dog: 0.5}}",
            expected_stages("calibrate.recall"),
            "data/outputs/test.npz",
            "data/features",
        ),
    ],
    ids=["train_finetune", "calibrate"],
)
def test_change_in_an_empty_clone_pulls_only_what_it_needs(
    origin, changed, stages, pulled, left_out
):
    second = clone(origin, "change")
    assert "no stage's code changed" in succeed("python", "-m", "stages.code", cwd=second)
    change(second, changed)
    assert repro(second, "--pull", "--allow-missing") == stages
    assert (second / pulled).is_file()
    assert not (second / left_out).exists()
    recorded = read_yaml(second / "dvc.lock")["stages"]
    md5 = md5_of_folder(second / "models" / "served")
    assert md5 in [out["md5"] for out in recorded["evaluate"]["outs"]]
    assert md5 in [dep["md5"] for dep in recorded["plot"]["deps"]]
    before = read_yaml(origin / "dvc.lock")["stages"]
    assert recorded["features"] == before["features"]  # features may be partly present
    assert repro(second, "--pull", "--allow-missing") == []


def test_pulled_clone_of_a_project_without_unknown_photos_runs(workspace, origin, tmp_path):
    """DVC does not track empty folders, so the features of unknown photos have a file."""
    shutil.copy(workspace.parent / "images.zip", tmp_path)
    second = clone(origin, "pulled")
    succeed("dvc", "pull", cwd=second)
    assert (second / "data/features/unknown/shard-0.npy").is_file()
    assert repro(second) == []
    succeed("dvc", "repro", "--force", "--single-item", "predict", cwd=second)
    assert succeed("dvc", "status", cwd=second).strip() == "Data and pipelines are up to date."


RESULTS = ("dvc.lock", "metrics", "plots", "docs/model_card.md")


@pytest.mark.extended
def test_two_branches_are_merged(workspace, tmp_path):
    """This is the procedure in docs/sharing.md: take the results of one side, then `dvc repro`."""
    project = shutil.copytree(workspace, tmp_path / "project")
    shutil.copy(workspace.parent / "images.zip", tmp_path)
    succeed("git", "branch", "other", cwd=project)
    for branch, changes, first in (
        ("main", "calibrate: {temperature: false}", "evaluate"),
        ("other", "train_finetune: {epochs: {number: 3, seed: 2}}", "train_finetune"),
    ):
        succeed("git", "checkout", "-q", branch, cwd=project)
        succeed("dvc", "checkout", cwd=project)
        change(project, changes)
        assert repro(project)[0] == first
        succeed("git", "commit", "-qam", changes, cwd=project)
    succeed("git", "checkout", "-q", "main", cwd=project)
    merge = run("git", "merge", "other", cwd=project)
    assert merge.returncode != 0
    for name in ("dvc.lock", "docs/model_card.md"):  # and metrics, if they differ
        assert f"Merge conflict in {name}" in merge.stdout

    succeed("git", "checkout", "HEAD", "--", *RESULTS, cwd=project)
    succeed("dvc", "checkout", cwd=project)
    assert repro(project)[0] == "evaluate"  # the training of `other` is in the cache
    succeed("git", "add", "params.yaml", *RESULTS, cwd=project)
    succeed("git", "commit", "-qm", "Merge other", cwd=project)
    assert succeed("git", "status", "--porcelain", cwd=project) == ""
    assert repro(project) == []
    assert len(succeed("git", "log", "--format=%p", "-1", cwd=project).split()) == 2
