"""Test that no cut transfer from a remote goes unnoticed."""

import hashlib
import http.server
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import clone, commit, git_init, run, succeed, write_files
from servers import HOST, files_of

from pawprint.pipeline.remotes import describe_unverified

CUTS = 1000


def set_remote(project: Path, *arguments: str) -> None:
    succeed("dvc", "remote", *arguments, cwd=project)


def test_code_names_each_remote_without_verify(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git_init(tmp_path)
    succeed("dvc", "init", "-q", cwd=tmp_path)
    assert describe_unverified() == []
    set_remote(tmp_path, "add", "--default", "storage", "/mnt/100%/food")
    set_remote(tmp_path, "add", "old", "s3://bucket/food")
    storage, old = describe_unverified()
    assert "remote storage" in storage and "remote old" in old
    succeed(*storage.split("`")[1].split(), cwd=tmp_path)
    assert describe_unverified() == [old]
    set_remote(tmp_path, "modify", "old", "verify", "false")
    set_remote(tmp_path, "modify", "--local", "old", "verify", "true")  # overrides it
    assert describe_unverified() == []
    set_remote(tmp_path, "add", "--local", "own", "/mnt/own")
    (own,) = describe_unverified()
    succeed(*own.split("`")[1].split(), cwd=tmp_path)
    assert describe_unverified() == []
    write_files(tmp_path, {".dvc/config": "verify"})  # DVC reports it
    assert describe_unverified() == []


class Cuts(http.server.SimpleHTTPRequestHandler):
    """Ends the first transfer of each file in its middle, and names no length, as a proxy may."""

    seen: ClassVar = set()

    def send_header(self, keyword, value):
        if keyword != "Content-Length":
            super().send_header(keyword, value)

    def copyfile(self, source, outputfile):
        content = source.read()
        whole = self.path in self.seen or self.path.endswith(".dir")
        self.seen.add(self.path)
        outputfile.write(content if whole else content[: len(content) // 2])


@pytest.mark.slow
def test_none_of_a_thousand_cut_transfers_stays_unnoticed(tmp_path):
    """treeverse/dvc 10525: without `verify`, `dvc pull` ends well with the halves of all files."""
    project = tmp_path / "project"
    write_files(project, {f"photos/{n}.jpg": f"photo {n} " * 100 for n in range(CUTS)})
    git_init(project)
    for command in (
        "init -q",
        "add -q photos",
        "remote add -q --default storage ../remote",
        "remote modify -q storage verify true",
        "push -q",
    ):
        succeed("dvc", *command.split(), cwd=project)
    commit(project, "Photos")
    colleague = clone(project)
    with files_of(tmp_path / "remote", Cuts) as port:
        set_remote(colleague, "modify", "storage", "url", f"http://{HOST}:{port}")
        assert run("dvc", "pull", cwd=colleague).returncode
        assert len(Cuts.seen) > CUTS  # with the list of the folder
        for path in (colleague / ".dvc/cache/files/md5").glob("*/*"):
            md5 = hashlib.md5(path.read_bytes()).hexdigest()
            assert md5 == path.parent.name + path.name.removesuffix(".dir")
        succeed("dvc", "pull", cwd=colleague)
    pulled = [
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (project / "photos", colleague / "photos")
    ]
    assert pulled[0] == pulled[1]
