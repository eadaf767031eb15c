"""Test folders as people have them, with links."""

import pytest
from conftest import photos_of, write_files

from pawprint.model.predictor import find_images


def test_links_to_folders_are_followed_but_no_folder_is_searched_in_itself(tmp_path, capsys):
    """As `predict` and `score` search them. Each loop is left out once, and named."""
    elsewhere = write_files(tmp_path / "elsewhere", photos_of(["1.jpg", "2.jpg"]))
    deep = write_files(tmp_path / "deep", photos_of(["3.jpg"]))
    lab = write_files(tmp_path / "lab", photos_of(["dog/4.jpg"]))
    try:
        (lab / "cat").symlink_to(elsewhere, target_is_directory=True)
    except OSError:
        pytest.skip("this account of Windows may not make links")
    (elsewhere / "more").symlink_to(deep, target_is_directory=True)
    (lab / "dog/5.jpg").symlink_to(deep / "3.jpg")
    (lab / "dog/all").symlink_to(lab, target_is_directory=True)
    (deep / "back").symlink_to(elsewhere, target_is_directory=True)
    found = ["cat/1.jpg", "cat/2.jpg", "cat/more/3.jpg", "dog/4.jpg", "dog/5.jpg"]
    assert find_images([lab]) == [lab / name for name in found]
    lines = sorted(capsys.readouterr().err.splitlines())
    assert [line.partition(":")[0] for line in lines] == [
        str(lab / name) for name in ("cat/more/back", "dog/all")
    ]
