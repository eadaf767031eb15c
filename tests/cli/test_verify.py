"""Damage that DVC does not see, with a real project of two stages."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import pawprint, repro, succeed

from pawprint.project import LOCK

DVC_YAML = """
stages:
  file: {cmd: python make.py, deps: [make.py], outs: [made.txt]}
  folder: {cmd: mkdir many && cp made.txt many/a && echo b > many/b, deps: [made.txt], outs: [many]}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    succeed("dvc", "init", "--no-scm", "--quiet", cwd=folder)
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "make.py").write_text("open('made.txt', 'w').write('made')")
    assert repro(folder) == ["file", "folder"]
    return folder


def cached(project: Path) -> dict[bytes, Path]:
    """The files of the cache by their content; the list of a folder's files begins with [."""
    files = (path for path in (project / ".dvc/cache/files").rglob("*") if path.is_file())
    return {path.read_bytes()[:4]: path for path in files}


def damage(path: Path) -> bytes:
    """Another byte in a file whose mode stays the same. Returns what was there."""
    content, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(b"?" + content[1:])
    path.chmod(mode)
    return content


@pytest.mark.parametrize("contents", [(b"made", b"b\n"), (b'[{"m',)])
def test_damaged_files_of_the_cache_are_removed_and_made_again(project, contents):
    assert pawprint(project, "verify").returncode == 0
    before = cached(project)
    originals = [damage(before[content]) for content in contents]
    result = pawprint(project, "verify")
    assert result.returncode == 1
    for line, content in zip(result.stderr.splitlines(), contents, strict=True):
        assert line.startswith(f"{os.path.relpath(before[content], project)}: ")
    assert cached(project).keys() == before.keys() - set(contents)
    repro(project)
    assert [before[content].read_bytes() for content in contents] == originals


def test_file_of_the_workspace_that_differs_is_named_and_kept_and_a_missing_one_is_not(project):
    content = damage(project / "many" / "b")
    (project / "made.txt").unlink()
    result = pawprint(project, "verify")
    (line,) = result.stderr.splitlines()
    assert (result.returncode, line.split(" expected")[0]) == (1, "many/b:")
    assert (project / "many" / "b").read_bytes() == b"?\n"
    (project / "many" / "b").write_bytes(content)


def lock_with(project: Path, folder: Path, path: str, md5: str) -> Path:
    """A copy of the project in which dvc.lock has another path and MD5 of the first output."""
    shutil.copytree(project, folder)
    text = (folder / LOCK).read_text()
    known = hashlib.md5(b"made").hexdigest()
    assert known in text
    text = text.replace(f"md5: {known}", f"md5: {json.dumps(md5)}")
    (folder / LOCK).write_text(text.replace("path: made.txt", f"path: {path}"))
    return folder


@pytest.mark.parametrize(
    ("path", "md5", "is_listed"),
    [("made.txt", "aa../../../../../outside.txt", True), ("../../outside.txt", "a" * 32, False)],
)
def test_file_outside_of_cache_and_project_is_named_and_kept(
    project, tmp_path, path, md5, is_listed
):
    outside = tmp_path / "outside.txt"
    outside.write_text("precious")
    path, md5 = (each.format(outside=outside) for each in (path, md5))
    if is_listed:
        listing = json.dumps([{"md5": md5, "relpath": path.replace("made.txt", "a")}]).encode()
        list_md5 = hashlib.md5(listing).hexdigest()
        folder = lock_with(project, tmp_path / "project", "many", f"{list_md5}.dir")
        place = folder / ".dvc/cache/files/md5" / list_md5[:2] / f"{list_md5[2:]}.dir"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(listing)
    else:
        folder = lock_with(project, tmp_path / "project", path, md5)
    result = pawprint(folder, "verify")
    assert outside.read_text() == "precious"
    (line,) = result.stderr.splitlines()
    assert (result.returncode, line.startswith("dvc.lock: expected ")) == (1, True)
    assert md5 in line and hashlib.md5(b"precious").hexdigest() not in line


def test_project_without_results_is_one_line(tmp_path):
    (tmp_path / "params.yaml").touch()
    result = pawprint(tmp_path, "verify")
    assert result.returncode == 1
    assert result.stderr.startswith("dvc.lock: ") and result.stderr.count("\n") == 1
