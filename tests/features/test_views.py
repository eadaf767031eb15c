"""Test that the stored views are those that each form of the served model averages."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT
from networks import LOGITS, PLAIN, metadata, model_with, pixels, weights_of
from onnx_files import FIRST, SIZE, VECTOR, params_of, write

from pawprint.features.shards import views_of
from pawprint.features.views import apply
from pawprint.model.exports import for_export, mean_over_flip, open_onnx
from pawprint.model.onnx_export import Parts, write_onnx
from pawprint.model.predictor import load_predictor
from pawprint.model.served_model import write_served_model
from pawprint.network.keras_model import convert, with_features
from pawprint.params.data import Augment

AUGMENT = Augment.load(path=PROJECT / "params.yaml")  # these params mirror images
QUARTERS = """
  quarters = AveragePool <kernel_shape = [16, 16], strides = [16, 16]> (pixels)
  left, right = Split <axis = 3> (quarters)
  double = Add(right, right)
  both = Concat <axis = 3> (left, double)
  means = GlobalAveragePool(both)
  features = Flatten(means)"""


def openvino_model(folder: Path, *, is_mirrored: bool) -> Callable:
    network = convert(with_features(model_with(LOGITS)))
    described = metadata(image_size=96)
    write_served_model(network, described, None, folder, is_mirrored=is_mirrored)
    return load_predictor(folder).run


def keras_model(folder: Path, *, is_mirrored: bool) -> Callable:
    model = for_export(model_with(LOGITS), 1.0)
    model = mean_over_flip(model) if is_mirrored else model
    return lambda image: {name: tensor[0].numpy() for name, tensor in model(image[None]).items()}


def onnx_model(folder: Path, *, is_mirrored: bool) -> Callable:
    folder.mkdir()
    file = write(folder / "backbone.onnx", FIRST, VECTOR, QUARTERS)
    parts = Parts(weights_of(PLAIN, 3, 2), PLAIN, 1.0, None)
    write_onnx(file, params_of(), parts, is_mirrored, folder / "model.onnx")
    run = open_onnx(folder / "model.onnx")
    return lambda image: {
        name: rows[0] for name, rows in run(image[None].astype(np.float32)).items()
    }


@pytest.mark.parametrize(
    ("open_model", "size"), [(openvino_model, 96), (keras_model, 96), (onnx_model, SIZE)]
)
def test_model_takes_the_mean_of_logits_over_the_stored_views(open_model, size, tmp_path):
    single = open_model(tmp_path / "single", is_mirrored=False)
    served = open_model(tmp_path / "served", is_mirrored=True)
    views = views_of(AUGMENT, size, (), "0", "test").values()
    assert len(views) == 2
    for image in pixels(3, size):
        probabilities = [float(single(apply(image, view))["probability"][0]) for view in views]
        logits = [np.log(probability / (1 - probability)) for probability in probabilities]
        assert abs(logits[0] - logits[1]) > 1e-3
        expected = 1 / (1 + np.exp(-np.mean(logits)))
        assert float(served(image)["probability"][0]) == pytest.approx(expected, abs=1e-5)
