"""Test where the package was installed from, how others install it, and how to renew it."""

import json
import os
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from conftest import (
    PROJECT,
    commit,
    git_init,
    refused,
    set_author,
    succeed,
    users_python,
    write_files,
)

from pawprint.installation import address_of, install_command, pages, renewal, requirement
from pawprint.package import installed_version

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHARED = "https://h.example/team/p.git"


@pytest.fixture
def installed_from(tmp_path, monkeypatch):
    """Return a function that sets the origin of the package; None stands for an index."""

    def install(origin: dict | None) -> None:
        info = {"METADATA": "Name: pawprint-dvc\nVersion: 0.2.0\n", "INSTALLER": "pip\n"}
        if origin:
            info["direct_url.json"] = json.dumps(origin)
        write_files(tmp_path / "pawprint_dvc-0.2.0.dist-info", info)
        monkeypatch.syspath_prepend(tmp_path)

    return install


def git(url: str) -> dict:
    return {"url": url, "vcs_info": {"vcs": "git", "commit_id": COMMIT}}


def folder(path: Path, editable: bool = True) -> dict:
    return {"url": path.as_uri(), "dir_info": {"editable": True} if editable else {}}


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, "pawprint-dvc==0.2.0"),
        (git("https://h/p"), f"pawprint-dvc @ git+https://h/p@{COMMIT}"),
        (git("https://user:token@h/p"), f"pawprint-dvc @ git+https://h/p@{COMMIT}"),
        (git("ssh://git@h/p.git"), f"pawprint-dvc @ git+ssh://git@h/p.git@{COMMIT}"),
        (
            {"url": "https://h/p.whl", "archive_info": {"hashes": {"sha256": "ab12"}}},
            "pawprint-dvc @ https://h/p.whl#sha256=ab12",
        ),
        (
            {"url": "https://h/p.whl?token=x", "archive_info": {}},
            "pawprint-dvc @ https://h/p.whl",
        ),
    ],
)
def test_line_names_the_package_by_its_origin_without_secrets(installed_from, origin, line):
    installed_from(origin)
    assert requirement() == (line, "")


@pytest.fixture
def clone(tmp_path) -> Path:
    """Return a clean clone with an origin that others can reach and that has its commit."""
    path = tmp_path / "my clone"
    path.mkdir()
    git_init(path)
    write_files(path, {"a.py": "1\n"})
    commit(path, "First")
    succeed("git", "remote", "add", "origin", SHARED.replace("//", "//user:token@"), cwd=path)
    succeed("git", "update-ref", "refs/remotes/origin/main", "HEAD", cwd=path)
    return path


def test_clone_in_a_folder_that_is_closed_to_the_user_is_not_named(installed_from, clone, tmp_path):
    installed_from(folder(clone))
    clone.chmod(0)
    code = "from pawprint.installation import requirement; print(requirement()[0])"
    path = os.pathsep.join(map(str, (tmp_path, PROJECT)))
    line = succeed(*users_python(), "-c", code, cwd=tmp_path, PYTHONPATH=path)
    clone.chmod(0o700)
    assert line.startswith("# pawprint-dvc 0.2.0") and str(clone) not in line


def head(clone: Path) -> str:
    return succeed("git", "rev-parse", "HEAD", cwd=clone).strip()


def test_commit_of_a_clone_is_at_its_origin(installed_from, clone):
    origin = git(clone.as_uri())
    origin["vcs_info"]["commit_id"] = head(clone)
    installed_from(origin)
    assert requirement() == (f"pawprint-dvc @ git+{SHARED}@{head(clone)}", "")


