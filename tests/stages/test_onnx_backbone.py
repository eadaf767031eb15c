"""Compare the pipeline with an ONNX backbone with the same backbone in Keras."""

from pathlib import Path

import numpy as np
import pytest
from conftest import OFFLINE, change, complaint, git_project, printed, repro
from networks import pixels, sample_backbone

from pawprint import paths
from pawprint.columns import HISTORY, PROBABILITY
from pawprint.files import digest
from pawprint.network.hardware import keras
from pawprint.recipes.demo import write_archive
from pawprint.scores.prediction_table import read_probabilities
from pawprint.tables import read_table

pytestmark = pytest.mark.slow

SMALL = """
fetch: {source: ../images.zip}
augment: {views: 2}
train_finetune: {epochs: null}
calibrate: {threshold: {dog: 0.5}}
"""
NATIVE = f"{OFFLINE}model: {{image_size: 96, features: blocks, fine_tune_at: 154}}"
# Keras scales the pixels for MobileNetV2 to [-1, 1].
ONNX = """
weights: {source: ../pooled.onnx, sha256: %s}
model: {backbone: onnx, alpha: null, image_size: 96, features: blocks, fine_tune_at: null,
  onnx: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
"""


@pytest.fixture(scope="module")
def projects(tmp_path_factory) -> tuple[Path, Path]:
    """Return two projects in which the pipeline has run on the same images: Keras and ONNX."""
    folder = tmp_path_factory.mktemp("onnx")
    write_archive(folder / "images.zip", train=24, validation=20)
    backbone = sample_backbone()
    pixels = keras.Input((96, 96, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(backbone(pixels, training=False))
    model = keras.Model(pixels, pooled)
    model(np.zeros((1, 96, 96, 3)))
    model.export(folder / "pooled.onnx", format="onnx", verbose=False)
    native = git_project(folder / "native", SMALL + NATIVE)
    file = git_project(folder / "file", SMALL + ONNX % digest(folder / "pooled.onnx"))
    assert repro(native, "evaluate")
    assert repro(file, "evaluate")
    return native, file


def test_every_image_gets_the_decision_of_keras(projects):
    for path in (paths.TEST_PROBABILITIES_CSV, paths.VALIDATION_PROBABILITIES_CSV):
        native, file = (read_probabilities(folder / path) for folder in projects)
        assert native["predicted"].equals(file["predicted"])
        of_dogs = PROBABILITY + "dog"
        assert file[of_dogs].to_numpy() == pytest.approx(native[of_dogs].to_numpy(), abs=1e-3)
    native, file = (read_table(folder / paths.EXTRACT_HISTORY_CSV, HISTORY) for folder in projects)
    assert file["validation_accuracy"].tolist() == native["validation_accuracy"].tolist()
    for folder in projects:
        history = read_table(folder / paths.FINETUNE_HISTORY_CSV, HISTORY)
        assert not history["kept"].any()


def test_served_model_works_without_keras_and_is_exported_as_onnx_alone(projects, tmp_path):
    _, file = projects
    photo = file.parent / "photo.png"
    keras.utils.save_img(photo, pixels(1)[0])
    printed(file, "predict", str(photo), "--saliency", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["1_photo.png"]
    line = complaint(file, "export", "--format", "onnx", "keras")
    assert line.startswith("--format: expected onnx")
    _, _, row = printed(file, "export", "--format", "onnx").splitlines()
    assert row.split()[-1] == "0"  # number of labels that change


def test_stages_after_the_backbone_run_for_other_features_alone(projects):
    _, file = projects
    (file.parent / "pooled.onnx").rename(file.parent / "moved.onnx")
    change(file, "weights: {source: ../moved.onnx}")
    assert repro(file, "evaluate") == ["backbone"]
    change(file, "train_finetune: {epochs: {number: 1}}")
    assert repro(file, "evaluate") == ["train_finetune"]  # layers of an ONNX file are never trained
    change(file, "model: {onnx: {mean: [0, 0, 0]}}")
    assert repro(file, "train_extract") == ["backbone", "features", "train_extract"]
