"""Test `compare` on recorded predictions."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from conftest import (
    commit,
    complaint,
    git_init,
    git_project,
    pawprint_here,
    printed,
    replace,
    succeed,
    write_files,
)

from pawprint.base.columns import CLASSES, PREDICTED_CLASSES
from pawprint.base.paths import CLASSES_CSV, PREDICTED_CLASSES_CSV
from pawprint.base.tables import write_table
from pawprint.base.yaml_file import read_yaml
from pawprint.commands.compare import read_revision_run

IMAGES = 200


def write(project: Path, wrong: set[int]) -> None:
    """Write predictions for both splits in which the images with these numbers are wrong."""
    rows = [
        {
            "actual": ("cat", "dog")[number % 2],
            "predicted": ("cat", "dog")[(number + (number in wrong)) % 2],
            "image": f"{number:016x}",
            "loss": 2.5 if number in wrong else 0.1,
        }
        for number in range(IMAGES)
    ]
    for path in PREDICTED_CLASSES_CSV.values():
        write_table(project / path, pd.DataFrame(rows), PREDICTED_CLASSES)


# A stage with outputs that the tests write themselves, and a dependency that is not in Git.
DVC_YAML = """
stages:
  evaluate:
    cmd: python -m stages.evaluate
    deps: [data/code/evaluate.txt, models/served, plots/predictions]
    params: [calibrate, calibrate.temperature]
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
    (project / "plots").mkdir()
    (project / "plots" / "predictions").symlink_to("predictions.csv")  # both change at once
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
        lines = printed(project, "compare", *arguments).splitlines()
        assert [verdict in line for line in lines].count(True) == 1
        assert [line.split()[0] for line in lines[3:5]] == ["validation", "test"]


def test_gate_fails_only_for_a_worse_run(project):
    write(project, set(range(20)))
    record(project)
    result = pawprint_here(project, "compare", "--gate", "new")
    assert result.returncode == 1
    assert "workspace is worse than new" in result.stdout
    assert pawprint_here(project, "compare", "new").returncode == 0
    write(project, set(range(6)))  # one more error may be due to chance
    record(project)
    text = printed(project, "compare", "--gate", "new")
    assert re.search(r"No difference shown .* between -\d\.\d and \+\d\.\d points", text)
    assert not re.search("would show|log loss .* interval", text)


@pytest.mark.parametrize(
    ("changed", "name", "before", "after"),
    [
        ("params.yaml calibrate.temperature", "params.yaml", "ture: true", "ture: false"),
        ("code of evaluate", "pawprint/scores/metrics.py", "import numpy", "x = 1\nimport numpy"),
        ("plots/predictions, plots/predictions.csv", "plots/predictions.csv", "cat,d", "cat,c"),
    ],
)
def test_results_of_other_params_code_or_predictions_are_refused(
    project, changed, name, before, after
):
    replace(project / name, before, after)
    line = complaint(project, "compare", "new")
    assert line.startswith("workspace: the results are out of date")
    assert f"changed since the last run: {changed}." in line


def test_commit_of_a_renewed_dvc_yaml_has_the_outputs_of_its_dvc_lock(project):
    """As at the end of a run: a table that was an output is now in a folder that is one."""
    stage = "  split:\n    cmd: python -m stages.split\n    outs: [{}]\n"
    (project / "dvc.yaml").write_text(DVC_YAML + stage.format("metrics/classes.csv"))
    table = pd.DataFrame([("cat", 1, 1, 1), ("dog", 1, 1, 1)], columns=[*CLASSES])
    write_table(project / CLASSES_CSV, table, CLASSES)
    succeed("dvc", "commit", "--force", "split", cwd=project)
    (project / "dvc.yaml").write_text(DVC_YAML + stage.format("metrics"))
    commit(project, "renewed")
    assert read_revision_run(project, "HEAD", "old").labels == {"cat", "dog"}
    succeed("git", "reset", "-q", "--hard", "new", cwd=project)


def test_revision_whose_stages_did_not_all_run_is_refused(project):
    """As an experiment of `dvc exp run train`: its metrics are of the model before."""
    lock = read_yaml(project / "dvc.lock")
    outs = [{"path": "models/served", "md5": "0" * 32}]
    stages = {"train": {"outs": outs}} | lock["stages"]
    (project / "dvc.lock").write_text(json.dumps(lock | {"stages": stages}))
    commit(project, "part")
    succeed("git", "tag", "part", cwd=project)
    succeed("git", "reset", "-q", "--hard", "new", cwd=project)
    line = complaint(project, "compare", "--gate", "new", "part")
    assert line.startswith("part: the stage evaluate did not run after an earlier stage")


@pytest.mark.parametrize("rev", ["nothing", ""])
def test_revision_without_predictions_is_one_line(project, rev):
    line = complaint(project, "compare", rev)
    assert line.startswith(f"{rev}: expected a commit, branch, tag or experiment with plots/")


def test_project_without_a_run_or_a_commit_is_one_line(tmp_path):
    write_files(tmp_path, {"params.yaml": "{}\n", "dvc.yaml": DVC_YAML})
    git_init(tmp_path)
    succeed("dvc", "init", "-q", cwd=tmp_path)
    assert complaint(tmp_path, "compare", "HEAD").startswith("workspace: results are missing")
    line = complaint(tmp_path, "compare", "nothing", "HEAD")
    assert line.startswith("nothing: expected a commit, branch, tag or experiment")
