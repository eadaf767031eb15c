"""Test that the documentation agrees with the project: names, links, tables and numbers."""

import json
import re

import pytest
from conftest import PROJECT, succeed
from PIL import Image

from pawprint.base.columns import SCORES
from pawprint.base.files import md5_of_folder
from pawprint.base.package import EXAMPLE_MODEL
from pawprint.base.paths import SCORES_CSV, SERVED_MODEL
from pawprint.base.tables import read_table
from pawprint.pipeline.recorded import Recorded
from pawprint.report.pages import fraction
from pawprint.scores.metrics import score_of

TRACKED = succeed("git", "ls-files", cwd=PROJECT).splitlines()
PAGES = [path for path in TRACKED if re.match(r"(CHANGELOG|README|docs/.*)\.md$", path)]


def read(path: str) -> str:
    return (PROJECT / path).read_text(encoding="utf-8")


def test_result_table_of_readme_has_the_committed_metrics():
    scores, extract = (
        read_table(PROJECT / SCORES_CSV, SCORES),
        json.loads(read("metrics/train_extract.json")),
    )
    validation, test = (score_of(scores, split, "accuracy") for split in ("validation", "test"))
    expected = {
        f"{name} set": f"{fraction(score)}, 95% interval {score['low']:.2%} to {score['high']:.2%}"
        for name, score in (("test", test), ("validation", validation))
    }
    expected["head alone, cross-validated"] = f"{extract['cross_validated_accuracy']:.2%}"
    for step, cell in expected.items():
        row = next(line for line in read("README.md").splitlines() if line.startswith(f"| {step}"))
        assert cell in row


def test_costs_in_readme_are_those_of_the_page():
    table = re.findall(
        r"^\| (script|`dvc repro`) \| ([\d.]+) .*\| (\d\S+%)", read("docs/costs.md"), re.M
    )
    (named,) = re.findall(
        r"([\d.]+) seconds and (\S+%) .* against\s+([\d.]+) seconds and (\S+%)", read("README.md")
    )
    assert sorted(table) == [("`dvc repro`", *named[:2]), ("script", *named[2:])]


def test_model_in_git_is_the_one_of_the_committed_results():
    lock = (PROJECT / "dvc.lock").read_text(encoding="utf-8")
    assert Recorded(lock).hash_of("evaluate", SERVED_MODEL) == md5_of_folder(EXAMPLE_MODEL)


def test_make_targets_and_modules_in_commands_exist():
    targets = set(re.findall(r"^([\w-]+):", read("Makefile"), re.MULTILINE))
    text = "\n".join(map(read, PAGES))
    assert set(re.findall(r"(?:\$ |`)make ([a-z-]+)\b", text)) <= targets
    text = text.replace("pawprint.stages.", "stages.").replace("stages.X", "stages.NAME")
    for module in re.findall(r"python -m ((?:stages|bench|pawprint)[\w.]*)", text):
        path = PROJECT / module.replace(".", "/")
        exists = path.with_suffix(".py").exists() or (path / "__main__.py").exists()
        assert exists or module == "stages.NAME", module


def test_picture_of_readme_shows_the_report_of_today():
    screenshot = pytest.importorskip("bench.screenshot", reason="Playwright is not installed")
    with Image.open(screenshot.PICTURE) as picture:
        made_with = picture.text[screenshot.KEY]
    message = "the report's texts have changed: run python -m bench.screenshot FOLDER"
    assert made_with == screenshot.texts_sha256(), message
