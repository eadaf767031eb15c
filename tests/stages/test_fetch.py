import os
from pathlib import Path

import pytest
from changed_params import sha256
from conftest import PROJECT, clean_archive, photo, run
from faults import FOLDERS

from pawprint.core.errors import InputError
from pawprint.core.files import pack
from pawprint.dataset import packing
from pawprint.images.archive import members, open_archive, read_member
from recipes.overlay import overlay
from stages import fetch as stage


def fetch(source: Path, folder: Path) -> None:
    stage.fetch([str(source)], [None], folder)


def test_zip_is_taken_byte_for_byte(drawn_archive, tmp_path):
    fetch(drawn_archive, tmp_path / "raw")
    assert (tmp_path / "raw" / "images.zip").read_bytes() == drawn_archive.read_bytes()


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
        fetch(tmp_path / name, tmp_path / "raw" / name)
    first, second = (tmp_path / "raw" / name / "images.zip" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    with open_archive(first) as archive:
        assert members(archive) == ["cats/1.jpg", "dogs/1.jpg"]
        assert read_member(archive, "dogs/1.jpg") == b"dogs"


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
        fetch(given, tmp_path / "data" / "raw")
    assert list((tmp_path / "data").iterdir()) == []


def test_archive_with_another_hash_is_refused_and_leaves_nothing(drawn_archive, tmp_path):
    with pytest.raises(InputError, match=r"fetch\.sha256: expected a file with sha256 0{64}"):
        stage.fetch([str(drawn_archive)], ["0" * 64], tmp_path / "data" / "raw")
    assert list((tmp_path / "data").iterdir()) == []


def write_zip(path: Path, *names: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    pack(path, [(name, photo(number)) for number, name in enumerate(names, len(path.stem))])
    return path


def names_in(folder: Path) -> dict[str, list[str]]:
    return {path.name: members(open_archive(path)) for path in sorted(folder.iterdir())}


def test_list_of_archives_is_read_as_one(tmp_path):
    first = write_zip(tmp_path / "given" / "a.zip", "cats/1.jpg", "dogs/1.jpg", "README")
    second = write_zip(tmp_path / "given" / "more.zip", "cats/2.jpg", "README")
    hashes = [None, sha256(second)]
    stage.fetch([str(first), second.as_uri()], hashes, tmp_path / "raw")
    assert (tmp_path / "raw/images-001.zip").read_bytes() == first.read_bytes()
    assert (tmp_path / "raw/images-002.zip").read_bytes() == second.read_bytes()
    kept, rejected = clean_archive(tmp_path / "raw")
    assert list(kept["path"]) == ["cats/1.jpg", "cats/2.jpg", "dogs/1.jpg"]
    assert list(rejected["reason"]) == ["duplicate_name"] * 2


def test_list_of_one_archive_is_that_archive(drawn_archive, tmp_path):
    stage.fetch([str(drawn_archive)], [sha256(drawn_archive)], tmp_path / "raw")
    assert (tmp_path / "raw/images.zip").read_bytes() == drawn_archive.read_bytes()


@pytest.mark.parametrize(
    ("second", "hashes", "message"),
    [
        ("none.zip", [None, None], r"fetch\.source\.1: expected a URL, or the path of .*none\.zip"),
        ("given", [None, None], r"fetch\.source\.1: expected a zip or a tar, .* in a list\."),
        ("b.zip", [None, "0" * 64], r"fetch\.sha256\.1: expected a file with sha256 0{64}\."),
    ],
)
def test_wrong_archive_of_a_list_is_named_and_leaves_nothing(tmp_path, second, hashes, message):
    first = write_zip(tmp_path / "given" / "a.zip", "cats/1.jpg")
    write_zip(tmp_path / "b.zip", "dogs/1.jpg")
    with pytest.raises(InputError, match=message) as error:
        stage.fetch([str(first), str(tmp_path / second)], hashes, tmp_path / "data" / "raw")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("data/*"))


def test_image_in_two_archives_is_named(tmp_path):
    for name in ("images-001.zip", "images-002.zip"):
        write_zip(tmp_path / name, "cats/1.jpg", "dogs/1.jpg", "__MACOSX/cats/._1.jpg")
    message = r"Received: cats/1\.jpg in images-001\.zip and in images-002\.zip"
    with pytest.raises(InputError, match=message) as error:
        clean_archive(tmp_path)
    assert "\n" not in str(error.value)


@pytest.fixture
def large_folder(tmp_path, monkeypatch) -> Path:
    """200 files, and archives of at most 20."""
    monkeypatch.setattr(packing, "MAX_FILES", 20)
    for number in range(200):
        path = tmp_path / "photos" / ("cats" if number % 2 else "dogs") / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
    return tmp_path / "photos"


def test_large_folder_becomes_several_archives_with_the_same_names(large_folder, tmp_path):
    fetch(large_folder, tmp_path / "raw")
    found = names_in(tmp_path / "raw")
    assert list(found) == [f"images-{number:03}.zip" for number in range(1, len(found) + 1)]
    assert max(map(len, found.values())) <= 20
    files = (path.relative_to(large_folder) for path in large_folder.glob("*/*"))
    expected = sorted(path.as_posix() for path in files)
    assert [name for names in found.values() for name in names] == expected
    with open_archive(tmp_path / "raw") as archive:
        assert members(archive) == expected
        assert read_member(archive, "cats/199.jpg") == b"199"


def test_file_added_to_a_large_folder_changes_few_archives(large_folder, tmp_path):
    fetch(large_folder, tmp_path / "before")
    (large_folder / "cats" / "050.jpg").write_bytes(b"new")
    fetch(large_folder, tmp_path / "after")
    before, after = (
        {path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("before", "after")
    )
    assert len(before) > 10
    assert len(after - before) <= 2


def test_hash_of_a_large_folder_is_refused(large_folder, tmp_path):
    with pytest.raises(InputError, match=r"fetch\.sha256: expected null .* for 200 files\."):
        stage.fetch([str(large_folder)], ["0" * 64], tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


@pytest.mark.skipif(os.name != "posix", reason="names that are not text, and pipes")
def test_name_that_is_not_utf8_is_read_as_in_a_zip(tmp_path):
    folder = tmp_path / "photos"
    try:
        (folder / "cats").mkdir(parents=True)
        (folder / "cats" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system has no such names")
    fetch(folder, tmp_path / "raw")
    with open_archive(tmp_path / "raw") as archive:
        assert members(archive) == ["cats/cafΘ.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
@pytest.mark.parametrize("name", FOLDERS)
def test_entry_that_is_neither_file_nor_folder_is_named_and_nothing_is_packed(tmp_path, name):
    folder = tmp_path / "photos"
    folder.mkdir()
    FOLDERS[name].made(folder / "1.jpg")
    with pytest.raises(InputError, match=rf"Received: .*1\.jpg, {FOLDERS[name].promise}") as error:
        fetch(folder, tmp_path / "raw")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "raw").exists()
