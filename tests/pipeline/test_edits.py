"""What is edited while DVC runs is not recorded as if a stage had read it."""

from pathlib import Path

import pytest
from conftest import git_project, photo, repro, run, succeed

SOURCE = "fetch: {source: ../photos}"
# Runs a stage that ends after a file has changed.
STAGE = """
import sys
from pathlib import Path
from importlib import import_module
from pawprint.core.entry import run_stage
stage, path, old, new = sys.argv[1:]
def main():
    import_module(f"stages.{stage}").main()
    before = Path(path).read_text() if old else ""
    assert old in before
    Path(path).write_text(before.replace(old, new) if old else new)
run_stage(main)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project of two photos in which `clean` has run."""
    folder = tmp_path_factory.mktemp("edits")
    for number, name in enumerate(("cats/1.jpg", "dogs/1.jpg")):
        (folder / "photos" / name).parent.mkdir(parents=True)
        (folder / "photos" / name).write_bytes(photo(number))
    project = git_project(folder / "project", SOURCE)
    assert repro(project, "clean") == ["fetch", "clean"]
    return project


@pytest.fixture
def restored(project):
    yield
    (project.parent / "photos" / "cats" / "2.jpg").unlink(missing_ok=True)
    succeed("git", "checkout", "-q", "--", ".", cwd=project)


@pytest.mark.parametrize(
    ("stage", "path", "old", "new", "named"),
    [
        ("clean", "params.yaml", "rule: decodes", "rule: jfif", "params.yaml: clean"),
        ("clean", "params.yaml", "clean:", "clean: &", "params.yaml"),  # no YAML any more
        ("clean", "params.yaml", "views: 4", "views: 5", None),  # of another stage
        ("clean", "labels.csv", "path,label\n", "path,label\ncats/1.jpg,dog\n", "labels.csv"),
        ("fetch", "../photos/cats/2.jpg", "", "text", "../photos"),
    ],
)
def test_input_that_changes_before_the_end_of_a_stage_fails_it(
    project, restored, stage, path, old, new, named
):
    result = run("python", "-c", STAGE, stage, path, old, new, cwd=project)
    if not named:
        assert (result.returncode, result.stderr) == (0, "")
        return
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{named}: ")


def test_code_that_was_edited_after_the_stage_code_ran_is_refused(project, restored):
    module = project / "pawprint" / "dataset" / "cleaning.py"
    alone = ("dvc", "repro", "--force", "--single-item", "clean")
    with module.open("a", encoding="utf-8") as file:
        file.write("# A comment\n")
    succeed(*alone, cwd=project)
    with module.open("a", encoding="utf-8") as file:
        file.write("UNUSED = 0\n")
    result = run(*alone, cwd=project)
    assert result.returncode
    assert "pawprint/dataset/cleaning.py: expected the code that" in result.stderr
    assert repro(project, "clean") == ["clean"]
