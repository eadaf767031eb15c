"""Test `compare` on recorded predictions."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import (
    clone,
    commit,
    complaint,
    git_init,
    git_project,
    pawprint,
    printed_here,
    replace,
    succeed,
    write_files,
)

from pawprint.files import write_json
from pawprint.paths import (
    CROSS_VALIDATION_CSV,
    CROSS_VALIDATION_JSON,
    FINETUNE_HISTORY_CSV,
    PREDICTED_CLASSES_CSV,
    PROBABILITIES_CSV,
    SPLIT_CSV,
)
from pawprint.scores.prediction_table import tabulate, write_probabilities
from pawprint.tables import HISTORY, JUDGED, PREDICTED_CLASSES, SPLIT, read_table, write_table

IMAGES = 200


def write(project: Path, wrong: set[int], images: range = range(IMAGES)) -> None:
    """Write predictions for both splits in which the images with these numbers are wrong."""
    rows = [
        {
            "actual": ("cat", "dog")[number % 2],
            "predicted": ("cat", "dog")[(number + (number in wrong)) % 2],
            "image": f"{number:016x}",
            "loss": 2.5 if number in wrong else 0.1,
        }
        for number in images
    ]
    for path in PREDICTED_CLASSES_CSV.values():
        write_table(project / path, pd.DataFrame(rows), PREDICTED_CLASSES)


# A stage with outputs that the tests write themselves, and a dependency that is not in Git.
DVC_YAML = """
stages:
  evaluate:
    cmd: python -m stages.evaluate
    deps: [data/code/evaluate.txt, models/served]
    params: [calibrate]
    plots:
      - plots/predictions.csv: {cache: false}
      - plots/predictions_validation.csv: {cache: false}
