"""`compare` and `gate` on recorded predictions."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import clone, commit, complaint, git_project, pawprint, printed, replace, succeed

from pawprint.columns import JUDGED, PREDICTED_CLASSES, SPLIT
from pawprint.files import write_json
from pawprint.project import (
    CROSS_VALIDATION_CSV,
    FINETUNE_METRICS,
    PREDICTED_CSV,
    PREDICTIONS_CSV,
    SPLIT_CSV,
)
from pawprint.tables import read_table, tabulate, write_predictions, write_table

IMAGES = 200


def write(project: Path, wrong: set[int], images: range = range(IMAGES)) -> None:
    """Predictions of both splits in which the images of these numbers are wrong."""
    rows = [
        {
            "actual": ("cat", "dog")[number % 2],
            "predicted": ("cat", "dog")[(number + (number in wrong)) % 2],
            "image": f"{number:016x}",
        }
        for number in images
    ]
    for path in PREDICTED_CSV.values():
        write_table(project / path, pd.DataFrame(rows), PREDICTED_CLASSES)


# A stage whose outputs the tests write themselves, with a dependency that is not in Git.
DVC_YAML = """
stages:
  evaluate:
    cmd: python -m stages.evaluate
    deps: [data/code/evaluate.txt, models/served]
    params: [evaluate]
    plots:
      - plots/predictions.csv: {cache: false}
      - plots/predictions_validation.csv: {cache: false}
