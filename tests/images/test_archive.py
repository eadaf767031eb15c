import tracemalloc

import pytest
from conftest import refused

from pawprint.files import pack
from pawprint.images.archive import members, open_archive


@pytest.mark.parametrize("content", [None, b"<html>"])
def test_archive_that_is_missing_or_no_zip_is_named(tmp_path, content):
    if content:
        (tmp_path / "images.zip").write_bytes(content)
    with refused("images.zip: "):
        open_archive(tmp_path / "images.zip")


def test_folder_without_a_zip_is_named(tmp_path):
    with refused(f"{tmp_path}: "):
        open_archive(tmp_path)


def test_listing_takes_less_than_100_mb_for_100_000_members(tmp_path):
    names = [f"photos/cats/picture-{number:08}.jpg" for number in range(10_000)]
    pack(tmp_path / "images.zip", ((name, b"") for name in names))
    tracemalloc.start()
    with open_archive(tmp_path) as archive:
        assert members(archive) == names
        _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10_000_000
