"""What the stage `clean` prints of labels.csv."""

import contextlib
import shutil

import pytest
from conftest import PROJECT, photo

from pawprint import project
from pawprint.columns import IMAGES
from pawprint.files import pack
from pawprint.tables import read_table
from stages import clean


@pytest.mark.parametrize(("pixels", "is_applied"), [(64 * "a", False), ("", True)])
def test_correction_for_other_pixels_is_named_and_not_applied(tmp_path, capsys, pixels, is_applied):
    """That of a photo which was replaced. Without the hash, it is for any photo of its path."""
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    (tmp_path / project.RAW_IMAGES).parent.mkdir(parents=True)
    names = ("cats/1.jpg", "cats/2.jpg", "dogs/3.jpg")
    pack(tmp_path / project.RAW_IMAGES, [(name, photo(n)) for n, name in enumerate(names)])
    row = f"path,label,pixels_sha256\ncats/1.jpg,none,{pixels}\n"
    (tmp_path / project.LABELS_CSV).write_text(row, encoding="utf-8")
    with contextlib.chdir(tmp_path):
        clean.main()
        kept = read_table(project.IMAGES_CSV, IMAGES)
    told = [line for line in capsys.readouterr().out.splitlines() if "cats/1.jpg" in line]
    assert ("cats/1.jpg" in set(kept["path"])) == (not is_applied)
    assert len(told) == (not is_applied)
