"""Test that edits of params, tables and photos during a stage are not recorded as if it read them.

An edit fails the stage only if DVC records it for this stage, and the work is kept.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PROJECT, replace

from pawprint.base.package import STAGES
from pawprint.pipeline.entry import run_stage


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Return a folder with a project's editable files, which uses the package's stages."""
    for name in ("dvc.yaml", "params.yaml", "labels.csv", "splits.csv"):
        shutil.copy(PROJECT / name, tmp_path)
    replace(tmp_path / "params.yaml", "source: ", "source: photos #")
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failure(monkeypatch, capsys, stage: str, main: Callable[[], None]) -> str:
    """Run a stage as DVC starts it, and return its stderr, or "" if it succeeds."""
    monkeypatch.setattr("sys.argv", [str(STAGES / f"{stage}.py")])
    monkeypatch.setenv("DVC_STAGE", stage)
    with pytest.raises(SystemExit) as ended:
        run_stage(main)
    written = capsys.readouterr().err
    assert bool(ended.value.code) == bool(written)
    return written


@pytest.mark.parametrize(
    ("stage", "name", "old", "new", "place"),
    [
        ("features", "params.yaml", "rule: decodes", "rule: jfif", ""),
        ("features", "params.yaml", "clean:\n", "clean: # a comment\n", ""),
        ("train_finetune", "params.yaml", "views: 4", "views: 5", ""),
        ("plot", "params.yaml", "clean:\n", "clean: # a comment\n", ""),
        ("features", "labels.csv", "path,label", "path,label\ncats/1.jpg,dog", ""),
        ("features", "params.yaml", "bits: null", "bits: 8", "params.yaml: clean.bits changed "),
        ("features", "params.yaml", "views: 4", "views: 5", "params.yaml: augment changed "),
        ("plot", "params.yaml", "views: 4", "views: 5", ""),
        ("clean", "labels.csv", "path,label", "path,label\ncats/1.jpg,dog", ""),
        ("split", "labels.csv", "path,label", "path,label\ncats/1.jpg,dog", "labels.csv changed "),
        ("split", "splits.csv", "split", "split\n0,test", "splits.csv changed "),
    ],
)
def test_edit_fails_a_stage_only_if_dvc_records_it_of_the_stage(
    folder, monkeypatch, capsys, stage, name, old, new, place
):
    line = failure(monkeypatch, capsys, stage, lambda: replace(folder / name, old, new))
    assert bool(line) == bool(place)
    assert line.startswith(place) and line.count("\n") <= 2


def test_pipeline_that_is_emptied_before_a_stage_starts_is_no_traceback(
    folder, monkeypatch, capsys
):
    (folder / "dvc.yaml").write_text("")
    assert failure(monkeypatch, capsys, "split", lambda: None) == ""


def test_photo_that_comes_while_photos_are_fetched_fails_fetch(folder, monkeypatch, capsys):
    def main() -> None:
        (folder / "photos" / "1.jpg").write_bytes(b"")

    assert failure(monkeypatch, capsys, "fetch", main).startswith("fetch.source changed ")


def test_stage_that_fails_at_its_end_publishes_nothing(folder, monkeypatch, capsys):
    published: list[str] = []

    def main() -> Callable[[], None]:
        replace(folder / "params.yaml", "views: 4", "views: 5")
        return lambda: published.append("features")

    assert "params.yaml: augment changed " in failure(monkeypatch, capsys, "features", main)
    assert published == []
