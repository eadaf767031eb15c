"""Test that a project of an earlier version gets new params and stages, and keeps the user's."""

import hashlib
import json
from pathlib import Path

import pytest
from conftest import PROJECT, commit, git_init, refused, run, write_files

from pawprint.base import package
from pawprint.base.files import write_json
from pawprint.base.package import pipeline
from pawprint.base.paths import STATE
from pawprint.commands import project_files
from pawprint.commands.params_file import default_params, flat


def test_params_that_are_no_sections_are_one_line():
    with refused("params.yaml: expected keys with values"):
        flat("- 1\n")
    with refused("params.yaml: seed: expected a section"):
        flat("model: {}\nseed: 1\n")


def test_missing_params_are_appended_and_no_value_or_comment_changes():
    """The version before had a param that is gone, and lacked one of a section and a section."""
    new = default_params()
    of_hardware = "devices", "threads", "precision", "kernels"
    lacks = ("  fine_tune_at: ", "hardware:", *(f"  {name}: " for name in of_hardware))
    rows = [row for row in new.splitlines(True) if not row.startswith(lacks)]
    own = "".join(rows).replace("\nsplit:\n", "\nsplit:  # ours\n  columns: 5  # of photos\n")
    own = own.replace("resize: crop", "resize: stretch  # strong\n  # longer")
    text, notes = project_files.renewed_params(own, new)
    kept = [row for row in text.splitlines() if row and row in own.splitlines()]
    assert kept == [row for row in own.splitlines() if row]
    assert flat(text) == flat(new) | {"split.columns": 5, "model.resize": "stretch"}
    assert "  fine_tune_at: null  # first layer to fine-tune" in text.split("\n# Random")[0]
    *added, wrong = notes
    assert added == [
        "params.yaml: model.fine_tune_at: new",
        *(f"params.yaml: hardware.{name}: new" for name in of_hardware),
    ]
    assert wrong.startswith("params.yaml: split.columns: unknown key. Remove it")
    assert project_files.renewed_params(text, new)[0] == text


def test_param_that_is_now_wrong_is_named_with_what_to_write():
    own = default_params().replace("{number: 5, learning_rate: 0.0002", "null  # {")
    (note,) = project_files.renewed_params(own, default_params())[1]
    assert "train_finetune.epochs: " in note and "`fine_tune_at: null`" in note


def test_layer_that_the_user_removed_does_not_come_back():
    new = default_params()
    own = "".join(row for row in new.splitlines(True) if not row.startswith("  RandomZoom"))
    assert project_files.renewed_params(own, new) == (own, [])


def test_section_on_one_line_is_refused_with_the_missing_params():
    own = default_params().partition("\nmodel:")[0] + "\nmodel: {backbone: MobileNetV2}\n"
    with refused("params.yaml: cannot add model.alpha", "Write a line for each"):
        project_files.renewed_params(own, default_params())


OWN = (
    ("stages:\n", "vars: [own.yaml]\n\nstages:\n  # Ours\n  our-own:\n    cmd: echo ours\n\n"),
    ("python -P -m pawprint.stages.plot\n", "python -m stages.plot\n"),
    ("    params: [split", "    # More\n    params: [split"),
)


def project(folder: Path, pipeline: str) -> None:
    files = {"dvc.yaml": pipeline, "params.yaml": default_params(), "requirements.txt": ""}
    write_files(folder, files)
    commit(folder, "Pipeline")


