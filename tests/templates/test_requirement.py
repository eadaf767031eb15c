"""The line of requirements.txt for the package, by what pip recorded of its origin."""

import json

import pytest
from conftest import write_files

from pawprint.templates import requirement

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git(url: str) -> dict:
    return {"url": url, "vcs_info": {"vcs": "git", "commit_id": COMMIT}}


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, "pawprint-dvc==0.2.0"),
        (git("https://h/p"), f"pawprint-dvc @ git+https://h/p@{COMMIT}"),
        (git("file:///p"), f"git+file:///p@{COMMIT}#egg=pawprint-dvc"),
        (
            {"url": "file:///p.whl", "archive_info": {"hashes": {"sha256": "ab12"}}},
            "pawprint-dvc @ file:///p.whl#sha256=ab12",
        ),
        (
            {"url": "https://h/p.whl?token=x", "archive_info": {}},
            "pawprint-dvc @ https://h/p.whl",
        ),
        (
            {"url": "file:///src", "dir_info": {"editable": True}},
            "pawprint-dvc @ file:///src",
        ),
    ],
)
def test_line_names_the_package_by_its_origin_without_secrets(tmp_path, monkeypatch, origin, line):
    info = {"METADATA": "Name: pawprint-dvc\nVersion: 0.2.0\n", "INSTALLER": "pip\n"}
    if origin:
        info["direct_url.json"] = json.dumps(origin)
    write_files(tmp_path / "pawprint_dvc-0.2.0.dist-info", info)
    monkeypatch.syspath_prepend(tmp_path)
    assert requirement() == line
