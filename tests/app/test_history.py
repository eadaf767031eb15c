"""What the app reads of each revision of Git."""

import json
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from app_project import SUBJECT, commit, git, write_project

from app.history import WORKSPACE, revisions
from pawprint.core import paths


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The current directory."""
    project = write_project(tmp_path / "project")
    monkeypatch.chdir(project)
    return project


def subjects() -> list[str]:
    return [each.subject for each in revisions()]


def test_this_run_and_revisions_are_listed_whole_whatever_their_subjects_hold(project):
    assert [(each.name, each.subject) for each in revisions()] == [
        (WORKSPACE, "this run"),
        ("v2", SUBJECT),
        (git("rev-parse", "--short", "v2~", cwd=project), "Early"),
    ]


def test_a_commit_that_changes_no_result_is_listed_only_with_a_tag(project):
    for subject in ("Release", "Readme"):
        (project / "README.md").write_text(subject, encoding="utf-8")
        commit(project, subject)
    git("tag", "v3", "HEAD~", cwd=project)
    assert subjects() == ["this run", "Release", SUBJECT, "Early"]


def test_experiment_has_its_name_and_the_commit_it_started_from(project):
    parent = git("rev-parse", "v2", cwd=project)
    git("checkout", "--quiet", "--detach", cwd=project)
    paths.EVALUATE_METRICS.write_text(json.dumps({"test": {"accuracy": 0.75}}), encoding="utf-8")
    made = commit(project, "dvc: commit experiment")
    git("checkout", "--quiet", "main", cwd=project)
    reference = f"refs/exps/{parent[:2]}/{parent[2:]}/short"
    git("update-ref", reference, made, cwd=project)
    git("update-ref", "refs/exps/exec/EXEC_HEAD", parent, cwd=project)  # DVC's own
    found = {each.name: each for each in revisions()}
    assert found["v2"].is_committed
    experiment = found[f"short ({made[:7]})"]
    assert experiment.subject == f"experiment on {parent[:7]}"
    assert experiment.metrics == {"test": {"accuracy": 0.75}}
    assert experiment.images == {"test": 4, "validation": 4}
    assert not experiment.is_committed


def test_params_are_read_as_dvc_reads_them_and_others_are_none(project):
    for text, params in (("rate: 1e-6\nresume: no", {"rate": 1e-6, "resume": "no"}), ("a: [", {})):
        Path("params.yaml").write_text(text, encoding="utf-8")
        commit(project, text)
        assert [each.params for each in revisions()[:2]] == [params] * 2


@pytest.mark.parametrize("content", ["", "[]", "\xff"])
def test_revision_without_metrics_is_left_out(project, content):
    paths.EVALUATE_METRICS.write_text(content, encoding="latin-1")
    commit(project, "Other")
    assert subjects() == [SUBJECT, "Early"]


def test_project_in_a_folder_of_a_repository(project, monkeypatch):
    (project / "inner").mkdir()
    for name in ("metrics", "plots", "params.yaml"):
        (project / name).rename(project / "inner" / name)
    commit(project, "Moved")
    monkeypatch.chdir(project / "inner")
    assert subjects() == ["this run", "Moved"]


def test_without_git_the_workspace_remains(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert [each.name for each in revisions()] == [WORKSPACE]
