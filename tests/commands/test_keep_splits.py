"""Test `keep-splits`; its file is used in the table of edits in tests/pipeline/test_reruns.py."""

from conftest import complaint, printed, replace

from pawprint.base.columns import SPLIT
from pawprint.base.paths import LOCK, SPLIT_CSV, SPLITS_CSV
from pawprint.base.tables import read_table
from pawprint.given.user_tables import read_kept_splits


def test_recorded_splits_are_kept_and_others_are_not(tiny_copy):
    line = complaint(tiny_copy, "keep-splits", "--train")
    assert "the splits of the earlier images are missing" in line
    text = printed(tiny_copy, "keep-splits")
    assert "81 images added: 41 train, 20 validation, 20 test" in text
    rows = read_table(tiny_copy / SPLIT_CSV, SPLIT)
    kept = read_kept_splits(tiny_copy / SPLITS_CSV)
    assert kept == dict(zip(rows["pixels_sha256"], rows["split"]))
    # The split then no longer matches the file.
    replace(tiny_copy / SPLITS_CSV, ",test\n", ",train\n")
    line = complaint(tiny_copy, "keep-splits")
    assert "splits.csv: the file was edited since `split` last read it" in line
    (tiny_copy / LOCK).unlink()
    assert "dvc.lock contains no result of `split`" in complaint(tiny_copy, "keep-splits")