"""


def record(project: Path) -> None:
    """Write dvc.lock as after a run."""
    succeed("dvc", "commit", "--force", "evaluate", cwd=project)


@pytest.fixture
def project(committed) -> Iterator[Path]:
    yield committed
    succeed("git", "checkout", "-q", "--", ".", cwd=committed)


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Path:
    """Two commits, `old` with 20 wrong images and `new`, on main, with 5 of them."""
    project = git_project(tmp_path_factory.mktemp("compare") / "project", "{}")
    (project / "dvc.yaml").write_text(DVC_YAML)
    succeed("python", "-m", "stages.code", cwd=project)
    (project / "models" / "served").mkdir(parents=True)
    (project / "models" / "served" / "model.bin").write_bytes(b"weights")
    for tag, wrong in (("old", set(range(20))), ("new", set(range(5)))):
        write(project, wrong)
        record(project)
        commit(project, tag)
        succeed("git", "tag", tag, cwd=project)
    return project


def test_command_says_better_worse_or_not_significant(project):
    for arguments, verdict in (
        (("new", "old"), "old is worse than new"),
        (("new",), "both are correct on the same images"),  # the workspace is as new
    ):
        text = printed(project, "compare", *arguments)
        assert text.count(verdict) == 2  # test and validation
    assert "200/200" not in text
    assert "195/200 correct in new, 195/200 in workspace; 0 only in new" in text


TRIED = {"kept_epoch": 0, "initial_loss": 0.1}


@pytest.mark.parametrize(
    ("runs", "is_said"),
    [
        ((TRIED, TRIED), True),
        ((TRIED, TRIED | {"kept_epoch": 2}), False),
        ((TRIED, TRIED | {"initial_loss": 0.2}), False),  # another head
        (({"kept_epoch": 0}, {"kept_epoch": 0}), False),  # no fine-tuning
    ],
)
def test_equal_results_of_the_head_alone_are_explained(project, runs, is_said):
    """As of experiments whose fine-tuning was not kept."""
    name = " ".join(str(value) for metrics in runs for value in metrics.values())
    other = clone(project, f"kept {name}")
    (other / FINETUNE_METRICS).parent.mkdir()
    for seed, metrics in enumerate(runs):
        write_json(other / FINETUNE_METRICS, metrics | {"train_accuracy": seed})
        commit(other, f"Seed {seed}")
    text = printed(other, "compare", "HEAD~1", "HEAD")
    assert text.count("both are correct on the same images") == 2
    assert text.count("the head alone was kept in both") == 2 * is_said


def test_several_runs_are_compared_with_the_first_at_corrected_levels(project):
    text = printed(project, "compare", "old", "new", "workspace")
    assert text.count("new is better than old") == 2
    assert text.count("workspace is better than old") == 2
    assert text.count("98.75% interval") == 1  # of the first of four


def test_log_losses_and_training_images_are_compared_where_the_data_is_there(project):
    """Of experiments that are right on the same held-out images, and not on those of training."""
    other = clone(project, "with data")
    write_data(other, 0.6, set(range(12)))
    commit(other, "Less sure, with more errors in training")
    write_data(other, 0.9, set())
    commit(other, "Surer")
    text = printed(other, "compare", "HEAD~1", "HEAD")
    assert text.count("both are correct on the same images") == 2
    assert text.count("HEAD is better than HEAD~1") == 4  # two losses, two scores of training
    assert "training images: 188/200 correct in HEAD~1, 200/200 in HEAD" in text


def write_data(project: Path, probability: float, wrong: set[int]) -> None:
    """What `evaluate` and `train_extract` write; `wrong` are training images."""
    (project / "data" / "split").mkdir(parents=True, exist_ok=True)
    for split, path in PREDICTED_CSV.items():
        table = read_table(project / path, PREDICTED_CLASSES)
        values = np.linspace(-0.05, 0.05, IMAGES) + probability
        of_dog = np.where(table["predicted"] == "dog", values, 1 - values)
        rows = table.assign(
            label=table["actual"], path=table["image"], pixels_sha256=table["image"]
        )
        both = np.stack([1 - of_dog, of_dog], axis=1)
        predictions = tabulate(rows, both, (of_dog > 0.5).astype(int), ["cat", "dog"])
        write_predictions(project / PREDICTIONS_CSV[split], predictions)
    values[list(wrong)] = 1 - values[list(wrong)]
    other = rows["label"].map({"cat": "dog", "dog": "cat"})
    judged = rows.assign(likely=other, probability=values, likely_probability=1 - values)
    write_table(project / CROSS_VALIDATION_CSV, judged, JUDGED)
    images = rows.assign(split="train", group=rows["path"])
    write_table(project / SPLIT_CSV, images, SPLIT)
    succeed("git", "add", "--force", "data", cwd=project)


def test_gate_fails_only_for_significantly_worse_results(project):
    write(project, set(range(20)))
    record(project)
    result = pawprint(project, "gate", "new")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "gate: failed: worse than new on test and validation"
    write(project, set(range(7)))  # two more errors may be by chance
    record(project)
    assert printed(project, "gate", "new").splitlines()[-1] == "gate: passed"


@pytest.mark.parametrize(
    ("changed", "name", "before", "after"),
    [
        ("params.yaml evaluate", "params.yaml", "confidence: 0.95", "confidence: 0.9"),
        ("code of evaluate", "pawprint/scores/metrics.py", "import numpy", "x = 1\nimport numpy"),
        ("plots/predictions.csv", "plots/predictions.csv", "cat,dog", "cat,cat"),
    ],
)
def test_results_of_other_params_code_or_predictions_are_refused(
    project, changed, name, before, after
):
    replace(project / name, before, after)
    line = complaint(project, "gate", "new")
    assert line.startswith("workspace: expected the results of its params and code.")
    assert f"changes since the last run: {changed}." in line


def test_gate_needs_no_data_and_no_remote(project):
    other = clone(project)
    assert not (other / "models").exists()
    assert printed(other, "gate", "old")


def test_other_test_images_are_refused_with_the_reason(project):
    write(project, set(), range(3, IMAGES + 1))
    record(project)
    line = complaint(project, "gate", "new")
    assert line.startswith("new and workspace: expected the same test images and labels.")
    assert "3 only in new, 1 only in workspace, 0 with another label" in line


@pytest.mark.parametrize(
    ("wrong", "status"), [(set(range(10, 30)), 1), (set(range(IMAGES, IMAGES + 20)), 0)]
)
def test_gate_of_common_images_fails_only_for_results_worse_on_these(project, wrong, status):
    write(project, set(range(5)) | wrong, range(IMAGES + 20))
    record(project)
    assert pawprint(project, "gate", "new").stdout == ""
    result = pawprint(project, "gate", "new", "--common")
    assert (result.returncode, result.stderr) == (status, "")
    assert "test: 200 common images, of 200 of new, 220 of workspace" in result.stdout
    assert ("workspace is worse than new" in result.stdout) == bool(status)


@pytest.mark.parametrize("rev", ["nothing", ""])
def test_revision_without_predictions_is_one_line(project, rev):
    line = complaint(project, "gate", rev)
    assert line.startswith(f"{rev}: expected a commit, branch, tag or experiment with plots/")
