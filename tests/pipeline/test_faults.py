"""Test that no faulty image or archive breaks anything, and that nothing is dropped silently."""

import tracemalloc
import zipfile

import numpy as np
import pytest
from conftest import PROJECT, clean_archive, photos_of
from faults import ARCHIVES, IMAGES, JPEG, KEPT, MEMBERS, PHOTO, REASONS, write_archive

from examples.demo import draw_dataset
from pawprint.base.errors import InputError, printable
from pawprint.base.files import pack
from pawprint.given.archive import UnusableImageError, members, open_archive, read_member
from pawprint.given.reading import open_image

FAULTS = IMAGES | MEMBERS
# These faults depend on params, on labels.csv, or on another image.
DEPEND_ON_OTHERS = {"no_jfif_header", "unlabelled", "label_none", "duplicate", "contradictory"}


def test_every_reason_is_tested_and_explained():
    promised = {fault.promise for fault in FAULTS.values()} - {KEPT}
    assert promised == REASONS - DEPEND_ON_OTHERS
    page = (PROJECT / "docs" / "images.md").read_text(encoding="utf-8")
    assert [name for name in REASONS if f"`{name}`" not in page] == []


def test_every_file_of_an_archive_is_kept_or_rejected_as_promised(tmp_path):
    drawn, path = draw_dataset(train=4, validation=0), tmp_path / "images.zip"
    faults = write_archive(path, ["drawn/train/cats"], drawn, FAULTS)
    kept, rejected, _ = clean_archive(path)
    with open_archive(path) as archive:
        names = [printable(name) for name in members(archive)]
    assert sorted([*kept["path"], *rejected["path"]]) == sorted(names)
    reasons = dict(zip(rejected["path"], rejected["reason"]))
    for path, name in faults.items():
        outcome, promise = reasons.get(path, KEPT), FAULTS[name].promise
        # If several faults have the same pixels, one of them is kept.
        assert outcome == promise or (promise, outcome) == (KEPT, "duplicate"), name


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive_is_refused_in_one_line(tmp_path, name):
    path = tmp_path / "images.zip"
    pack(path, [("cats/ж.jpg", JPEG), ("dogs/1.jpg", JPEG)])
    path.write_bytes(ARCHIVES[name].made(path.read_bytes()))
    with pytest.raises(InputError, match=ARCHIVES[name].promise) as error:
        clean_archive(path)
    line, _, tree = str(error.value).partition(" Received:\n")
    assert line.startswith((f"{path}: ", "split: "))
    assert "\n" not in line + tree


@pytest.mark.slow
def test_archive_of_more_members_than_a_plain_zip_can_hold(tmp_path):
    files = photos_of(["cats/1.jpg", "dogs/1.jpg"]) | {str(number): b"" for number in range(2**16)}
    pack(tmp_path / "images.zip", files.items())
    kept, rejected, _ = clean_archive(tmp_path / "images.zip")
    assert (len(kept), len(rejected)) == (2, 2**16)


@pytest.mark.parametrize("name", ["bomb", "bomb that says it is small", "method without a bound"])
def test_bomb_takes_no_memory(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        member = MEMBERS[name].made(archive, "cats")
    with open_archive(tmp_path / "images.zip") as archive:
        tracemalloc.start()
        with pytest.raises(UnusableImageError):
            read_member(archive, member)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 2**20


def test_orientation_of_a_heic_is_honoured(tmp_path):
    upright = np.asarray(PHOTO.rotate(-90, expand=True)).astype(int)
    pack(tmp_path / "images.zip", [("cats/1.jpg", IMAGES["turned.heic"].made)])
    with open_archive(tmp_path / "images.zip") as archive:
        image = open_image(archive, "cats/1.jpg")
    assert np.abs(np.asarray(image) - upright).mean() < 3


def test_archive_that_was_replaced_after_clean_is_named_with_the_image(tmp_path):
    pack(tmp_path / "images.zip", [("cats/1.jpg", JPEG[:-200])])
    expected = r"images\.zip: expected cats/1\.jpg to be the image .*truncated.*Run `dvc repro`"
    archive = open_archive(tmp_path / "images.zip")
    with archive, pytest.raises(InputError, match=expected):
        open_image(archive, "cats/1.jpg")
