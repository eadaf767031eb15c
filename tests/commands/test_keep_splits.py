"""Test `keep-splits` on a real project to which photos are added."""

from pathlib import Path

import pytest
from conftest import complaint, git_project, photo, printed, replace, repro, sha256, write_files

from pawprint.columns import SPLIT
from pawprint.dataset.kept_splits import read_kept_splits
from pawprint.paths import SPLIT_CSV, SPLITS_CSV
from pawprint.tables import read_table


def add(photos: Path, first: int, number: int) -> None:
    numbers = range(first, first + number)
    write_files(photos, {f"{('cat', 'dog')[n % 2]}/{n}.jpg": photo(n) for n in numbers})


@pytest.fixture
def project(tmp_path) -> Path:
    add(tmp_path / "photos", 0, 60)
    return git_project(tmp_path / "project", "fetch: {source: ../photos}")


def split_of(project: Path) -> dict[str, str]:
    rows = read_table(project / SPLIT_CSV, SPLIT)
    return dict(zip(rows["pixels_sha256"], rows["split"]))


def test_splits_that_are_kept_stay_while_photos_are_added(project):
    assert "cannot keep splits: dvc.lock contains no result of `split`" in complaint(
        project, "keep-splits"
    )
    repro(project, "split")
    assert "the splits of the earlier images are missing" in complaint(
        project, "keep-splits", "--train"
    )
    first, table = split_of(project), sha256(project / SPLIT_CSV)
    text = printed(project, "keep-splits")
    assert "60 images added: 36 train, 12 validation, 12 test" in text
    assert read_kept_splits(project / SPLITS_CSV) == first
    assert repro(project, "split") == ["split"]
    assert sha256(project / SPLIT_CSV) == table

    add(project.parent / "photos", 60, 20)
    repro(project, "split")
    second = split_of(project)
    assert len(second) == 80 and second.items() >= first.items()
    assert list(second.values()).count("test") == 16
    written = (project / SPLITS_CSV).read_text(encoding="utf-8")
    assert "20 images added: 12 train, 4 validation, 4 test" in printed(project, "keep-splits")
    assert (project / SPLITS_CSV).read_text(encoding="utf-8").startswith(written)

    # The split then no longer matches the file.
    replace(project / SPLITS_CSV, ",test\n", ",train\n")
    line = complaint(project, "keep-splits")
    assert "splits.csv: the file was edited since `split` last read it" in line
