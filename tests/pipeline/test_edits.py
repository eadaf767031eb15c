"""Test that edits while DVC runs are not recorded as if a stage had read them."""

import os
from pathlib import Path

import pytest
from conftest import git_project, photos_of, repro, run, succeed, write_files

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
