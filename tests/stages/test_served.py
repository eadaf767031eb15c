"""Compare the served model on photos with the counts from stored features in `evaluate`."""

import contextlib
import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import OFFLINE, PROJECT, encode, overlay, photo, write_files
from networks import write_onnx_backbone
from PIL import Image

from examples.demo import FOOD, draw_picture
from pawprint import load
from pawprint.base import paths
from pawprint.base.classes import UNKNOWN
from pawprint.base.files import write_json
from pawprint.given.archive import open_archive
from pawprint.given.reading import decode, open_image
from pawprint.model.outputs import Outputs, to_probabilities
from pawprint.scores.prediction_table import probabilities_in, read_probabilities

pytestmark = pytest.mark.slow
STAGES = ["fetch", "clean", "split", "backbone", "features", "train_extract"]
STAGES += ["train_finetune", "predict", "evaluate"]
COMMON = """
fetch: {source: photos}
clean: {labels: auto}
augment: {views: 2}
model: {image_size: 96, features: blocks}
train_finetune: {epochs: {number: 1, learning_rate: 0.001, keep_best: false}}
"""
FROZEN = "{image_size: 96, fine_tune_at: null"
CASES = {
    "fine-tuned": "{}",
    "fine-tuned, flatten, logits": "model: {pooling: flatten, features: last}\n"
    "head: {output: logits}",
    "frozen, without the original": f"model: {FROZEN}}}\naugment: {{keep_original: false}}",
    "frozen, flatten, not mirrored": f"model: {FROZEN}, pooling: flatten}}\n"
    "augment: {RandomFlip: null}",
    "dense head": f"model: {FROZEN}}}\nhead: {{dense: {{units: 8, batch_normalization: true}}}}\n"
    "train_extract: {epochs: {number: 2, batch_size: 8, keep_best: false}}",
    "onnx": "{}",
    "native": f"model: {FROZEN}}}\nhardware: {{kernels: native}}",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Return photos of three classes in several formats, unknown ones and unlabelled ones."""
    files = {f"_unlabelled/{number}.jpg": photo(number) for number in range(3)}
    files |= {f"unknown/{number}.jpg": photo(10 + number) for number in range(2)}
    for label in FOOD:
        for number in range(1, 17):
            data = draw_picture(label, number)
            image = decode(data)
            deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 200)
            files |= [
                {f"{label}/{number}.jpg": data},
                {f"{label}/{number}.png": encode(image, "PNG")},
                {f"{label}/{number}.png": encode(deep, "PNG")},
                {f"{label}/{number}.jpg": encode(image.resize((2016, 1512)))},
            ][number % 4]
    return write_files(tmp_path_factory.mktemp("photos"), files)


def run_stages(folder: Path, *changes: str) -> None:
    """Run the stages from `fetch` to `evaluate` in this process."""
    params = (PROJECT / paths.PARAMS).read_text(encoding="utf-8")
    for each in (COMMON, *changes):
        params = overlay(params, each)
    (folder / paths.PARAMS).write_text(params, encoding="utf-8")
    for name in (paths.LABELS_CSV, paths.SPLITS_CSV):
        shutil.copy(PROJECT / name, folder)
    for code in (paths.FEATURE_ROW_CODE, paths.DECODED_ROW_CODE):
        write_json(folder / code, "the code of a row")
    with contextlib.chdir(folder):
        for stage in STAGES:
            if finish := importlib.import_module(f"stages.{stage}").main():
                finish()


EXTENDED = ("fine-tuned, flatten, logits", "frozen, flatten, not mirrored", "dense head")


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.extended if case in EXTENDED else ()) for case in CASES],
)
def test_served_model_says_of_each_photo_what_evaluate_counted(photos, tmp_path, case):
    (tmp_path / "photos").symlink_to(photos)
    weights = OFFLINE.replace("pawprint/", f"{PROJECT}/pawprint/")
    if case == "onnx":
        weights = write_onnx_backbone(tmp_path / "pooled.onnx")
    run_stages(tmp_path, weights, CASES[case])
    with contextlib.chdir(tmp_path), open_archive(paths.RAW_ARCHIVES) as archive:
        model = load(paths.SERVED_MODEL)
        seen = 0
        for path in paths.PROBABILITIES_CSV.values():
            table = read_probabilities(path)
            expected = probabilities_in(table)
            for row, probabilities in zip(table.itertuples(), expected):
                image = open_image(archive, row.path, model.metadata.decoded_side)
                predicted = model.predict(image)
                assert predicted.probabilities == pytest.approx(probabilities, abs=1e-5)
                assert model.metadata.predicted(predicted.probabilities) == row.predicted
                assert predicted.unknown_score == pytest.approx(row.unknown_score, abs=1e-5)
                seen += 1
        assert seen >= 12
        unknown = Outputs.read(paths.OUTPUTS / f"{UNKNOWN}.npz")
        temperature = model.metadata.temperature
        for name, probabilities in zip(
            ("unknown/0.jpg", "unknown/1.jpg"), to_probabilities(unknown.logits, temperature)
        ):
            image = open_image(archive, name, model.metadata.decoded_side)
            assert model.predict(image).probabilities == pytest.approx(probabilities, abs=1e-5)
