import tempfile

import numpy as np
import pytest
from conftest import PROJECT, succeed
from networks import EACH_HEAD, HEADS, metadata, model_with, pixels, write_colour_model
from PIL import Image

from pawprint.classes import to_probabilities
from pawprint.evaluation.calibration import fit_detector
from pawprint.network.conversion import convert
from pawprint.network.model import with_features
from pawprint.serving.predictor import load_predictor
from pawprint.serving.served_model import read_detector, write_served_model

PIXELS = pixels(4)
TEMPERATURE = 2.5


@pytest.mark.parametrize("kind", EACH_HEAD)
def test_outputs_are_those_of_keras_calibrated_and_the_unknown_score(tmp_path, kind):
    model = with_features(model_with(kind))
    logits, features = model.predict(PIXELS.astype(np.float32), verbose=0)
    logits = logits.astype(np.float64)
    assert np.ptp(logits, axis=0).min() > 0.01
    labels = ["ant", "bee", "cat"][: HEADS[kind][2]]
    described = metadata(
        labels=labels,
        temperature=TEMPERATURE,
        threshold=0.5 if len(labels) == 2 else None,
        unknown_threshold=1.0,
    )
    folder, detector = tmp_path / "served", fit_detector(features)
    write_served_model(convert(model), described, detector, folder)
    predictor = load_predictor(folder)
    images = [Image.fromarray(each) for each in PIXELS]  # 96 px already: no resizing
    _, predicted, scores, features_of_each = zip(*map(predictor.predict, images))
    assert np.array(predicted) == pytest.approx(to_probabilities(logits, TEMPERATURE), abs=1e-5)
    assert np.array(scores) == pytest.approx(detector.score(features), abs=1e-5)
    assert np.array(features_of_each) == pytest.approx(features, abs=1e-4)
    for given, written in zip(detector, read_detector(folder), strict=True):
        assert np.array_equal(given, written)


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
