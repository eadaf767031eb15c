"""Test examples/serve.py as a real server."""

import sys

import pytest
import requests
from conftest import PROJECT, photo
from servers import HOST, free_port, listening

import pawprint
from pawprint.base.package import EXAMPLE_MODEL

pytest.importorskip("uvicorn", reason="install the `dev` extra")


def test_photo_is_answered_as_predict_labels_it_and_other_uploads_are_refused(tmp_path):
    port = free_port()
    command = (sys.executable, "-m", "uvicorn", "--app-dir", str(PROJECT / "examples"))
    command = (*command, "--port", str(port), "serve:app")
    environment = {"MODEL": str(EXAMPLE_MODEL), "PYTHONPATH": str(PROJECT)}
    expected = pawprint.load(EXAMPLE_MODEL).predict(photo(1))
    address = f"http://{HOST}:{port}"
    with listening(tmp_path, tmp_path / "log", port, command, **environment):
        labels = requests.get(f"{address}/health", timeout=60).json()["labels"]
        answers = [
            requests.post(f"{address}/predict", files={"photo": data}, timeout=60)
            for data in (photo(1), b"no photo", bytes(11 * 2**20))
        ]
    assert [answer.status_code for answer in answers] == [200, 422, 413]
    answer = answers[0].json()
    assert answer["label"] == expected.label
    assert [*answer["probabilities"]] == labels
    given = [*answer["probabilities"].values()]
    assert given == pytest.approx(expected.probabilities, abs=1e-3)
