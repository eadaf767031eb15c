"""Test that pointers in place of photos, archives, weights or models are recognised as such."""

import shutil

import pytest
from conftest import JPEG, clean_archive, photos_of, refused, write_files

from pawprint.base.files import pack, pointer_at
from pawprint.base.package import EXAMPLE_MODEL
from pawprint.commands.init import create
from pawprint.data.sources import fetch
from pawprint.given.archive import UnusableImageError, open_archive
from pawprint.given.reading import decode
from pawprint.model.predictor import load_predictor

LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
ANNEX = b"/annex/objects/SHA256E-s12345--4d7a2146.jpg\n"
POINTERS = {LFS: "git lfs pull", ANNEX: "git annex get"}


@pytest.mark.parametrize(("content", "command"), POINTERS.items())
def test_class_of_pointers_is_named_by_init_and_by_clean(tmp_path, content, command):
    files = photos_of(["cat/0.jpg", "cat/1.jpg", "dog/2.jpg", "dog/3.jpg"])
    files |= {"cat/0.jpg": content, "cat/1.jpg": content}
    folder = write_files(tmp_path / "given", files)
    pack(tmp_path / "given.zip", files.items())
    for images in (folder, tmp_path / "given.zip"):
        with refused("cat/0.jpg and 1 more", command):
            create(tmp_path / "new", images, None)
    assert not (tmp_path / "new").exists()
    with refused("class cat", command):
        clean_archive(tmp_path / "given.zip")


@pytest.mark.parametrize(("content", "command"), POINTERS.items())
def test_archive_photo_and_model_that_are_pointers_are_named(tmp_path, content, command):
    path = tmp_path / "photos.zip"
    path.write_bytes(content)
    for read in (lambda: fetch(path, tmp_path / "raw"), lambda: open_archive(path)):
        with refused("photos.zip", command):
            read()
    with pytest.raises(UnusableImageError, match=command):
        decode(content)
    for name in ("model.bin", "model.json"):
        example = shutil.copytree(EXAMPLE_MODEL, tmp_path / name / "model")
        (example / name).write_bytes(content)
        with refused(name, command):
            load_predictor(example)


def test_photo_that_only_mentions_a_pointer_is_a_photo(tmp_path):
    """One is a photo below a kilobyte, the other a text that mentions Git LFS in a later line."""
    assert decode(JPEG + b"\nversion https://git-lfs.github.com/spec/v1").size
    (tmp_path / "notes.txt").write_bytes(b"See\n" + LFS)
    assert pointer_at(tmp_path / "notes.txt") is None
