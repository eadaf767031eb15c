"""Test that data from strangers, in dvc.lock or in lists, cannot refer to the user's files."""

import json
from pathlib import Path

import pytest

from pawprint.pipeline.recorded import Recorded

LISTING = "a" * 32 + ".dir"


@pytest.fixture
def outside(tmp_path, monkeypatch) -> Path:
    """Return a file outside the cache of the project in the current directory."""
    (tmp_path / "project/.dvc/cache/files/md5/aa").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text("secret")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "outside.txt"


def write_lock(md5: object) -> None:
    out = {"path": "data/out", "md5": md5}
    Path("dvc.lock").write_text(json.dumps({"stages": {"one": {"outs": [out]}}}))


@pytest.mark.parametrize(
    "md5", ["aa/{outside}", "aa../../../../../outside.txt", "a" * 31, "A" * 32, 1, None, ["a"]]
)
def test_only_an_md5_is_looked_up_in_the_cache(outside, md5):
    md5 = md5.format(outside=outside) if isinstance(md5, str) else md5
    write_lock(md5)
    recorded = Recorded()
    assert recorded.hash_of("one", Path("data/out")) is None
    assert recorded.text(md5) is None
    assert recorded.files(md5) == {}
    with pytest.raises(ValueError, match="MD5"):
        recorded.file(md5)


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "1", "{}", "[1]", '[{"md5": "a"}]'])
def test_damaged_list_of_files_is_as_none(outside, text):
    write_lock(LISTING)
    Path(".dvc/cache/files/md5/aa", LISTING[2:]).write_text(text)
    assert Recorded().files(LISTING) == {}
