"""The stage `card` on the tables of a made-up run, with a small archive and served model."""

import hashlib
import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT, run
from made_up_run import SEEDS, write_run

from pawprint.core import paths
from pawprint.core.files import write_json
from pawprint.core.tables import REJECTED, SCORES, read_table
from pawprint.reports.results import describe_accuracy, score_of
from recipes.overlay import overlay

SERVED = ("model.bin", "model.json", "model.xml")
FILES = [("1.jpg", "empty", "x"), ("2.jpg", "not_an_image", "x"), ("3.jpg", "empty", "x")]
FORTY = {f"class {number:02}": 10 for number in range(40)}


@pytest.fixture
def workspace(tmp_path) -> Path:
    for name in ("pawprint", "stages"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    for name in ("params.yaml", "labels.csv"):
        shutil.copy(PROJECT / name, tmp_path / name)
    for path in (paths.RAW_IMAGES, *(paths.SERVED_MODEL / name for name in SERVED)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path.name, encoding="utf-8")
    return tmp_path


def card_of(
    workspace: Path,
    numbers: dict[str, int],
    changes: str = "{}",
    splits: tuple[str, str] = ("train", "train"),
    seeds: dict = SEEDS,
) -> str:
    write_run(workspace, numbers, pd.DataFrame(FILES, columns=list(REJECTED)), splits)
    write_json(workspace / paths.SEEDS_METRICS, seeds)
    params = workspace / "params.yaml"
    params.write_text(overlay(params.read_text(encoding="utf-8"), changes), encoding="utf-8")
    result = run("python", "-m", "stages.card", cwd=workspace)
    assert (result.returncode, result.stderr) == (0, "")
    return " ".join((workspace / paths.MODEL_CARD).read_text(encoding="utf-8").split())


def test_card_shows_the_numbers_of_the_tables_and_the_hashes_of_archive_and_model(workspace):
    card = card_of(workspace, {"ant": 30, "bee": 20})
    scores = read_table(workspace / paths.SCORES, SCORES)
    for split in ("validation", "test"):
        assert describe_accuracy(score_of(scores, split, "accuracy")) in card
    for name in ("data/raw/archives/images.zip", "models/served/model.xml"):
        digest = hashlib.sha256(Path(name).name.encode()).hexdigest()
        assert f"| `{name}` | `{digest}` |" in card
    assert "# Model card: ant or bee" in card
    assert "- Images: 150 usable, 3 rejected (2 empty, 1 not an image)." in card
    assert "| ant | 30 | 30 | 30 | 90 |" in card
    assert "| all | 50 | 50 | 50 | 150 |" in card
    sentence = "A group is never divided between splits; number of images moved for this: 1."
    assert f"- Near-duplicates: 2 (number of groups: 1). {sentence}" in card
    assert "Initial weights of the backbone: pre-trained on ImageNet" in card
    assert "Logits are divided by 1.250, fitted on the validation split, whose log loss" in card
    assert "imbalanced" not in card
    assert "the label is unknown if the unknown score is above 0.48." in card
    assert "The threshold is the 99.5% quantile of the validation split" in card
    assert "| images labelled unknown |" in card
    assert "such as other animals, are not tested" in card


def of_this_run(workspace: Path) -> dict:
    """The record of seeds whose first gave the tables in the workspace."""
    hashes = {
        path.as_posix(): hashlib.md5((workspace / path).read_bytes()).hexdigest()
        for path in paths.SEED_OUTPUTS
    }
    return SEEDS | {"outputs": hashes}


def test_card_shows_the_mean_of_seeds_only_if_the_first_of_them_gave_this_model(workspace):
    card = card_of(workspace, {"ant": 9, "bee": 9})
    assert "metrics/seeds.json is out of date" in card
    assert "of 3 seeds" not in card
    card = card_of(workspace, {"ant": 9, "bee": 9}, seeds=of_this_run(workspace))
    assert "out of date" not in card
    cell = "50.00% (25.00% to 75.00%)"
    assert f"| accuracy, mean of 3 seeds (min to max) | {cell} | {cell} |" in card
    cell = "0.5000 (0.2500 to 0.7500)"
    assert f"| log loss, mean of 3 seeds (min to max) | {cell} | {cell} |" in card
    assert "| images on which the seeds disagree | 3 of 20 | 0 of 20 |" in card
    assert "The model is that of the seed in params.yaml, 7." in card


def test_card_of_many_classes_shows_the_worst_and_no_threshold(workspace):
    card = card_of(workspace, FORTY)
    assert "# Model card: 40 classes" in card
    assert "probability of each of the 40 classes" in card
    assert "These are the 10 classes with the lowest F1" in card
    assert "The most probable class is predicted." in card
    scores = read_table(workspace / paths.SCORES, SCORES).query("split == 'test' & label != ''")
    worst = scores[scores["score"] == "f1"].sort_values("value", kind="stable")["label"]
    assert "| class 09 | 10 |" in card.split("| all |")[0]
    assert "| class 10 | 10 |" not in card.split("| all |")[0]
    assert "And 30 more classes; see `data/split/images.csv`." in card
    of_classes = card.split("| F1, validation |")[1].split("These are")[0]
    assert [of_classes.count(f"| {label} | 10 |") for label in worst] == [1] * 10 + [0] * 30


def test_card_names_an_imbalance(workspace):
    card = card_of(workspace, {"ant": 61, "bee": 12, "cow": 20})
    assert "The classes are imbalanced: 183 images of ant, 36 of bee." in card


def test_card_counts_the_groups_that_the_splits_of_the_archive_divide(workspace):
    card = card_of(workspace, {"ant": 9, "bee": 9}, splits=("train", "test"))
    assert "groups that the archive's own splits divide: 1. No other group" in card
    assert "A group is never divided" not in card


def test_card_shows_labels_as_they_are(workspace):
    card = card_of(workspace, {"a|b": 61, "<cow>": 9})
    assert r"# Model card: a\|b or \<cow\>" in card
    assert r"The predicted label is \<cow\> from 0.500 on, else a\|b." in card
    assert card.count(r"| a\|b |") == card.count(r"| \<cow\> |") == 2
    assert "a|b" not in card
    assert "<cow>" not in card.replace(r"\<", "")


def test_card_says_nothing_that_the_params_deny(workspace):
    """Other classes, random weights, no calibration, a threshold that is set."""
    changes = "{fetch: {source: mine}, weights: {source: none}, model: {resize: stretch}, "
    changes += "calibrate: {temperature: false, threshold: 0.5}}"
    card = card_of(workspace, {"ant": 9, "bee": 9}, changes)
    for word in ("cat ", "cats", "dog", "ImageNet", "pre-trained", "fitted", "divided by"):
        assert word not in card.replace("divided between", ""), word
    assert "Initial weights of the backbone: random." in card
    assert "The threshold is set in params.yaml." in card
    assert "the whole photo, stretched to a square" in card


def test_card_shows_sources_without_passwords_and_tokens(workspace):
    url = "https://user:correct-horse@host/file?token=correct-horse"
    changes = f"{{fetch: {{source: '{url}'}}, weights: {{source: '{url}'}}}}"
    card = card_of(workspace, {"ant": 9, "bee": 9}, changes)
    assert "correct-horse" not in card
    assert card.count("`https://host/file`") == 2


def test_missing_model_is_told_in_one_line(workspace):
    shutil.rmtree(workspace / paths.SERVED_MODEL)
    result = run("python", "-m", "stages.card", cwd=workspace)
    assert result.returncode == 1
    assert result.stderr.startswith("models/served/model.json: no such file.")
    assert result.stderr.count("\n") == 1
    assert not (workspace / paths.MODEL_CARD).exists()
