"""Test that files which cannot be read or written at the moment are reported, not rejected."""

import resource
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, photos_of, refused, run, users_python, write_files

from pawprint.base import files
from pawprint.commands.init import create
from pawprint.network.store import write_shard

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files of Linux")
FAILS = Path("/proc/self/mem")  # can be opened, but reading its beginning raises an I/O error
NAMES = ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg"]


@pytest.fixture
def photos(tmp_path) -> Path:
    return write_files(tmp_path / "photos", photos_of(NAMES))


@pytest.mark.parametrize("size", [0, 40_000], ids=["small", "large"])
def test_photo_without_permission_is_named_and_stays(photos, tmp_path, size):
    path = photos / NAMES[0]
    path.write_bytes(path.read_bytes() + bytes(size))
    path.chmod(0)
    command = [*users_python(), "-m", "pawprint", "init", "p", "--images", "photos"]
    result = run(*command, cwd=tmp_path, PYTHONPATH=str(PROJECT))
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1
    assert line.startswith(f"cannot read photos/{NAMES[0]}: Permission denied. Check the perm")
    assert not (tmp_path / "p").exists() and path.exists()


@pytest.mark.parametrize("is_looked_into", [True, False])
def test_photo_that_is_in_a_cloud_only_is_named(photos, tmp_path, monkeypatch, is_looked_into):
    """The first read checks for a pointer, or copies a larger photo."""
    if not is_looked_into:
        monkeypatch.setattr(files, "LARGEST", -1)
    for name in NAMES[:2]:
        (photos / name).unlink()
        (photos / name).symlink_to(FAILS)
    with refused(f"cannot read {photos / NAMES[0]}: Input/output error", "cloud") as got:
        create(tmp_path / "p", photos, None)
    assert "emove" not in str(got.value)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("name", ["metadata.csv", "photos.zip", "photos.tar"])
def test_table_or_archive_that_cannot_be_read_is_named(photos, tmp_path, name):
    link = (photos if name == "metadata.csv" else tmp_path) / name
    link.symlink_to(FAILS)
    with refused(f"cannot read {link}: Input/output error"):
        create(tmp_path / "p", photos if name == "metadata.csv" else link, None)


def test_shard_that_has_no_room_is_named(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with refused(f"cannot write {tmp_path / 'shard-0.npy'}: File too large. Free space"):
            write_shard(tmp_path / "shard-0.npy", {"index": np.zeros(9999)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
