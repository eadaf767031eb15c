"""Test where the package was installed from, and how others install it."""

import json
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from conftest import PROJECT, write_files

from pawprint.base.package import install_command, installed_version, line_of_requirement

COMMIT = "0123456789abcdef0123456789abcdef01234567"


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
        ({"url": "https://h/p.whl?token=x", "archive_info": {}}, "pawprint-dvc @ https://h/p.whl"),
    ],
)
def test_line_names_the_package_by_its_origin_without_secrets(installed_from, origin, line):
    installed_from(origin)
    assert line_of_requirement() == line


@pytest.mark.parametrize(
    "origin",
    [folder(Path("/my p")), {"url": "file:///my/p.whl", "archive_info": {}}, git("file:///my/p")],
)
def test_what_others_cannot_install_is_a_comment_without_a_path(installed_from, origin):
    installed_from(origin)
    line = line_of_requirement()
    assert line.startswith("# pawprint-dvc 0.2.0 ") and "my" not in line and "\n" not in line


@pytest.mark.parametrize(
    ("origin", "install"),
    [
        (None, "'pawprint-dvc[app]==0.2.0'"),
        (git("https://u:t@h/p"), f"'pawprint-dvc[app] @ git+https://h/p@{COMMIT}'"),
        (folder(Path("/my p")), "-e '/my p[app]'"),
        ({"url": "file:///p.whl", "archive_info": {}}, "'/p.whl[app]'"),
        ({"url": "https://h/p.whl", "archive_info": {}}, "'pawprint-dvc[app] @ https://h/p.whl'"),
    ],
)
def test_messages_name_the_origin_of_this_installation(installed_from, origin, install):
    """Somebody else could publish the name of the package on an index."""
    installed_from(origin)
    assert install_command("app") == f"pip install {install}"


@pytest.mark.parametrize("left", [False, True])
def test_without_installation_the_folder_of_the_code_is_named(tmp_path, monkeypatch, left):
    """A build in the current folder leaves metadata there, which says nothing of an origin."""
    if left:
        info = {"PKG-INFO": "Name: pawprint-dvc\nVersion: 0.2.0\n"}
        write_files(tmp_path / "pawprint_dvc.egg-info", info)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert len(list(distributions(name="pawprint-dvc"))) == left
    assert install_command("app") == f"pip install '{PROJECT}[app]'"
    assert installed_version() is None
    assert line_of_requirement().startswith("# pawprint-dvc")
