"""The stage `card` on the committed metrics, with a small archive and a small served model."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from conftest import PROJECT, run

from pawprint.core import paths
from recipes.overlay import overlay

EVALUATED = json.loads((PROJECT / paths.EVALUATE_METRICS).read_text(encoding="utf-8"))
SERVED = ("model.bin", "model.json", "model.xml")


@pytest.fixture
def workspace(tmp_path) -> Path:
    for name in ("metrics", "plots", "pawprint", "stages"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    for name in ("params.yaml", "labels.csv"):
        shutil.copy(PROJECT / name, tmp_path / name)
    for path in (paths.RAW_IMAGES, *(paths.SERVED_MODEL / name for name in SERVED)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path.name, encoding="utf-8")
    return tmp_path


def card_of(workspace: Path, changes: str = "{}") -> str:
    params = workspace / "params.yaml"
    params.write_text(overlay(params.read_text(encoding="utf-8"), changes), encoding="utf-8")
    result = run("python", "-m", "stages.card", cwd=workspace)
    assert (result.returncode, result.stderr) == (0, "")
    return " ".join((workspace / paths.MODEL_CARD).read_text(encoding="utf-8").split())


def test_card_shows_the_recorded_numbers_and_the_hashes_of_archive_and_model(workspace):
    card = card_of(workspace)
    for split in ("validation", "test"):
        measured = EVALUATED[split]
        assert f"{measured['accuracy']:.2%} ({measured['correct']}/{measured['total']})" in card
    for name in ("data/raw/archives/images.zip", *(f"models/served/{name}" for name in SERVED)):
        digest = hashlib.sha256(Path(name).name.encode()).hexdigest()
        assert f"| `{name}` | `{digest}` |" in card
    assert "Initial weights of the backbone: pre-trained on ImageNet" in card
    assert "fitted on the validation split" in card


def test_card_says_nothing_that_the_params_deny(workspace):
    """Other classes, random weights, no calibration, a threshold that is set, no fine-tuning."""
    for path in (paths.SPLIT_METRICS, paths.EVALUATE_METRICS, paths.CLEAN_METRICS):
        text = (workspace / path).read_text(encoding="utf-8")
        text = text.replace('"cat"', '"ant"').replace('"dog"', '"bee"')
        (workspace / path).write_text(text, encoding="utf-8")
    history = workspace / paths.FINETUNE_HISTORY
    history.write_text(history.read_text(encoding="utf-8").split("\n")[0] + "\n", encoding="utf-8")
    changes = "{fetch: {source: mine}, weights: {source: none}, model: {resize: stretch}, "
    changes += "calibrate: {temperature: false, threshold: 0.5}}"
    card = card_of(workspace, changes)
    assert "# Model card: ant or bee" in card
    for word in ("cat ", "cats", "dog", "ImageNet", "pre-trained", "fitted", "divided by"):
        assert word not in card.replace("divided between", ""), word
    assert "Initial weights of the backbone: random." in card
    assert "The threshold is set in params.yaml." in card
    assert "the whole photo, stretched to a square" in card
    assert "epochs of the head. " in card


def test_card_shows_sources_without_passwords_and_tokens(workspace):
    url = "https://user:correct-horse@host/file?token=correct-horse"
    card = card_of(workspace, f"{{fetch: {{source: '{url}'}}, weights: {{source: '{url}'}}}}")
    assert "correct-horse" not in card
    assert card.count("`https://host/file`") == 2


def test_missing_model_is_told_in_one_line(workspace):
    shutil.rmtree(workspace / paths.SERVED_MODEL)
    result = run("python", "-m", "stages.card", cwd=workspace)
    assert result.returncode == 1
    assert result.stderr.startswith("models/served: expected a folder of files. Received: ")
    assert result.stderr.count("\n") == 1
    assert not (workspace / paths.MODEL_CARD).exists()