"""


def record(project: Path) -> None:
    """Write dvc.lock as a run would."""
    succeed("dvc", "commit", "--force", "evaluate", cwd=project)


@pytest.fixture
def project(committed) -> Iterator[Path]:
    yield committed
    succeed("git", "checkout", "-q", "--", ".", cwd=committed)


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Path:
    """Return a project with commits `old`, with 20 wrong images, and `new`, on main, with 5."""
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


def test_one_sentence_says_better_worse_or_identical(project):
    for arguments, verdict in (
        (("new", "old"), "old is worse than new: log loss "),
        (("old", "new"), "new is better than old: log loss "),
        (("new",), "The predictions of new and workspace are identical on all 400 images"),
    ):
        lines = printed_here(project, "compare", *arguments).splitlines()
        assert [verdict in line for line in lines].count(True) == 1
        sets = [line.split()[:2] for line in lines[3:5]]
        assert sets == [["test", "200"], ["validation", "200"]]


def test_a_class_with_a_threshold_has_its_counts_beside_the_scores(project):
    replace(project / "params.yaml", "recall: null", "recall: {dog: 0.95}")
    write(project, {1, 3, 4})  # two dogs are missed, and one cat is predicted as a dog
    record(project)
    lines = printed_here(project, "compare", "old").splitlines()
    assert "class dog" in lines[2]
    counts = "98 of 100 found (was 90), 1 false alarms (was 10)"
    assert [counts in line for line in lines[3:5]] == [True, True]
    assert "class" not in printed_here(project, "compare", "old", "new")


def test_several_runs_are_compared_with_the_first(project):
    text = printed_here(project, "compare", "old", "new", "workspace")
    assert text.count("new is better than old") == 1
    assert text.count("workspace is better than old") == 1


def write_history(project: Path, kept_epoch: int) -> None:
    epochs = pd.DataFrame({name: [1.0, 2.0] for name in HISTORY})
    epochs = epochs.assign(epoch=[1, 2], kept=[False, bool(kept_epoch)])
    write_table(project / FINETUNE_HISTORY_CSV, epochs, HISTORY)


@pytest.mark.parametrize("kept_epoch", [0, 2])
def test_training_images_in_folds_count_where_no_run_is_fine_tuned(project, kept_epoch):
    """The runs are equal on held-out images, but not on training images."""
    other = clone(project, f"with data {kept_epoch}")
    write_history(other, kept_epoch)
    write_data(other, 0.6, set(range(12)))
    commit(other, "Less sure, with more errors in training")
    write_data(other, 0.9, set())
    commit(other, "Surer")
    text = printed_here(other, "compare", "HEAD~1", "HEAD")
    assert ("HEAD is better than HEAD~1" in text) == (not kept_epoch)
    assert ("94.00% → 100.00%" in text) == (not kept_epoch)


def write_data(project: Path, probability: float, wrong: set[int]) -> None:
    """Write what `evaluate` and `train_extract` write; `wrong` lists training images."""
    (project / "data" / "split").mkdir(parents=True, exist_ok=True)
    for split, path in PREDICTED_CLASSES_CSV.items():
        table = read_table(project / path, PREDICTED_CLASSES)
        values = np.linspace(-0.05, 0.05, IMAGES) + probability
        of_dog = np.where(table["predicted"] == "dog", values, 1 - values)
        rows = table.assign(
            label=table["actual"], path=table["image"], pixels_sha256=table["image"]
        )
        both = np.stack([1 - of_dog, of_dog], axis=1)
        predictions = tabulate(rows, both, (of_dog > 0.5).astype(int), ["cat", "dog"])
        write_probabilities(project / PROBABILITIES_CSV[split], predictions)
    values[list(wrong)] = 1 - values[list(wrong)]
    other = rows["label"].map({"cat": "dog", "dog": "cat"})
    judged = rows.assign(likely=other, probability=values, likely_probability=1 - values)
    write_table(project / CROSS_VALIDATION_CSV, judged, JUDGED)
    write_json(project / CROSS_VALIDATION_JSON, {})
    images = rows.assign(split="train", group=rows["path"])
    write_table(project / SPLIT_CSV, images, SPLIT)
    succeed("git", "add", "--force", "data", cwd=project)


def test_gate_fails_only_for_a_worse_run(project):
    write(project, set(range(20)))
    record(project)
    result = pawprint(project, "compare", "--gate", "new")
    assert result.returncode == 1
    assert "workspace is worse than new" in result.stdout
    assert pawprint(project, "compare", "new").returncode == 0
    write(project, set(range(6)))  # one more error may be due to chance
    record(project)
    text = printed_here(project, "compare", "--gate", "new")
    assert re.search(r"No difference shown .* between -\d\.\d and \+\d\.\d points", text)
    assert not re.search("would show|log loss .* interval", text)


@pytest.mark.parametrize(
    ("changed", "name", "before", "after"),
    [
        ("params.yaml calibrate", "params.yaml", "temperature: true", "temperature: false"),
        ("code of evaluate", "pawprint/scores/metrics.py", "import numpy", "x = 1\nimport numpy"),
        ("plots/predictions.csv", "plots/predictions.csv", "cat,dog,", "cat,cat,"),
    ],
)
def test_results_of_other_params_code_or_predictions_are_refused(
    project, changed, name, before, after
):
    replace(project / name, before, after)
    line = complaint(project, "compare", "new")
    assert line.startswith("workspace: the results are out of date")
    assert f"changed since the last run: {changed}." in line


def test_images_of_one_run_are_left_out_and_gate_says_how_many_test_images(project):
    """The gate does not fail because a held-out photo is gone or because photos are new."""
    write(project, set(range(5)) | set(range(IMAGES, IMAGES + 20)), range(3, IMAGES + 20))
    record(project)
    lines = printed_here(project, "compare", "--gate", "new").splitlines()
    assert lines[0].startswith("The predictions of new and workspace are identical on all 394 ")
    left_out = "197 images are compared, 23 left out: 3 only in new (cat 2, dog 1), 20 only in"
    assert any(line.startswith(f"test: {left_out} workspace ") for line in lines)
    assert lines[-1] == "gate: 3 of 200 test images of new are left out"


def test_gate_fails_where_hard_test_images_are_gone(project):
    # Leave out the images that `old` gets wrong, and add one error.
    write(project, set(), range(21, IMAGES))
    record(project)
    result = pawprint(project, "compare", "--gate", "old")
    assert (result.returncode, result.stderr) == (1, "")
    assert "gate: 21 of 200 test images of old are left out, more than 10%" in result.stdout
    assert pawprint(project, "compare", "old").returncode == 0


@pytest.mark.parametrize("rev", ["nothing", ""])
def test_revision_without_predictions_is_one_line(project, rev):
    line = complaint(project, "compare", rev)
    assert line.startswith(f"{rev}: expected a commit, branch, tag or experiment with plots/")


def test_project_without_a_run_or_a_commit_is_one_line(tmp_path):
    write_files(tmp_path, {"params.yaml": "{}\n", "dvc.yaml": DVC_YAML})
    git_init(tmp_path)
    succeed("dvc", "init", "-q", cwd=tmp_path)
    assert complaint(tmp_path, "compare", "HEAD").startswith("workspace: there are no results yet")
    line = complaint(tmp_path, "compare", "nothing", "HEAD")
    assert line.startswith("nothing: expected a commit, branch, tag or experiment")
