import os
from pathlib import Path

import pytest
from conftest import PROJECT, run
from faults import FOLDERS

from pawprint.core.errors import InputError
from pawprint.images.archive import members, open_archive
from recipes.overlay import overlay
from stages import fetch as stage


def fetch(source: str, sha256: str | None, images: Path) -> None:
    stage.fetch(source, sha256, images, images.with_name("table.csv"))


def test_zip_is_taken_byte_for_byte(drawn_archive, tmp_path):
    fetch(str(drawn_archive), None, tmp_path / "images.zip")
    assert (tmp_path / "images.zip").read_bytes() == drawn_archive.read_bytes()


def test_stage_prints_its_source_without_tokens(drawn_archive, tmp_path):
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    source = f"{drawn_archive.as_uri()}?token=correct-horse"
    (tmp_path / "params.yaml").write_text(
        overlay(params, f"fetch: {{source: '{source}', watch: {drawn_archive}}}"),
        encoding="utf-8",
    )
    result = run("python", "-m", "stages.fetch", cwd=tmp_path, PYTHONPATH=str(PROJECT))
    size = drawn_archive.stat().st_size
    expected = f"fetch: {size:,} bytes from {drawn_archive.as_uri()}\n"
    assert (result.returncode, result.stdout, result.stderr) == (0, expected, "")


def test_folder_is_packed_the_same_whatever_its_dates(tmp_path):
    for name in ("first", "second"):
        for label in ("cats", "dogs"):
            (tmp_path / name / label).mkdir(parents=True)
            (tmp_path / name / label / "1.jpg").write_text(label)
        fetch(str(tmp_path / name), None, tmp_path / f"{name}.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    with open_archive(tmp_path / "first.zip") as archive:
        assert members(archive) == ["cats/1.jpg", "dogs/1.jpg"]
        assert archive.read("dogs/1.jpg") == b"dogs"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>not here</html>", "expected a folder, a zip, a tar, or a"),
        (None, "expected images in .* Received: an empty folder"),
    ],
)
def test_source_without_images_is_refused_and_leaves_nothing(tmp_path, content, message):
    given = tmp_path / "given"
    given.mkdir() if content is None else given.write_bytes(content)
    with pytest.raises(InputError, match=rf"fetch\.source: {message}"):
        fetch(str(given), None, tmp_path / "raw" / "images.zip")
    assert list((tmp_path / "raw").iterdir()) == []


def test_archive_with_another_hash_is_refused_and_leaves_nothing(drawn_archive, tmp_path):
    with pytest.raises(InputError, match=r"fetch\.sha256: expected a file with sha256 0{64}"):
        fetch(str(drawn_archive), "0" * 64, tmp_path / "raw" / "images.zip")
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="names that are not text, and pipes")
def test_name_that_is_not_utf8_is_read_as_in_a_zip(tmp_path):
    folder = tmp_path / "photos"
    try:
        (folder / "cats").mkdir(parents=True)
        (folder / "cats" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system has no such names")
    fetch(str(folder), None, tmp_path / "images.zip")
    with open_archive(tmp_path / "images.zip") as archive:
        assert members(archive) == ["cats/cafΘ.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
@pytest.mark.parametrize("name", FOLDERS)
def test_entry_that_is_neither_file_nor_folder_is_named_and_nothing_is_packed(tmp_path, name):
    folder = tmp_path / "photos"
    folder.mkdir()
    FOLDERS[name].made(folder / "1.jpg")
    with pytest.raises(InputError, match=rf"Received: .*1\.jpg, {FOLDERS[name].promise}") as error:
        fetch(str(folder), None, tmp_path / "images.zip")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "images.zip").exists()
