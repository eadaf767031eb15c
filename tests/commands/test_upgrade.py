"""Test that an upgrade adds params to params.yaml, and keeps the user's values and comments."""

import hashlib
import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT, refused, run

from pawprint.columns import IMAGES
from pawprint.files import write_json
from pawprint.params.file import flat, set_values
from pawprint.paths import FEATURE_ROW_CODE, IMAGES_CSV, LOCK, STATE, UNKNOWN_CSV, UNLABELLED_CSV
from pawprint.pipeline.fingerprint import FEATURE_ROW, Code
from pawprint.projects.recipes import new_params
from pawprint.projects.upgrade import upgrade
from pawprint.tables import write_table

TEMPLATE = (PROJECT / "params.yaml").read_text(encoding="utf-8")


def test_params_that_are_no_sections_are_one_line():
    with refused("params.yaml: expected keys with values"):
        flat("- 1\n")
    with refused("params.yaml: seed: expected a section"):
        flat("model: {}\nseed: 1\n")


def receive(folder: Path, mine: str = TEMPLATE, defaults: str = TEMPLATE) -> None:
    """Write a project whose params.yaml is `mine`, which received the defaults `defaults`."""
    write_json(folder / STATE, {"files": {"params.yaml": defaults}})
    (folder / "params.yaml").write_text(mine, encoding="utf-8")


def test_values_and_comments_of_the_user_stay_and_params_come_and_go(tmp_path):
    """The version before had a param that is gone, and lacked two."""
    lacks = "  fine_tune_at: ", "  seed: 1  # random seed; change"
    before = "".join(row for row in new_params().splitlines(True) if not row.startswith(lacks))
    before = before.replace("\nsplit:\n", "\nsplit:\n  columns: 4  # of photos\n")
    before = before.replace("resize: crop", "resize: stretch")
    augment = {"augment.RandomZoom": None, "augment.RandomContrast": {"factor": 0.1}}
    mine = set_values(before, augment | {"head.dropout": 0.4, "split.columns": 5})
    mine = mine.replace("  dropout", "  # strong\n  dropout").replace(
        "model:\n", "model:  # ours\n"
    )
    receive(tmp_path, mine, before)
    lines = upgrade(tmp_path)
    text = (tmp_path / "params.yaml").read_text(encoding="utf-8")
    assert "  # strong\n  dropout: 0.4" in text and "model:  # ours\n" in text
    kept = {
        "head.dropout": 0.4,
        "augment.RandomContrast": {"factor": 0.1},
        "model.resize": "stretch",
    }
    expected = flat(new_params()) | kept
    del expected["augment.RandomZoom"]
    assert flat(text) == expected
    for line in (
        "model.fine_tune_at: new",
        "split.seed: new",
        "split.columns: no longer exists; 5 is removed",
        'model.resize: "stretch" is kept; the default is now "crop"',
    ):
        assert f"params.yaml: {line}" in lines
    upgrade(tmp_path)
    assert (tmp_path / "params.yaml").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("is_changed", [True, False])
def test_features_that_the_next_run_computes_again_are_counted(tmp_path, is_changed):
    receive(tmp_path)
    for name in ("requirements.txt", "labels.csv"):
        shutil.copy(PROJECT / name, tmp_path)
    for path, number in ((IMAGES_CSV, 5), (UNKNOWN_CSV, 0), (UNLABELLED_CSV, 2)):
        rows = pd.DataFrame("1", range(number), list(IMAGES))
        write_table(tmp_path / path, rows, dict.fromkeys(IMAGES, "str"))
    code = "" if is_changed else Code(tmp_path).fingerprint(FEATURE_ROW)
    md5 = hashlib.md5(code.encode()).hexdigest()
    deps = [{"path": FEATURE_ROW_CODE.as_posix(), "md5": md5}]
    write_json(tmp_path / LOCK, {"stages": {"features": {"deps": deps}}})
    lines = [line for line in upgrade(tmp_path) if "features of all" in line]
    assert [line.split(" of all ")[1].split()[0] for line in lines] == ["7"] * is_changed


def test_value_that_is_wrong_by_now_is_named(tmp_path):
    receive(tmp_path, TEMPLATE.replace("seed: 1  # random seed; change", "seed: one  # change"))
    assert any(line.startswith("params.yaml: split.seed: expected") for line in upgrade(tmp_path))


def test_project_of_an_earlier_version_is_told_so_in_one_line(tmp_path):
    """Its commands do not change it."""
    write_json(tmp_path / STATE, {"version": "0.4.0", "files": {}, "params": {}})
    (tmp_path / "params.yaml").write_text(TEMPLATE, encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    for command in ("stages.code", "pawprint check", "pawprint try", "pawprint upgrade"):
        result = run("python", "-m", *command.split(), cwd=tmp_path, PYTHONPATH=str(PROJECT))
        assert result.returncode == 1
        assert "0.4.0" in result.stderr and "`pawprint init`" in result.stderr
        assert result.stderr.count("\n") == 1 and sorted(tmp_path.rglob("*")) == before
