"""Test the pipeline with an ONNX backbone."""

from pathlib import Path

import numpy as np
import pytest
from conftest import change, complaint, git_project, printed, repro
from networks import pixels, sample_backbone

from examples.demo import write_archive
from pawprint.base.files import digest
from pawprint.network.hardware import keras

pytestmark = pytest.mark.slow

SMALL = """
fetch: {source: ../images.zip}
augment: {views: 2}
train_finetune: {epochs: null}
calibrate: {threshold: {dog: 0.5}}
"""
# Keras scales the pixels for MobileNetV2 to [-1, 1], and names the output after its layer.
ONNX = """
weights: {source: ../pooled.onnx, sha256: %s}
model: {backbone: onnx, alpha: null, image_size: 96, fine_tune_at: null,
  onnx: {output: pooled, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Return a project in which the pipeline has run."""
    folder = tmp_path_factory.mktemp("onnx")
    write_archive(folder / "images.zip", train=24, validation=20)
    backbone = sample_backbone()
    pixels = keras.Input((3, 96, 96))
    maps = backbone(keras.layers.Permute((2, 3, 1))(pixels), training=False)
    model = keras.Model(pixels, {"pooled": keras.layers.GlobalAveragePooling2D()(maps)})
    model(np.zeros((1, 3, 96, 96)))
    model.export(folder / "pooled.onnx", format="onnx", verbose=False)
    project = git_project(folder / "project", SMALL + ONNX % digest(folder / "pooled.onnx"))
    assert repro(project, "evaluate")
    return project


def test_served_model_works_without_keras_and_has_no_export(project, tmp_path):
    photo = project.parent / "photo.png"
    keras.utils.save_img(photo, pixels(1)[0])
    printed(project, "predict", str(photo), "--saliency", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["1_photo.png"]
    line = complaint(project, "export", "--format", "page")
    assert line.startswith("--format: cannot export, because model.backbone is onnx")


def test_stages_after_the_backbone_run_for_other_features_alone(project):
    (project.parent / "pooled.onnx").rename(project.parent / "moved.onnx")
    change(project, "weights: {source: ../moved.onnx}")
    assert repro(project, "evaluate") == ["backbone"]
    change(project, "train_finetune: {epochs: {number: 1}}")
    # No layer of an ONNX file is ever trained.
    assert repro(project, "evaluate") == ["train_finetune"]
    change(project, "model: {onnx: {output: pooled, mean: [0, 0, 0], std: [0.5, 0.5, 0.5]}}")
    assert repro(project, "train_extract") == ["backbone", "features", "train_extract"]
