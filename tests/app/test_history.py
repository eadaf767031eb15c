"""What the app reads of each revision of Git."""

import json
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from app_project import SUBJECT, commit, git, write_project

from app.history import WORKSPACE, revisions, table_of
from app.page_models import CURVES, differing
from pawprint.core import paths
from pawprint.core.tables import PREDICTIONS


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The current directory."""
    project = write_project(tmp_path / "project")
    monkeypatch.chdir(project)
    return project


def subjects() -> list[str]:
    return [each.subject for each in revisions().values()]


def test_revisions_are_listed_whole_whatever_their_subjects_hold(project):
    assert [(each.name, each.subject) for each in revisions().values()] == [
        ("v2", SUBJECT),
        (git("rev-parse", "--short", "v2~", cwd=project), "Early"),
    ]


def test_a_commit_that_changes_no_result_is_listed_only_with_a_tag(project):
    for subject in ("Release", "Readme"):
        (project / "README.md").write_text(subject, encoding="utf-8")
        commit(project, subject)
    git("tag", "v3", "HEAD~", cwd=project)
    assert subjects() == ["Release", SUBJECT, "Early"]


def test_experiment_has_its_name_and_the_commit_it_started_from(project):
    parent = git("rev-parse", "v2", cwd=project)
    git("checkout", "--quiet", "--detach", cwd=project)
    paths.EVALUATE_METRICS.write_text(json.dumps({"test": {"accuracy": 0.75}}), encoding="utf-8")
    made = commit(project, "dvc: commit experiment")
    git("checkout", "--quiet", "main", cwd=project)
    reference = f"refs/exps/{parent[:2]}/{parent[2:]}/short"
    git("update-ref", reference, made, cwd=project)
    git("update-ref", "refs/exps/exec/EXEC_HEAD", parent, cwd=project)  # DVC's own
    found = revisions()
    assert found["v2"].subject == SUBJECT
    experiment = found[f"short ({made[:7]})"]
    assert experiment.subject == f"experiment on {parent[:7]}"
    assert experiment.metrics["test"]["accuracy"] == 0.75
    assert experiment.images == {"test": 4, "validation": 4}
    assert not experiment.is_committed


def test_workspace_is_listed_if_it_differs_from_the_last_commit(project):
    metrics = json.loads(paths.EVALUATE_METRICS.read_text(encoding="utf-8"))
    metrics["test"]["accuracy"] = 0.75
    paths.EVALUATE_METRICS.write_text(json.dumps(metrics), encoding="utf-8")
    workspace, other, *_ = revisions().values()
    assert (workspace.name, other.name) == (WORKSPACE, "v2")
    assert workspace.metrics["test"]["accuracy"] == 0.75


def test_params_are_read_as_dvc_reads_them(project):
    early = list(revisions().values())[-1]
    assert early.params == {"train": {"rate": 1e-6, "resume": "no"}}


def test_params_are_shown_without_passwords_and_tokens(project):
    text = "fetch: {source: 'https://user:word@host/x.zip?token=word'}"
    Path("params.yaml").write_text(text, encoding="utf-8")
    commit(project, "Source")
    shown = differing(list(revisions().values()))
    assert shown["fetch.source"].iloc[0] == "https://host/x.zip"


def test_revision_with_unreadable_params_is_listed(project):
    Path("params.yaml").write_text("a: [", encoding="utf-8")
    commit(project, "Broken")
    newest, *_ = revisions().values()
    assert (newest.subject, newest.params) == ("Broken", {})


@pytest.mark.parametrize("content", ["", "[]", '{"test": 1}', '{"test": {"loss": 1.0}}', "\xff"])
def test_revision_without_a_test_accuracy_is_left_out(project, content):
    paths.EVALUATE_METRICS.write_text(content, encoding="latin-1")
    commit(project, "Other")
    assert subjects() == [SUBJECT, "Early"]


def test_revision_without_scores_has_no_numbers_of_images(project):
    paths.SCORES.unlink()
    commit(project, "No scores")
    newest, *_ = revisions().values()
    assert (newest.subject, newest.images) == ("No scores", {})


def test_tables_of_an_early_revision_are_read(project):
    early = git("rev-parse", "v2~", cwd=project)
    curves = table_of(early, paths.EXTRACT_HISTORY, CURVES)
    assert curves.to_dict("records") == [
        {"epoch": 1, "accuracy": 0.5, "loss": 0.7}
        | {"validation_accuracy": 0.75, "validation_loss": 0.6}
    ]
    assert list(table_of(early, paths.PREDICTIONS, PREDICTIONS)["predicted"]) == [
        *("cat", "cat", "dog", "dog")
    ]


@pytest.mark.parametrize("path", [paths.ROC, paths.EXTRACT_HISTORY])
def test_table_that_is_missing_or_lacks_a_column_has_no_rows(project, path):
    for revision in ("v2", ""):
        table = table_of(revision, path, PREDICTIONS)
        assert table.empty
        assert list(table) == list(PREDICTIONS)


def test_project_in_a_folder_of_a_repository(project, monkeypatch):
    (project / "inner").mkdir()
    for name in ("metrics", "plots", "params.yaml"):
        (project / name).rename(project / "inner" / name)
    commit(project, "Moved")
    monkeypatch.chdir(project / "inner")
    assert subjects() == ["Moved"]


def test_number_of_processes_does_not_grow_with_the_revisions(project, tmp_path, monkeypatch):
    for number in range(5):
        (project / "params.yaml").write_text(f"number: {number}", encoding="utf-8")
        commit(project, f"Params {number}")
    log = tmp_path / "git.log"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(log))
    assert len(revisions()) == 7
    started = [line for line in log.read_text().splitlines() if '"event":"start"' in line]
    assert len(started) == 2  # `git log` and `git cat-file`


def test_without_git_the_workspace_remains(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert list(revisions()) == [WORKSPACE]
