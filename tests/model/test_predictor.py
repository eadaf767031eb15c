from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import refused
from networks import COLOURS, metadata, write_colour_model
from PIL import Image
from scipy.special import expit, softmax

from pawprint.base.classes import UNKNOWN, class_probabilities
from pawprint.model.metadata import write_metadata
from pawprint.model.predictor import Predictor, load_predictor


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "served"
    return load_predictor(write_colour_model(folder, thresholds={"dog": 0.3}, temperature=2.0))


@pytest.fixture(scope="module")
def of_three(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "served"
    model = write_colour_model(folder, labels=COLOURS, temperature=2.0)
    return load_predictor(model)


def plain(red: int, blue: int) -> Image.Image:
    return Image.new("RGB", (50, 40), (red, 0, blue))


@pytest.mark.parametrize(("red", "blue"), [(110, 100), (50, 53)])
def test_probabilities_are_those_of_the_labels(predictor, of_three, red, blue):
    second = expit((red - blue) / 10 / 2.0)
    predicted = predictor.predict(plain(red, blue)).probabilities
    assert predicted.dtype == np.float64
    assert predicted == pytest.approx([1 - second, second], abs=1e-5)
    expected = softmax(np.array([blue, 0, red]) / 10 / 2.0)
    assert of_three.predict(plain(red, blue)).probabilities == pytest.approx(expected, abs=1e-5)


def test_threshold_of_the_metadata_decides_between_two_labels(predictor, of_three):
    assert predictor.metadata.predicted(np.array([0.71, 0.29])) == "cat"
    assert predictor.metadata.predicted(np.array([0.7, 0.3])) == "dog"
    assert of_three.predict(plain(90, 100)).label == "blue"


@pytest.mark.parametrize("changes", [{}, {"labels": COLOURS}])
def test_image_above_the_unknown_threshold_is_unknown(tmp_path, changes):
    model = write_colour_model(tmp_path / "served", unknown_threshold=0.25, **changes)
    predictor = load_predictor(model)
    for colour, score, label in (
        ((100, 0, 0), 0.3, UNKNOWN),
        ((100, 34, 0), 0.02, predictor.metadata.labels[-1]),
        ((0, 100, 0), 0.7, UNKNOWN),
        ((0, 0, 0), 0.3, UNKNOWN),
    ):
        image = Image.new("RGB", (32, 32), colour)
        predicted = predictor.predict(image)
        assert predicted.label == label
        assert predicted.unknown_score == pytest.approx(score, abs=2e-3)


def predicted(folder: Path, *numbers: float) -> np.ndarray:
    """Return the prediction for these outputs of a network with two or three labels."""
    output = np.array(numbers, np.float32)
    described = metadata(labels=COLOURS) if len(numbers) == 3 else metadata()
    predictor = Predictor(folder, described, lambda _: {"probability": output})
    return predictor.predict(plain(0, 0)).probabilities


@pytest.mark.parametrize("numbers", [(3, -4, 2), (0.5, 0.5, 0.5), (150,), (np.nan,)])
def test_numbers_that_are_no_probabilities_are_refused(tmp_path, numbers):
    with refused(f"{tmp_path}: "):
        predicted(tmp_path, *numbers)


def test_folder_without_a_model_is_refused(tmp_path):
    write_metadata(tmp_path, metadata())
    with refused(f"{tmp_path}: ", "model.xml"):
        load_predictor(tmp_path)


def test_image_below_the_confidence_is_unsure_unless_it_is_unknown(tmp_path):
    model = write_colour_model(tmp_path / "served", min_confidence=0.9, unknown_threshold=0.25)
    predictor = load_predictor(model)
    labels = set()
    for red, green in product(range(60, 141, 5), (0, 45)):
        image = Image.new("RGB", (50, 40), (red, green, 100))
        predicted = predictor.predict(image)
        is_sure, is_unknown = predicted.probabilities.max() >= 0.9, predicted.unknown_score > 0.25
        expected = predictor.metadata.predicted(predicted.probabilities) if is_sure else "unsure"
        assert predicted.label == ("unknown" if is_unknown else expected)
        labels.add(predicted.label)
    assert labels == {"cat", "dog", "unsure", "unknown"}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ([[0.25], [1.0]], [[0.75, 0.25], [0.0, 1.0]]),
        ([[0.2, 0.3, 0.5]], [[0.2, 0.3, 0.5]]),
        ([[0.5, 0.25, 0.5]], [[0.4, 0.2, 0.4]]),  # rounded values that do not add up to 1
    ],
)
def test_probabilities_of_an_image_sum_to_1(output, expected):
    assert class_probabilities(np.array(output)) == pytest.approx(np.array(expected))
    of_one = class_probabilities(np.array(output[0]))
    assert of_one == pytest.approx(expected[0])
