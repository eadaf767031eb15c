"""Test that edits while DVC runs are not recorded as if a stage had read them.

An edit fails the stage only if DVC records the file of this stage, and the work is kept.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PROJECT, git_project, photos_of, replace, repro, run, succeed, write_files

from pawprint.package import STAGES
from pawprint.params.data import Augment, Clean
from pawprint.params.model import Model
from pawprint.pipeline import entry
from pawprint.pipeline.entry import run_stage

# Runs a stage during which a file changes but keeps its modification time.
STAGE = """
import os, sys
from pathlib import Path
from importlib import import_module
stage, path, old, new = sys.argv[1:]
sys.argv[0] = f"stages/{stage}.py"
module, path = import_module(f"stages.{stage}"), Path(path)
from pawprint.pipeline.entry import run_stage
def main():
    module.main()
    before = path.read_bytes()
    assert old.encode() in before
    time = path.stat().st_mtime_ns
    path.write_bytes(before.replace(old.encode(), new.encode()))
    os.utime(path, ns=(time, time))
run_stage(main)
"""


STYLE = "pawprint/reports/drawing.mplstyle"
MODULE = "pawprint/dataset/cleaning.py"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Return a project of few photos in which `split` has run."""
    folder = tmp_path_factory.mktemp("edits")
    names = [f"{label}/{number}.jpg" for label in ("cats", "dogs") for number in range(1, 7)]
    write_files(folder / "photos", photos_of(names))
    project = git_project(folder / "project", "fetch: {source: ../photos}")
    assert repro(project, "split") == ["fetch", "clean", "split"]
    return project


@pytest.fixture
def restored(project):
    yield
    succeed("git", "checkout", "-q", "--", ".", cwd=project)


@pytest.mark.parametrize(
    ("stage", "path", "old", "new", "place"),
    [
        # This change does not affect any output.
        ("clean", "pawprint/engine/dask.py", "import", "import os, ", None),
        ("clean", MODULE, "\nNOT_LISTED =", "\n# A comment\nNOT_LISTED =", None),
        ("clean", MODULE, "\nNOT_LISTED =", "\nUNUSED = 0\nNOT_LISTED =", MODULE),
        ("split", STYLE, "axes", "#axes", STYLE),
        ("code", "requirements.txt", "numpy==", "numpy==0.", "requirements.txt"),
    ],
)
def test_code_that_changes_before_the_end_of_a_stage_fails_it(
    project, restored, stage, path, old, new, place
):
    result = run("python", "-c", STAGE, stage, path, old, new, cwd=project, DVC_STAGE=stage)
    if not place:
        assert (result.returncode, result.stderr) == (0, "")
        return
    assert result.returncode == 1
    line, _ = result.stderr.splitlines() if stage != "code" else (result.stderr, "")
    assert line.startswith((f"{place} was edited ", f"{place} changed "))


@pytest.fixture
def edited(project, restored) -> Path:
    """Return a module that `clean` imports, with a comment that was added after `code` ran."""
    repro(project, "code")
    module = project / "pawprint" / "dataset" / "cleaning.py"
    append(module, "# A comment\n")
    return module


def append(module: Path, text: str) -> None:
    """Append text to a module, and keep its modification time, like `cp -p`."""
    time = module.stat().st_mtime_ns
    with module.open("a", encoding="utf-8") as file:
        file.write(text)
    os.utime(module, ns=(time, time))


def test_code_that_was_edited_after_the_stage_code_ran_is_refused(project, edited):
    alone = ("dvc", "repro", "--force", "--single-item", "clean")
    succeed(*alone, cwd=project)
    append(edited, "UNUSED = 0\n")
    result = run(*alone, cwd=project)
    assert result.returncode
    assert "pawprint/dataset/cleaning.py was edited after" in result.stderr
    assert repro(project, "clean") == ["clean"]


def test_fingerprints_are_never_taken_from_dvcs_cache(project, edited):
    """Otherwise, a wrong fingerprint from an edit while `code` ran could be restored later."""
    append(edited, "UNUSED = 2\n")
    repro(project, "code")
    succeed("git", "checkout", "-q", "--", "pawprint", cwd=project)
    assert "Running stage 'code'" in succeed("dvc", "repro", "code", cwd=project)


SECTIONS = {
    "clean": [Clean.load],
    "features": [Augment.load, Model.load, Clean.load],
    "predict": [Augment.load],
}


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
    entry._listed.cache_clear()  # in reality, every stage is a separate process
    with pytest.raises(SystemExit) as ended:
        run_stage(main)
    written = capsys.readouterr().err
    assert bool(ended.value.code) == bool(written)
    return written


def edit_of(path: Path, old: str, new: str, stage: str) -> Callable[[], None]:
    """Return a `main` that reads the stage's inputs, after which somebody edits a file."""

    def main() -> None:
        for load in SECTIONS.get(stage, ()):
            load()
        replace(path, old, new)

    return main


@pytest.mark.parametrize(
    ("stage", "name", "old", "new"),
    [
        ("features", "params.yaml", "rule: decodes", "rule: jfif"),
        ("features", "params.yaml", "clean:\n", "clean: # a comment\n"),
        ("train_finetune", "params.yaml", "views: 4", "views: 5"),
        ("plot", "params.yaml", "clean:\n", "clean: # a comment\n"),
        ("features", "labels.csv", "path,label", "path,label\ncats/1.jpg,dog"),
    ],
)
def test_edit_of_what_a_stage_does_not_list_lets_it_end(
    folder, monkeypatch, capsys, stage, name, old, new
):
    main = edit_of(folder / name, old, new, stage)
    assert failure(monkeypatch, capsys, stage, main) == ""


@pytest.mark.parametrize(
    ("stage", "name", "old", "new", "place"),
    [
        ("features", "params.yaml", "bits: null", "bits: 8", "params.yaml: clean.bits"),
        ("features", "params.yaml", "views: 4", "views: 5", "params.yaml: augment"),
        ("plot", "params.yaml", "views: 4", "views: 5", "params.yaml"),
        ("clean", "labels.csv", "path,label", "path,label\ncats/1.jpg,dog", "labels.csv"),
        ("split", "splits.csv", "split", "split\n0,test", "splits.csv"),
    ],
)
def test_edit_of_what_dvc_records_of_a_stage_fails_it(
    folder, monkeypatch, capsys, stage, name, old, new, place
):
    main = edit_of(folder / name, old, new, stage)
    assert failure(monkeypatch, capsys, stage, main).startswith(f"{place} changed ")


def test_pipeline_that_is_emptied_before_a_stage_starts_is_no_traceback(
    folder, monkeypatch, capsys
):
    (folder / "dvc.yaml").write_text("")
    assert failure(monkeypatch, capsys, "split", lambda: None) == ""


def test_photo_that_comes_while_photos_are_fetched_fails_fetch(folder, monkeypatch, capsys):
    def main() -> None:
        (folder / "photos" / "1.jpg").write_bytes(b"")

    assert failure(monkeypatch, capsys, "fetch", main).startswith("photos changed ")


def test_stage_that_fails_at_its_end_publishes_nothing(folder, monkeypatch, capsys):
    published: list[str] = []

    def main() -> Callable[[], None]:
        replace(folder / "params.yaml", "views: 4", "views: 5")
        return lambda: published.append("features")

    assert "params.yaml: augment changed " in failure(monkeypatch, capsys, "features", main)
    assert published == []
