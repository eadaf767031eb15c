"""`pawprint try`, on drawn images whose class only shows at their sides."""

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, SAMPLE_SHA256, SAMPLE_WEIGHTS, commit, encode, git_init, refused, run
from PIL import Image

from pawprint import project
from pawprint.__main__ import main
from pawprint.commands.recipes import overlay
from pawprint.files import pack, read_yaml, write_json
from pawprint.images.decoder import pixels_sha256
from pawprint.params.model import PACKAGES
from pawprint.project import IMAGES, SPLIT
from pawprint.tables import write_table
from pawprint.tools import candidates, ranking
from pawprint.tools.candidates import TODAY, TRIED, Candidate, Measurement, draw
from pawprint.tools.ranking import RankedRow

RESIZE = ("-S", "model.resize=stretch,pad")
NAMED = Candidate(TODAY, {}, None)
SIZES = pd.DataFrame({"width": [200] * 48, "height": 80})


def wide_image(label: str, number: int) -> Image.Image:
    """Noise with a band at both ends, dark or light by class, that the middle square lacks."""
    noise = np.random.default_rng(number).integers(90, 160, (8, 20, 3), np.uint8)
    noise[:, [0, 1, -2, -1]] //= 3 if label == "dark" else 1
    return Image.fromarray(noise).resize((200, 80), Image.Resampling.NEAREST)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A project after `dvc repro split`; what it says are held-out images are none."""
    folder = tmp_path_factory.mktemp("made")
    rows, members = [], []
    for number in range(48):
        label, split = ("dark", "light")[number % 2], ("train", "train", "test", "validation")
        image, name = wide_image(label, number), f"{label}/{number}.png"
        rows.append((name, label, split[number // 2 % 4], name, pixels_sha256(image)))
        data = encode(image, "PNG") if rows[-1][2] == "train" else b"opened"
        members.append((name, data))
    archive = folder / project.RAW_IMAGES
    archive.parent.mkdir(parents=True)
    pack(archive, members)
    write_table(folder / project.SPLIT_CSV, pd.DataFrame(rows, columns=list(SPLIT)), SPLIT)
    of_images = SIZES.assign(path=[path for path, _ in members]).reindex(
        columns=list(IMAGES), fill_value="0"
    )
    write_table(folder / project.IMAGES_CSV, of_images, IMAGES)
    write_json(folder / project.LABELS_JSON, ["dark", "light"])
    weights = f"weights: {{source: {SAMPLE_WEIGHTS}, sha256: {SAMPLE_SHA256}}}\n"
    text = overlay((PROJECT / "params.yaml").read_text(), f"{weights}model: {{image_size: 64}}")
    (folder / "params.yaml").write_text(text)
    shutil.copy(PROJECT / "requirements.txt", folder)
    git_init(folder)
    commit(folder, "Project")
    return folder


@pytest.fixture
def tried(made, monkeypatch, capsys):
    """A function that runs the command and returns the lines that it prints."""
    monkeypatch.chdir(made)

    def run(*arguments: str) -> list[str]:
        monkeypatch.setattr("sys.argv", ["pawprint", "try", *arguments])
        main()
        return capsys.readouterr().out.splitlines()

    return run


def test_params_that_show_the_class_are_best_and_are_set(tried, made):
    lines = tried(*RESIZE)
    cells = {row.split()[0]: row for row in lines[1:4]}
    assert lines[0].startswith("candidate ") and lines[1].startswith("today ")
    assert float(re.search(r"(\S+)%", cells["today"])[1]) < 90
    assert "100.00%" in cells["resize=stretch"] and " better " in cells["resize=stretch"]
    best = lines[4].split()[0]
    params = made / "params.yaml"
    before = params.read_text()
    for name in ((), (best,)):
        lines = tried(*RESIZE, "--use", *name)
        assert read_yaml(params)["model"]["resize"] == best.partition("=")[2]
        assert f"params.yaml: model.resize: crop → {best.partition('=')[2]}" in lines
        params.write_text(before)
    tried("-S", "model.image_size=96", "--minutes", "0", "--use")
    assert params.read_text() == before


def test_nothing_is_computed_twice(tried, monkeypatch):
    first = tried(*RESIZE)
    files = {path: path.stat().st_mtime_ns for path in TRIED.rglob("*")}
    monkeypatch.setattr(candidates, "write_network", None)
    monkeypatch.setattr(candidates, "cross_validate", None)
    monkeypatch.setattr(candidates, "ShardComputer", None)
    assert tried(*RESIZE) == first
    assert {path: path.stat().st_mtime_ns for path in TRIED.rglob("*")} == files


def test_what_other_code_has_measured_is_removed(tried, monkeypatch):
    first = tried(*RESIZE)
    (kept,) = TRIED.iterdir()
    (TRIED / "networks/of an earlier version").mkdir(parents=True)
    assert tried(*RESIZE) == first
    assert list(TRIED.iterdir()) == [kept]


def test_weights_that_cannot_be_had_are_a_line_and_the_others_are_measured(made, tmp_path):
    sources = f"weights.source={SAMPLE_WEIGHTS},imagenet"
    choices = "-S", sources, "-S", "model.image_size=96"
    no_network = {"KERAS_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    environment = {"PYTHONPATH": str(PROJECT), **no_network}
    result = run("python", "-m", "pawprint", "try", *choices, cwd=made, **environment)
    assert result.returncode == 0
    assert "try: 2 of 3: " in result.stderr and "Traceback" not in result.stderr
    _, today, row, line, *_ = result.stdout.splitlines()
    assert today.startswith("today") and row.startswith(f"source={SAMPLE_WEIGHTS}")
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_"
    assert line.startswith(f"source=imagenet: no weights on this computer: {name}")
    assert len(line) <= 120


def test_weights_of_another_network_name_their_file(made, tmp_path):
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.5_96_no_top.h5"
    (tmp_path / "models").mkdir()
    shutil.copy(SAMPLE_WEIGHTS, tmp_path / "models" / name)
    choices = "-S", "model.image_size=96", "-S", "model.alpha=0.5"
    environment = {"PYTHONPATH": str(PROJECT), "KERAS_HOME": str(tmp_path)}
    result = run("python", "-m", "pawprint", "try", *choices, cwd=made, **environment)
    line = result.stdout.splitlines()[-2]
    assert (
        line.startswith(f"image_size=96,alpha=0.5: {name}")
        and "Error" not in line
        and len(line) <= 120
    )


def test_candidates_beyond_the_minutes_are_left_out(tried):
    lines = tried("-S", "model.image_size=128", "--minutes", "0")
    assert lines[1].startswith("today")
    assert lines[2].startswith("image_size=128: ") and "--minutes" in lines[2]


def test_row_is_printed_when_it_is_measured_that_of_today_first(tried, monkeypatch, capsys):
    """What is printed when the next candidate begins has the rows of those before."""
    printed, measured = [], candidates._measure

    def measure(*arguments) -> Measurement:
        printed.append(capsys.readouterr().out)
        return measured(*arguments)

    monkeypatch.setattr(candidates, "_measure", measure)
    tried(*RESIZE)
    _, today, stretch = printed
    assert today.splitlines()[1].startswith("today ") and len(today.splitlines()) == 2
    assert stretch.startswith("resize=stretch ")


def test_default_candidates_are_valid_params_that_differ(made):
    content = read_yaml(made / "params.yaml")
    wanted = {(0.35, 160), (1.0, 160), (1.0, 224)}
    for alpha, size in (*wanted, (0.5, 64)):
        content["model"] |= {"alpha": alpha, "image_size": size}
        found = candidates.candidates(content, {}, SIZES)
        assert "pad" in [candidate.name for candidate in found]
        models = [candidate.params.model for candidate in found]
        assert all(models.index(model) == number for number, model in enumerate(models))
        assert wanted <= {(model.alpha, model.image_size) for model in models}
        assert len(found) <= 9
    nearly = SIZES.assign(height=SIZES["width"] + 3)
    assert "pad" not in {candidate.name for candidate in candidates.candidates(content, {}, nearly)}


def test_default_candidates_have_the_networks_that_are_installed(made, monkeypatch):
    content, installed = read_yaml(made / "params.yaml"), []
    for path in (sys.path, []):
        monkeypatch.setattr(sys, "path", path)
        found = candidates.candidates(content, {}, SIZES)
        models = [candidate.params.model for candidate in found]
        installed.append({model.backbone: model.image_size for model in models})
    assert installed[0]["EfficientNetLite0"] == installed[1]["EfficientNetLite0"] == 224
    assert installed[0]["EfficientNetLite2"] == 260 and "EfficientNetV2B0" not in installed[0]
    assert installed[1]["EfficientNetV2B0"] == 224 and "EfficientNetLite2" not in installed[1]


def test_package_that_is_missing_is_a_line(tried, monkeypatch):
    monkeypatch.setitem(PACKAGES, "EfficientNetLite1", "efficientnet-of-nobody")
    choices = "-S", "model.backbone=EfficientNetLite1", "-S", "model.alpha=null"
    *_, line, _ = tried(*choices, "-S", "model.image_size=64")
    assert line.startswith("backbone=EfficientNetLite1")
    assert "no weights on this computer" in line and "efficientnet-of-nobody" in line


def test_without_weights_of_today_the_first_that_has_some_is_compared_with_and_used(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "project")
    published = {"weights": {"source": "imagenet", "sha256": None}}
    (folder / "params.yaml").write_text(
        overlay((folder / "params.yaml").read_text(), json.dumps(published))
    )
    choices = "-S", f"weights.source={SAMPLE_WEIGHTS}", "-S", f"weights.sha256={SAMPLE_SHA256}"
    no_network = {"KERAS_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    environment = {"PYTHONPATH": str(PROJECT), **no_network}
    command = "python", "-m", "pawprint", "try", *choices, "--use"
    result = run(*command, cwd=folder, **environment)
    assert result.returncode == 0, result.stderr
    today, titles, row, use, *_ = result.stdout.splitlines()
    assert today.startswith("today: no weights on this computer")
    assert titles.startswith("candidate ") and row.startswith("source=")
    assert use.startswith("Use source=")
    assert read_yaml(folder / "params.yaml")["weights"]["source"] == str(SAMPLE_WEIGHTS)


def test_time_is_said_before_anything_is_measured(tried, monkeypatch, capsys):
    monkeypatch.setattr(candidates, "_measure", None)
    with pytest.raises(TypeError):
        tried("-S", "model.image_size=160", "--minutes", "7")
    (line, _) = capsys.readouterr().err.splitlines()
    assert "2 candidates on 24 images" in line and "7 minutes" in line


def test_wrong_choice_is_one_line(tried):
    with refused("image_size", "32", "7"):
        tried("-S", "model.image_size=7")
    with refused("--use", "fast", "nothing"):
        tried("--use", "nothing")
    with refused("--minutes"):
        tried("-S", "model.image_size=112", "--minutes", "0", "--use", "image_size=112")


def ranked(losses: list[float], cpu_ms: list[float]) -> list[RankedRow]:
    """The row that is used, and all, of results with these log losses, each of 400 images."""
    images = pd.DataFrame({"label": np.resize(["a", "b"], 400), "group": np.arange(400)})
    columns = np.arange(400), np.arange(400) % 2
    sample = candidates.Sample(None, images, ["a", "b"], None)
    rows, results = [], []
    for number, (loss, ms) in enumerate(zip(losses, cpu_ms)):
        of_label = np.exp(-loss - 0.05 * (-1) ** (np.arange(400) >> number))
        probabilities = np.tile(1 - of_label[:, None], 2)
        probabilities[columns] = of_label
        results.append((number, Measurement(probabilities, 1.0, 1.0, False)))
        rows.append(ranking._row(results, rows, sample, ms, ms, 0.05))
    best = ranking._best(rows, [result for _, result in results], sample)
    return [rows[best], *rows]


def test_cheapest_of_the_best_is_used():
    for losses, cpu_ms, best in (
        ([0.50, 0.30, 0.302], [9, 20, 5], 2),  # as good as the best, and cheaper
        ([0.50, 0.30, 0.35], [9, 20, 5], 1),  # worse than the best
        ([0.30, 0.301, 0.302], [9, 20, 8.9], 0),  # times within a tenth
        ([0.30, 0.299], [9, 20], 0),  # not significantly better
    ):
        used, *rows = ranked(losses, cpu_ms)
        assert used is rows[best]


def test_times_within_a_tenth_are_equal():
    _, *rows = ranked([0.5, 0.4, 0.3, 0.2], [9, 9.8, 20, 19])
    assert [row.cpu_ms for row in rows] == [9, 9, 20, 20]
    cells = [ranking.cells_of(row._replace(candidate=NAMED), False) for row in rows]
    assert cells[0]["run s"] == cells[1]["run s"] and cells[2]["CPU ms"] == cells[3]["CPU ms"]


def test_sample_has_the_fractions_of_the_classes_and_hardly_changes():
    labels = np.resize(["rare"] + ["usual"] * 9, 9000)
    hashes = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(9000)]
    images = pd.DataFrame({"label": labels, "pixels_sha256": hashes})
    drawn = draw(images)
    assert 1900 < len(drawn) <= 2000
    assert (drawn["label"] == "rare").mean() == pytest.approx(0.1, abs=0.01)
    assert len(set(draw(images.iloc[:-1]).index) ^ set(drawn.index)) < 10