def test_all_that_a_person_changed_is_carried_over_and_conflicts_are_named(tmp_path, monkeypatch):
    git_init(tmp_path)
    project(tmp_path, pipeline())
    project_files.write_state(tmp_path)
    new = pipeline().replace("desc: Bring", "desc: Fetch").replace("splits.csv]", "splits.csv, a]")
    own = expected = pipeline()
    for old, text in OWN:
        assert old in own
        own, expected = own.replace(old, text, 1), expected.replace(old, text, 1)
    expected = expected.replace("desc: Bring", "desc: Fetch").replace(
        "splits.csv]", "splits.csv, a]"
    )
    monkeypatch.setattr(package, "pipeline", lambda: new)
    project(tmp_path, own)
    with refused("dvc.yaml: cannot carry over ", "# More", "which the new version changes, too"):
        project_files.renew(tmp_path)
    assert (tmp_path / "dvc.yaml").read_text() == own
    project(tmp_path, own.replace("    # More\n", ""))
    project_files.renew(tmp_path)
    assert (tmp_path / "dvc.yaml").read_text() == expected.replace("    # More\n", "")
    commit(tmp_path, "Renewed")
    monkeypatch.setattr(package, "pipeline", lambda: new.replace("desc: Fetch", "desc: Get"))
    project_files.renew(tmp_path)  # what was merged is still a person's
    renewed = expected.replace("    # More\n", "").replace("desc: Fetch", "desc: Get")
    assert (tmp_path / "dvc.yaml").read_text() == renewed


def test_pipeline_of_0_6_which_kept_a_hash_alone_is_renewed_if_nobody_edited_it(tmp_path):
    git_init(tmp_path)
    for text in ("stages: {}  # edited\n", "stages: {}\n"):
        sha256 = hashlib.sha256(b"stages: {}\n").hexdigest()
        write_files(tmp_path, {STATE: json.dumps({"version": "0.6.0", "pipeline": sha256})})
        project(tmp_path, text)
        if "edited" in text:
            with refused("dvc.yaml: cannot tell your changes", "Undo them", "git log -p dvc.yaml"):
                project_files.renew(tmp_path)
            assert (tmp_path / "dvc.yaml").read_text() == text
    project_files.renew(tmp_path)
    assert (tmp_path / "dvc.yaml").read_text() == pipeline()


def test_merge_needs_no_last_line_break_and_names_what_was_removed():
    base, merge = "a\nb\nc\n", project_files.renewed_pipeline
    assert merge("a\nb\nc\nours", base, "A\nb\nc\n") == "A\nb\nc\nours"
    with refused("cannot carry over the removal of lines, which"):
        merge("b\nc\n", base, "A\nb\nc\n")


def test_only_a_project_is_renewed(tmp_path):
    with refused("expected a project that `pawprint init` made"):
        project_files.renew(tmp_path)


@pytest.mark.parametrize(
    "before",
    [
        "pawprint-dvc==0.6.0\n",
        "# pawprint-dvc 0.6.0 comes from\n",
        "Pawprint-DVC @ git+https://h/p@1\n",
    ],
)
def test_line_of_the_package_is_replaced_and_others_stay(before):
    line, own = "pawprint-dvc==0.7.0", "\n# Versions:\npandas==2.2\n-e ../tools\n"
    assert project_files.renewed_requirements(before + own, line) == f"{line}\n{own}"
    assert project_files.renewed_requirements(own, line) == f"{line}\n{own}"


def test_line_with_which_a_team_installs_the_package_stays():
    own = "# pawprint-dvc: ours\npawprint_dvc[app] @ git+https://h/p@1\npawprint-dvc-tools==1\n"
    assert project_files.renewed_requirements(own, "# pawprint-dvc 0.7.0 comes from") == own
    renewed = own.replace("pawprint_dvc[app] @ git+https://h/p@1", "pawprint-dvc[app]==0.7.0")
    assert project_files.renewed_requirements(own, "pawprint-dvc==0.7.0") == renewed


@pytest.mark.parametrize("state", [{"files": {}}, {"files": {}, "params": {}}])
def test_project_of_an_earlier_version_is_told_so_in_one_line(tmp_path, state):
    """Its commands do not change it."""
    write_json(tmp_path / STATE, {"version": "0.5.0"} | state)
    (tmp_path / "params.yaml").write_text(default_params(), encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    for command in ("stages.code", "pawprint check", "pawprint try", "pawprint init --renew"):
        result = run("python", "-m", *command.split(), cwd=tmp_path, PYTHONPATH=str(PROJECT))
        assert result.returncode == 1
        assert "version 0.6 or later" in result.stderr and "`pawprint init`" in result.stderr
        assert result.stderr.count("\n") == 1 and sorted(tmp_path.rglob("*")) == before
