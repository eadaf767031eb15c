"""Test that files which may hold labels are named if they are not read."""

import io
import tarfile

import pytest
from conftest import photos_of, refused, write_files

from pawprint.projects.init import describe_classes

NAMES = [f"{number}.jpg" for number in range(3)]


@pytest.mark.parametrize("name", ["1.txt", "1.cls", "1.json", "notes/labels.xlsx"])
def test_photos_without_labels_beside_a_file_of_labels_are_refused(tmp_path, name):
    """As in ultralytics/ultralytics 22739: labels were lost without a word."""
    photos = write_files(tmp_path / "photos", photos_of(NAMES) | {name: b"cat"})
    with refused(str(photos), name, "metadata.csv", "--labels outer"):
        describe_classes(photos, "auto")
    (line,) = (line for line in describe_classes(photos, "outer") if name in line)
    assert "not read" in line


def test_tar_with_files_of_labels_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in {**photos_of(NAMES), "0.xlsx": b"PK", "1.xlsx": b"PK"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    with refused("a.tar", "2 .xlsx"):
        describe_classes(tmp_path / "a.tar", "auto")


@pytest.mark.parametrize("name", ["4.txt", "a.md", ".cache/a.csv", "1.jpg.txt", "@eaDir/1.json"])
def test_other_files_do_not_hold_labels(tmp_path, name):
    photos = write_files(tmp_path / "photos", photos_of(NAMES) | {name: b"cat"})
    assert not any("labels are not read" in line for line in describe_classes(photos, "auto"))
