"""Test that examples/read_cache.py reads what DVC has stored, from its cache and from a remote."""

import shutil

import pytest
from conftest import PROJECT, run, set_author, succeed, write_files

SCRIPT = str(PROJECT / "examples/read_cache.py")
PHOTOS = {"cat/1.jpg": b"first", "dog/deep/2.jpg": b"second", "dog/3.jpg": b"first"}
STAGE = """stages:
  train:
    cmd: mkdir -p models/served && cp photos/cat/1.jpg models/served/model.bin
    deps: [photos]
    outs: [models/served]
"""


@pytest.mark.slow
@pytest.mark.parametrize("store", ["project/.dvc/cache", "remote"])
def test_photos_and_model_are_read_without_dvc(tmp_path, store):
    project = tmp_path / "project"
    write_files(project, {f"photos/{name}": content for name, content in PHOTOS.items()})
    (project / "dvc.yaml").write_text(STAGE, encoding="utf-8")
    succeed("git", "init", "-q", cwd=project)
    set_author(project)
    for command in (
        "init -q",
        "add -q photos",
        "remote add -q --default storage ../remote",
        "repro -q",
        "push -q",
    ):
        succeed("dvc", *command.split(), cwd=project)
    if store == "remote":
        shutil.rmtree(project / ".dvc/cache")
    expected = {"photos": PHOTOS, "models/served": {"model.bin": b"first"}}
    for path, files in expected.items():
        to = tmp_path / "to" / path
        succeed("python", SCRIPT, store, "project", path, str(to), cwd=tmp_path)
        found = {file.relative_to(to).as_posix(): file for file in to.rglob("*") if file.is_file()}
        assert {name: file.read_bytes() for name, file in found.items()} == files
    for file in (tmp_path / store / "files/md5").glob("*/*"):
        file.chmod(0o644)
        file.write_bytes(b"damaged")
    result = run("python", SCRIPT, store, "project", "photos", "again", cwd=tmp_path)
    assert result.returncode == 1 and "damaged" in result.stderr
