"""What the app reads of each revision of Git."""

import json
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from app_project import SUBJECT, git, write_project
from conftest import commit

from pawprint.app.history import WORKSPACE, revisions
from pawprint.project import EVALUATE_METRICS


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The current directory."""
    project = write_project(tmp_path / "project")
    monkeypatch.chdir(project)
    return project


def subjects() -> list[str]:
    return [each.subject for each in revisions()]


def test_this_run_and_commits_that_changed_results_or_have_a_tag_are_listed(project):
    """Whatever their subjects hold."""
    early = git("rev-parse", "--short", "v2~", cwd=project)
    for subject in ("Release", "Readme"):
        (project / "README.md").write_text(subject, encoding="utf-8")
        commit(project, subject)
    git("tag", "v3", "HEAD~", cwd=project)
    assert [(each.name, each.subject) for each in revisions()] == [
        (WORKSPACE, "this run"),
        ("v3", "Release"),
        ("v2", SUBJECT),
        (early, "Early"),
    ]


def test_experiment_has_its_name_and_the_commit_it_started_from(project):
    parent = git("rev-parse", "v2", cwd=project)
    git("checkout", "--quiet", "--detach", cwd=project)
    EVALUATE_METRICS.write_text(json.dumps({"test": {"accuracy": 0.75}}), encoding="utf-8")
    commit(project, "dvc: commit experiment")
    made = git("rev-parse", "HEAD", cwd=project)
    git("checkout", "--quiet", "main", cwd=project)
    reference = f"refs/exps/{parent[:2]}/{parent[2:]}/short"
    git("update-ref", reference, made, cwd=project)
    git("update-ref", "refs/exps/exec/EXEC_HEAD", parent, cwd=project)  # DVC's own
    found = {each.name: each for each in revisions()}
    experiment = found[f"short ({made[:7]})"]
    assert experiment.subject == f"experiment on {parent[:7]}"
    assert experiment.metrics == {"test": {"accuracy": 0.75}}
    assert experiment.split == {"test": 4, "validation": 4}
    git("tag", "v3", made, cwd=project)  # an experiment that somebody published
    assert [each.subject for each in revisions() if "v3" in each.name] == ["dvc: commit experiment"]


def test_project_in_a_folder_of_a_repository(project, monkeypatch):
    (project / "inner").mkdir()
    for name in ("metrics", "plots", "params.yaml"):
        (project / name).rename(project / "inner" / name)
    commit(project, "Moved")
    monkeypatch.chdir(project / "inner")
    assert subjects() == ["this run", "Moved"]
