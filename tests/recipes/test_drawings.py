from conftest import DRAWN

from recipes.sample.drawings import write_archive


def test_archive_is_the_same_bytes_every_time(tmp_path):
    for name in ("first.zip", "second.zip"):
        write_archive(tmp_path / name, **DRAWN)
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
