"""Test damage that DVC does not notice, in a real project of two stages."""

import os
from pathlib import Path

import pytest
from conftest import pawprint, repro, succeed

DVC_YAML = """
stages:
  file: {cmd: python make.py, deps: [make.py], outs: [made.txt]}
  folder: {cmd: mkdir many && cp made.txt many/a && echo b > many/b, deps: [made.txt], outs: [many]}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("check")
    succeed("dvc", "init", "--no-scm", "--quiet", cwd=folder)
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "make.py").write_text("open('made.txt', 'w').write('made')")
    assert repro(folder) == ["file", "folder"]
    return folder


def cached(project: Path) -> dict[bytes, Path]:
    """Return the files in the cache by content. The list of a folder's files begins with [."""
    files = (path for path in (project / ".dvc/cache/files").rglob("*") if path.is_file())
    return {path.read_bytes()[:4]: path for path in files}


def damage(path: Path) -> bytes:
    """Change a byte in a file without changing its mode and return the original content."""
    content, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(b"?" + content[1:])
    path.chmod(mode)
    return content


@pytest.mark.parametrize(
    "contents",
    [(b"made", b"b\n"), pytest.param((b'[{"m',), marks=pytest.mark.extended)],
)
def test_damaged_files_of_the_cache_are_removed_and_made_again(project, contents):
    assert pawprint(project, "check", "--files").returncode == 0
    before = cached(project)
    originals = [damage(before[content]) for content in contents]
    result = pawprint(project, "check", "--files")
    assert result.returncode == 1
    for line, content in zip(result.stderr.splitlines(), contents, strict=True):
        assert line.startswith(f"{os.path.relpath(before[content], project)}: ")
    assert cached(project).keys() == before.keys() - set(contents)
    repro(project)
    assert [before[content].read_bytes() for content in contents] == originals


def test_file_of_the_workspace_that_differs_is_named_and_kept_and_a_missing_one_is_not(project):
    content = damage(project / "many" / "b")
    (project / "made.txt").unlink()
    result = pawprint(project, "check", "--files")
    (line,) = result.stderr.splitlines()
    assert (result.returncode, line.split(" expected")[0]) == (1, "many/b:")
    assert (project / "many" / "b").read_bytes() == b"?\n"
    (project / "many" / "b").write_bytes(content)


def test_project_without_results_is_one_line(tmp_path):
    (tmp_path / "params.yaml").touch()
    result = pawprint(tmp_path, "check", "--files")
    assert result.returncode == 1
    assert "dvc.lock has no results" in result.stderr and result.stderr.count("\n") == 1
