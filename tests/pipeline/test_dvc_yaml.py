"""What Git keeps of a run is what dvc.yaml says, and of this code."""

import re

import pandas as pd
from code_graph import PACKAGES, modules
from conftest import PROJECT, git_project, run
from dvc_yaml import STAGES, outputs_of

from pawprint.core import paths


def test_every_path_is_used():
    code = "".join(path.read_text(encoding="utf-8") for path in modules(*PACKAGES))
    unused = [name for name in vars(paths) if name.isupper() and f"paths.{name}" not in code]
    # Used by another path only.
    assert set(unused) <= {"RAW_ARCHIVES"}


def test_pictures_that_show_photos_are_kept_out_of_git():
    ignored = (PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines()
    for stage in STAGES.values():
        for out, in_git in outputs_of(stage):
            is_ignored = f"/{out}" in ignored or f"/{out.split('/')[0]}/" in ignored
            assert is_ignored != in_git, out


def test_committed_results_are_those_of_this_code_and_these_params(tmp_path):
    """After a change of a stage, run `dvc repro` on the real data and commit what it wrote."""
    project = git_project(tmp_path, "{}", without=())
    result = run("dvc", "repro", "--dry", "--allow-missing", cwd=project)
    unchanged = [f"Stage '{stage}' didn't change, skipping" for stage in STAGES]
    assert result.stdout.splitlines()[: len(STAGES)] == unchanged, result.stdout + result.stderr


def test_templates_select_rows_of_their_tables():
    filtered = 0
    for stage in STAGES.values():
        for plot in stage.get("plots", []):
            [(path, properties)] = plot.items()
            if not properties.get("template", "").endswith(".json"):
                continue
            template = (PROJECT / properties["template"]).read_text(encoding="utf-8")
            rows = pd.read_csv(PROJECT / path, dtype=str)
            for column, value in re.findall(r"datum\.(\w+) == '(\w+)'", template):
                rows = rows[rows[column] == value]
                filtered += 1
            assert len(rows) and {properties["x"], properties["y"]} <= set(rows.columns), path
    assert filtered
