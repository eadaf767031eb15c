import tempfile

from conftest import PROJECT, succeed
from networks import write_colour_model

from pawprint.serving.predictor import load_predictor

WRITE = """
from pathlib import Path
from networks import write_colour_model
write_colour_model(Path("other process"), unknown_threshold=0.5)
"""


def test_files_are_the_same_bytes_in_every_process_and_no_others_are_left(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    path = f"{PROJECT}:{PROJECT / 'tests'}:{PROJECT / 'tests' / 'support'}"
    succeed("python", "-c", WRITE, cwd=tmp_path, PYTHONHASHSEED="1", PYTHONPATH=path)
    load_predictor(write_colour_model(tmp_path / "this", unknown_threshold=0.5))
    other, this = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("other process", "this")
    )
    assert other == this
    assert set(this) == {"model.xml", "model.bin", "model.json", "detector.npz"}
    assert list((tmp_path / "temporary").iterdir()) == []
    assert len(list(tmp_path.iterdir())) == 3
