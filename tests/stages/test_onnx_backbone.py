"""Test the pipeline with an ONNX backbone."""

from pathlib import Path

import pytest
from conftest import change, complaint, git_project, printed, repro
from networks import pixels, write_onnx_backbone

from examples.demo import write_archive
from pawprint.network.hardware import keras

pytestmark = pytest.mark.slow

SMALL = """
fetch: {source: ../images.zip}
augment: {views: 2}
train_finetune: {epochs: null}
calibrate: {threshold: {dog: 0.5}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Return a project in which the pipeline has run."""
    folder = tmp_path_factory.mktemp("onnx")
    write_archive(folder / "images.zip", train=24, validation=20)
    params = write_onnx_backbone(folder / "pooled.onnx")
    project = git_project(folder / "project", SMALL + params)
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