def test_copy_of_a_clone_is_its_commit_only_where_the_code_is_the_same(installed_from, tmp_path):
    path = tmp_path / "source"
    succeed("git", "clone", "-q", PROJECT, path, cwd=tmp_path)
    for name in succeed("git", "ls-files", "-m", "-o", "--exclude-standard", cwd=PROJECT).split():
        if (PROJECT / name).is_file():
            write_files(path, {name: (PROJECT / name).read_bytes()})
    set_author(path)
    write_files(path, {"new.txt": "so that there is something to commit"})
    commit(path, "All")
    succeed("git", "remote", "set-url", "origin", SHARED, cwd=path)
    succeed("git", "update-ref", "refs/remotes/origin/main", "HEAD", cwd=path)
    installed_from(folder(path, editable=False))
    assert requirement() == (f"pawprint-dvc @ git+{SHARED}@{head(path)}", "")
    (path / "pawprint/draws.py").write_text("x = 1\n")
    commit(path, "Later")
    succeed("git", "update-ref", "refs/remotes/origin/main", "HEAD", cwd=path)
    assert requirement()[0].startswith("# pawprint-dvc")


@pytest.mark.parametrize("case", ["changed", "unpushed", "no origin", "no clone", "wheel"])
def test_what_others_cannot_install_is_said_and_no_path_is_written(installed_from, clone, case):
    origin = folder(clone)
    if case == "changed":
        (clone / "a.py").write_text("2\n")
    elif case == "unpushed":
        (clone / "a.py").write_text("2\n")
        commit(clone, "Second")
    elif case == "no origin":
        succeed("git", "remote", "remove", "origin", cwd=clone)
    elif case == "no clone":
        (clone / ".git").rename(clone.parent / "away")
    else:
        origin = {"url": "file:///p.whl", "archive_info": {}}
    installed_from(origin)
    line, missing = requirement()
    assert line.startswith("# pawprint-dvc 0.2.0") and str(clone) not in line
    assert "origin" in missing and "\n" not in missing


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@host:team/p.git", "ssh://git@host/team/p.git"),
        ("https://token@h/p", "https://h/p"),
        ("ssh://git@h:22/p", "ssh://git@h:22/p"),
        *((remote, None) for remote in ("", "/srv/p", "../p", "file:///p", "C:\\p")),
        *((f"http://{host}/p", None) for host in ("localhost:80", "127.0.0.1", "[::1]:80")),
    ],
)
def test_address_of_a_remote_that_others_reach(remote, address):
    assert address_of(remote) == address


DOCS = "docs/ of the repository"


@pytest.mark.parametrize(
    ("origin", "install", "place", "docs"),
    [
        (None, "'pawprint-dvc[app]'", "--upgrade pawprint-dvc", DOCS),
        (
            git("https://u:t@h/p"),
            f"'pawprint-dvc[app] @ git+https://h/p@{COMMIT}'",
            "https://h/p",
            f"docs/ of https://h/p at commit {COMMIT[:10]}",
        ),
        (folder(Path("/my p")), "-e '/my p[app]'", "/my p", str(Path("/my p/docs"))),
        ({"url": "file:///p.whl", "archive_info": {}}, "'/p.whl[app]'", "/p.whl", DOCS),
        (
            {"url": "https://h/p.whl", "archive_info": {}},
            "'pawprint-dvc[app] @ https://h/p.whl'",
            "https://h/p.whl",
            DOCS,
        ),
    ],
)
def test_messages_name_the_origin_of_this_installation(
    installed_from, origin, install, place, docs
):
    """Somebody else could publish the name of the package on an index."""
    installed_from(origin)
    assert install_command("app") == f"pip install {install}"
    assert place in renewal() and pages() == docs


@pytest.mark.parametrize("left", [False, True])
def test_without_installation_the_folder_of_the_code_is_named(tmp_path, monkeypatch, left):
    """A build in the current folder leaves metadata there, which says nothing of an origin."""
    if left:
        info = {"PKG-INFO": "Name: pawprint-dvc\nVersion: 0.2.0\n"}
        write_files(tmp_path / "pawprint_dvc.egg-info", info)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert len(list(distributions(name="pawprint-dvc"))) == left
    assert install_command("app") == f"pip install '{PROJECT}[app]'"
    assert str(PROJECT) in renewal() and "pawprint-dvc" not in renewal()
    assert (installed_version(), pages()) == (None, str(PROJECT / "docs"))
    with refused("the package is not installed", install_command()):
        requirement()
