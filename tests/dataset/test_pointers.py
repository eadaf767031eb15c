"""Test that pointers in place of photos, archives, weights or models are recognised as such."""

import os
import shutil
import struct
import zipfile
from pathlib import Path

import pytest
from conftest import JPEG, PROJECT, clean_archive, photos_of, refused, write_files

from pawprint.dataset.sources import fetch
from pawprint.files import pack
from pawprint.images.archive import UnusableImageError, open_archive
from pawprint.images.pointers import pointer_at
from pawprint.images.reading import decode, read_file
from pawprint.model.predictor import load_predictor
from pawprint.package import EXAMPLE_MODEL
from pawprint.projects.init import create

LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
ANNEX = b"/annex/objects/SHA256E-s12345--4d7a2146.jpg\n"
POINTERS = {LFS: "git lfs pull", ANNEX: "git annex get"}


@pytest.mark.parametrize(("content", "command"), POINTERS.items())
def test_class_of_pointers_is_named_by_init_and_by_clean(tmp_path, content, command):
    """As in amanchadha/coursera-deep-learning-specialization 2, with a ZIP from GitHub."""
    files = photos_of(["cat/0.jpg", "cat/1.jpg", "dog/2.jpg", "dog/3.jpg"])
    files |= {"cat/0.jpg": content, "cat/1.jpg": content}
    folder = write_files(tmp_path / "given", files)
    pack(tmp_path / "given.zip", files.items())
    for images in (folder, tmp_path / "given.zip"):
        with refused("cat/0.jpg and 1 more", command):
            create(tmp_path / "new", images, None, False)
    assert not (tmp_path / "new").exists()
    with refused("class cat", command):
        clean_archive(tmp_path / "given.zip")


def test_pointer_among_photos_has_a_reason_of_its_own(tmp_path):
    """huggingface/transformers 8497."""
    files = photos_of(["cat/0.jpg", "cat/1.jpg", "dog/2.jpg"]) | {"cat/3.jpg": LFS}
    pack(tmp_path / "given.zip", files.items())
    _, rejected, _ = clean_archive(tmp_path / "given.zip")
    (row,) = rejected.itertuples()
    assert (row.path, row.reason) == ("cat/3.jpg", "no_content")
    assert "git lfs pull" in row.detail
    assert f"| `{row.reason}` |" in (PROJECT / "docs/images.md").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_link_of_git_annex_without_content_is_named(tmp_path):
    """As with datalad/datalad, where a clone contains links until `datalad get`."""
    folder = write_files(
        tmp_path / "given", {"cat/0.jpg": JPEG, "dog/1.jpg": JPEG, "dog/3.jpg": JPEG}
    )
    link = folder / "cat/2.jpg"
    link.symlink_to("../.git/annex/objects/Xz/9p/SHA256E-s1--a.jpg/SHA256E-s1--a.jpg")
    for is_outside in (False, True):
        with refused("cat/2.jpg", "git annex get"):
            create(tmp_path / "new", folder, None, is_outside)
    with refused("cat/2.jpg", "git annex get"):
        fetch(folder, tmp_path / "raw")
    with pytest.raises(OSError, match="git annex get"):  # raised when `predict` reads the file
        read_file(link)
    link.unlink()
    link.symlink_to("nowhere")
    assert pointer_at(link) is None


@pytest.mark.parametrize(("content", "command"), POINTERS.items())
def test_archive_photo_and_model_that_are_pointers_are_named(tmp_path, content, command):
    """amanchadha/coursera-deep-learning-specialization 2, huggingface/transformers 8497."""
    path = tmp_path / "photos.zip"
    path.write_bytes(content)
    with refused("photos.zip", command):
        create(tmp_path / "new", path, None, False)
    with refused("photos.zip", command):
        fetch(path, tmp_path / "raw")
    with refused("photos.zip", command):
        open_archive(path)
    with pytest.raises(UnusableImageError, match=command):
        decode(content)
    example = shutil.copytree(EXAMPLE_MODEL, tmp_path / "model")
    for name in ("model.bin", "model.xml", "model.json"):
        kept = (example / name).read_bytes()
        (example / name).write_bytes(content)
        with refused(name, command):
            load_predictor(example)
        (example / name).write_bytes(kept)


def test_photo_that_only_mentions_a_pointer_is_a_photo(tmp_path):
    """One is a photo below a kilobyte, the other a text that mentions Git LFS in a later line."""
    assert decode(JPEG + b"\nversion https://git-lfs.github.com/spec/v1").size
    (tmp_path / "notes.txt").write_bytes(b"See\n" + LFS)
    assert pointer_at(tmp_path / "notes.txt") is None


def zipped(path: Path) -> bytes:
    pack(path, photos_of(["cat/0.jpg", "cat/1.jpg", "dog/2.jpg", "dog/3.jpg"]).items())
    return path.read_bytes()


def last_part(data: bytes) -> bytes:
    """Return the second part of a split zip. Its directory refers to two disks."""
    end = data.rindex(b"PK\x05\x06")
    return data[len(data) // 2 : end + 4] + struct.pack("<HH", 1, 1) + data[end + 8 :]


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("a.zip", lambda data: data[: len(data) // 2], "incomplete zip"),
        ("a.zip.part", lambda data: data[: len(data) // 2], "incomplete zip"),
        ("a.zip", lambda data: data[:200] + data[600:], "incomplete"),
        ("a.zip", lambda data: data[500:], "incomplete"),
        ("a.zip", last_part, "join its parts"),
        ("a.z01", lambda data: b"PK\x07\x08" + data[:500], "Join its parts"),
        ("a.zip.001", lambda data: data[:500], "Join its parts"),
        ("a.rar", lambda data: b"Rar!\x1a\x07\x01\x00" + data[:300], "RAR archive. Unpack it"),
        ("a.zip", lambda data: b"7z\xbc\xaf\x27\x1c" + data[:300], "7z archive. Unpack it"),
        ("a.zip", lambda data: b"\r\n<!DOCTYPE html><html><body>Sign in", "a web page"),
        ("a.zip", lambda data: b"", "an empty file"),
    ],
)
def test_archive_that_is_none_is_called_what_it_is(tmp_path, name, make, words):
    """See amanchadha/coursera-deep-learning-specialization 2, and other files saved as a zip."""
    path = tmp_path / name
    path.write_bytes(make(zipped(tmp_path / "whole.zip")))
    for use in (fetch, lambda images, folder: create(folder, images, None, False)):
        with refused(name, words):
            use(path, tmp_path / "new")
        assert not (tmp_path / "new").exists()


def test_zip_in_a_zip_is_to_be_unpacked(tmp_path):
    """A site may pack a download a second time."""
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        outer.writestr("photos.zip", zipped(tmp_path / "inner.zip"))
    with refused("outer.zip", "photos.zip", "unpack"):
        create(tmp_path / "new", tmp_path / "outer.zip", None, False)
