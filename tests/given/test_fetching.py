import hashlib
import os
import pickle
import tracemalloc
from pathlib import Path

import pytest
from conftest import refused, sha256, write_files

from pawprint.base.files import pack
from pawprint.data.sources import fetch
from pawprint.given.archive import (
    UnusableImageError,
    members,
    open_archive,
    read_member,
    write_list,
)


def test_source_that_is_not_there_is_named_without_its_token(tmp_path):
    url = "https://user:correct-horse@host/x.zip?token=correct-horse"
    with refused("fetch.source: ", "Received: ", "which does not exist") as error:
        fetch(Path(url), tmp_path / "raw")
    assert "correct-horse" not in str(error.value)


def test_large_file_beside_photos_is_packed_in_parts(tmp_path):
    folder = write_files(tmp_path / "photos", {"cat/1.jpg": "cat"})
    with (folder / "video.mp4").open("wb") as video:
        video.truncate(2**25)
    tracemalloc.start()
    fetch(folder, tmp_path / "raw")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24
    contents = [("cat/1.jpg", b"cat"), ("video.mp4", bytes(2**25))]
    pack(tmp_path / "whole.zip", contents)
    packed = (tmp_path / "raw" / "images.zip").read_bytes()
    assert packed == (tmp_path / "whole.zip").read_bytes()


@pytest.fixture
def mirror_of_one(drawn_archive, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("PAWPRINT_MIRROR", str(drawn_archive.parent))
    return tmp_path / "photos.yaml"


def test_yaml_file_names_the_url_and_the_hash(drawn_archive, mirror_of_one, tmp_path):
    for line in ("", f"sha256: {sha256(drawn_archive)}"):
        text = f"url: https://host.invalid/{drawn_archive.name}\n{line}\n"
        mirror_of_one.write_text(text, encoding="utf-8")
        fetch(mirror_of_one, tmp_path / "raw")
        assert (tmp_path / "raw" / "images.zip").read_bytes() == drawn_archive.read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("url: https://host.invalid/images.zip\nsha256: {other}", "expected a file with sha256 a"),
        ("url: https://host.invalid/images.zip\nsha265: x", "sha265: unknown key."),
        ("https://host.invalid/images.zip", "whole file: expected a mapping with url, sha256"),
    ],
)
def test_wrong_yaml_file_is_refused_in_one_line(mirror_of_one, tmp_path, text, message):
    mirror_of_one.write_text(text.format(other="a" * 64), encoding="utf-8")
    with refused(f"photos.yaml: {message}"):
        fetch(mirror_of_one, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_folder_is_packed_the_same_whatever_its_dates(tmp_path):
    for name in ("first", "second"):
        folder = write_files(tmp_path / name, {"cats/1.jpg": "cats", "dogs/1.jpg": "dogs"})
        if name == "second":
            os.utime(folder / "dogs/1.jpg", (10**9, 10**9))
        fetch(folder, tmp_path / "raw" / name)
    first, second = (tmp_path / "raw" / name / "images.zip" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    with open_archive(first) as archive:
        assert members(archive) == ["cats/1.jpg", "dogs/1.jpg"]
        assert read_member(archive, "dogs/1.jpg") == b"dogs"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Welcome\n", "given', which begins with b'Welcome\\n'"),
        (None, "Received: an empty folder"),
    ],
)
def test_source_without_images_is_refused_and_leaves_nothing(tmp_path, content, message):
    source = tmp_path / "given"
    source.mkdir() if content is None else source.write_bytes(content)
    with refused("fetch.source: ", message):
        fetch(source, tmp_path / "data" / "raw")
    assert list((tmp_path / "data").iterdir()) == []


def test_listed_files_are_read_from_every_folder_and_unsafe_names_are_not(tmp_path, monkeypatch):
    folder = write_files(tmp_path / "photos", {"cats/1.jpg": "cat", ".private": "mine"})
    write_files(tmp_path, {"secret.jpg": "cat"})
    md5 = hashlib.md5(b"cat").hexdigest()
    fetch(folder, tmp_path / "data" / "raw", {"cats/1.jpg": md5, "missing.jpg": md5})
    monkeypatch.chdir(tmp_path)
    archive = pickle.dumps(open_archive(Path("data/raw")))
    monkeypatch.chdir(folder)
    with pickle.loads(archive) as archive:
        assert members(archive) == ["cats/1.jpg"]
        assert read_member(archive, "cats/1.jpg") == b"cat"
    write_list(tmp_path / "data" / "raw", folder, {"../secret.jpg": md5})
    archive = open_archive(tmp_path / "data" / "raw")
    with pytest.raises(UnusableImageError, match="unsafe name"):
        read_member(archive, "../secret.jpg")


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
@pytest.mark.parametrize(
    ("make", "promise"),
    [
        (lambda path: path.symlink_to(Path(__file__).parent), "which is a link"),
        (lambda path: os.mkfifo(path), "which is neither"),
    ],
)
def test_entry_that_is_neither_file_nor_folder_is_named_and_nothing_is_packed(
    tmp_path, make, promise
):
    (tmp_path / "photos").mkdir()
    make(tmp_path / "photos" / "1.jpg")
    with refused("Received: ", f"1.jpg, {promise}"):
        fetch(tmp_path / "photos", tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
