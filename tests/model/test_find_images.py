"""Test folders as people have them, with links."""

from pathlib import Path

import pytest
from conftest import photos_of, write_files

from pawprint.model.predictor import find_images, names_below


@pytest.fixture
def lab(tmp_path) -> Path:
    """Return a folder with links to a file and to a folder, which links to another folder."""
    elsewhere = write_files(tmp_path / "elsewhere", photos_of(["1.jpg", "2.jpg"]))
    deep = write_files(tmp_path / "deep", photos_of(["3.jpg"]))
    folder = write_files(tmp_path / "lab", photos_of(["dog/4.jpg"]))
    try:
        (folder / "cat").symlink_to(elsewhere, target_is_directory=True)
        (elsewhere / "more").symlink_to(deep, target_is_directory=True)
        (folder / "dog/5.jpg").symlink_to(deep / "3.jpg")
    except OSError:
        pytest.skip("this account of Windows may not make links")
    return folder


FOUND = ["cat/1.jpg", "cat/2.jpg", "cat/more/3.jpg", "dog/4.jpg", "dog/5.jpg"]


def test_links_to_folders_are_followed(lab, capsys):
    assert names_below(lab) == FOUND  # like `score`
    assert find_images([lab]) == [lab / name for name in FOUND]  # like `predict`
    assert capsys.readouterr().err == ""


def test_link_to_a_folder_that_it_is_in_is_named(lab, tmp_path, capsys):
    """Each loop is left out once."""
    (lab / "dog/all").symlink_to(lab, target_is_directory=True)
    (tmp_path / "deep/back").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert find_images([lab]) == [lab / name for name in FOUND]
    lines = sorted(capsys.readouterr().err.splitlines())
    assert [line.partition(":")[0] for line in lines] == [
        str(lab / name) for name in ("cat/more/back", "dog/all")
    ]
