from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE_SHA256, SAMPLE_WEIGHTS
from networks import COLOURS, PLAIN, metadata, model_params, pixels, write_colour_model

from pawprint.base.runtime import output_shapes, read_network, write_network
from pawprint.model.served_model import join, write_served_model
from pawprint.network.extractor import load_extractor
from pawprint.network.heads import OUTPUTS, HeadWeights, Standardisation, on_features
from pawprint.pipeline.params.model import Weights
from pawprint.serving.predictor import Predictor, load_predictor
from pawprint.serving.saliency import ClassMaps, evidence, occlusion

SIZE = 96


@pytest.mark.parametrize("classes", [2, 3])
def test_heat_is_where_the_class_is_and_nowhere_without_it(classes, tmp_path):
    """There is a red spot on grey. Red is the last class in both sets of classes."""
    labels = {"labels": COLOURS} if classes == 3 else {}
    predictor = load_predictor(write_colour_model(tmp_path / "served", SIZE, **labels))
    picture = np.full((SIZE, SIZE, 3), 100, np.uint8)
    picture[60:80, 60:80] = (250, 20, 20)
    heat = occlusion(predictor, picture, classes - 1)
    assert (heat.shape, heat.dtype, heat.max()) == ((SIZE, SIZE), np.float32, 1)
    assert heat.min() == 0
    assert heat[64:76, 64:76].min() > 0.5
    assert heat[:40, :40].max() < 0.1
    # Evidence for one class is not evidence for the other.
    assert occlusion(predictor, picture, 0)[64:76, 64:76].max() == 0
    assert not occlusion(predictor, np.full_like(picture, 100), 0).any()


LITE0 = {"backbone": "EfficientNetLite0", "alpha": None, "fine_tune_at": None}
MOBILENET = {"fine_tune_at": None}
CASES = {
    "last maps, five classes": (LITE0, "last", 5, False),
    "blocks, five classes, mirrored": (LITE0, "blocks", 5, True),
    "blocks, two classes, mirrored": (MOBILENET, "blocks", 2, True),
}


def served(folder: Path, network: dict, features: str, classes: int, is_mirrored: bool):
    """Return a predictor with a random head on a pre-trained network."""
    sample = Weights(source=str(SAMPLE_WEIGHTS), sha256=SAMPLE_SHA256)
    weights = Weights(source="imagenet", sha256=None) if network is LITE0 else sample
    extractor = load_extractor(model_params(features=features, **network), weights)
    write_network(extractor.network, folder / "network.xml", extractor.outputs)
    network = read_network(folder / "network.xml")
    shapes = output_shapes(network)
    random = np.random.default_rng(0)
    size = sum(length for (length,) in shapes.values())
    units = classes if classes > 2 else 1
    arrays = [random.normal(0, 1, (size, units)), random.normal(0, 1, units)]
    scale = random.uniform(0.5, 1, (2, size)) / np.array([[np.sqrt(size)], [size]])
    head = HeadWeights(
        [array.astype(np.float32) for array in arrays],
        Standardisation(*scale.astype(np.float32)),
        features == "blocks",
        1,
    )
    tail, inputs = on_features(shapes, head, PLAIN)
    write_network(tail, folder / "tail.xml", OUTPUTS, inputs)
    labels = [str(number) for number in range(classes)]
    described = metadata(labels=labels, temperature=1.5)
    joined = join(network, read_network(folder / "tail.xml"))
    write_served_model(joined, described, None, folder / "served", is_mirrored=is_mirrored)
    return load_predictor(folder / "served")


def log_odds(predictor: Predictor, image: np.ndarray, label: int) -> float:
    """Return a class's logit, for several classes minus the mean of the other ones."""
    values = predictor.run(image)["probability"].astype(np.float64)
    if len(values) == 1:
        return float((2 * label - 1) * np.log(values[0] / (1 - values[0])))
    logarithms = np.log(values)
    return float(logarithms[label] - np.delete(logarithms, label).mean())


@pytest.mark.parametrize("name", CASES)
def test_sum_over_the_image_is_the_logit(name, tmp_path):
    _, _, classes, _ = CASES[name]
    predictor = served(tmp_path, *CASES[name])
    maps = ClassMaps.of(predictor)
    assert maps is not None
    for image in pixels(2):
        for label in range(classes):
            heat = maps.explain(image, label)
            assert heat.shape == (96, 96)
            assert heat.sum() == pytest.approx(log_odds(predictor, image, label), abs=1e-4)


def test_evidence_is_where_the_class_is(tmp_path):
    """There is a red spot on black. Red is the last class."""
    predictor = load_predictor(write_colour_model(tmp_path / "served", 96, labels=COLOURS))
    maps = ClassMaps.of(predictor)
    assert maps is not None
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[60:80, 60:80] = (250, 0, 0)
    heat = evidence(maps, picture, 2)
    assert (heat.dtype, heat.max()) == (np.float32, 1)
    assert heat[66:74, 66:74].min() > 0.5 and heat[:40, :40].max() < 0.1
    assert not evidence(maps, picture, 0).any()
