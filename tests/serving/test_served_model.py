import tempfile
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, run
from networks import HEADS, metadata, model_with, pixels
from PIL import Image

from pawprint.evaluation.temperature import probabilities_of
from pawprint.network.model import with_output
from pawprint.runtime.conversion import convert
from pawprint.serving.predictor import load_predictor
from pawprint.serving.served_model import write_served_model

PIXELS = pixels(4)
TEMPERATURE = 2.5


@pytest.mark.parametrize("kind", HEADS)
def test_outputs_are_the_calibrated_probabilities_and_the_logits_of_keras(tmp_path, kind):
    model = with_output(model_with(kind), "logits")
    logits = model.predict(PIXELS.astype(np.float32), verbose=0).astype(np.float64)
    assert np.ptp(logits, axis=0).min() > 0.01
    labels = ["ant", "bee", "cat"][: HEADS[kind][2]]
    described = metadata(
        labels=labels, temperature=TEMPERATURE, threshold=0.5 if len(labels) == 2 else None
    )
    folder = tmp_path / "served"
    write_served_model(convert(model), described, folder)
    predictor = load_predictor(folder)
    images = [Image.fromarray(each) for each in PIXELS]  # 96 px already: no resizing
    served = np.array([predictor.outputs(image) for image in images])
    assert served[:, 1] == pytest.approx(logits, abs=1e-4 * max(1, np.abs(logits).max()))
    predicted = np.array([predictor.predict(image) for image in images])
    assert predicted == pytest.approx(probabilities_of(logits, TEMPERATURE), abs=1e-5)


WRITE = """
import sys
from pathlib import Path
from networks import write_colour_model
write_colour_model(Path(sys.argv[1]))
"""


def test_files_are_the_same_bytes_in_every_process_and_no_others_are_left(tmp_path):
    (tmp_path / "temporary").mkdir()
    written = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        result = run(
            *("python", "-c", WRITE, str(folder)),
            cwd=tmp_path,
            PYTHONHASHSEED=seed,
            PYTHONPATH=f"{PROJECT}:{PROJECT / 'tests'}",
            TMPDIR=str(tmp_path / "temporary"),
        )
        assert result.returncode == 0, result.stderr
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"model.xml", "model.bin", "model.json"}
    assert list((tmp_path / "temporary").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2", "temporary"}


def test_weights_have_all_their_bits(tmp_path):
    """OpenVINO's own writer rounds weights to 16 bits by default."""
    model = with_output(model_with("sigmoid"), "logits")
    write_served_model(convert(model), metadata(), tmp_path / "served")
    weights = sum(weight.numpy().nbytes for weight in model.weights)
    folded = (tmp_path / "served" / "model.bin").stat().st_size  # without batch normalization
    assert weights * 0.8 < folded < weights


def test_loading_leaves_no_temporary_files(tmp_path, monkeypatch):
    from networks import write_colour_model

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    load_predictor(write_colour_model(tmp_path / "served"))
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
