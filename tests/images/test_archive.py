import tracemalloc

from conftest import refused

from pawprint.files import pack
from pawprint.images.archive import members, open_archive


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
