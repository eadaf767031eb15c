import numpy as np
import pytest

from pawprint.probabilities import class_probabilities, predicted_classes


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ([[0.25], [1.0]], [[0.75, 0.25], [0.0, 1.0]]),
        ([[0.2, 0.3, 0.5]], [[0.2, 0.3, 0.5]]),
        ([[0.5, 0.25, 0.5]], [[0.4, 0.2, 0.4]]),  # rounded: with another sum
    ],
)
def test_probabilities_of_an_image_sum_to_1(output, expected):
    assert class_probabilities(np.array(output)) == pytest.approx(np.array(expected))
    assert class_probabilities(np.array(output[0])) == pytest.approx(
        expected[0]
    )  # of one image alone


def test_second_class_is_predicted_from_the_threshold_on():
    probabilities = np.array([[0.71, 0.29], [0.7, 0.3], [0.1, 0.9]])
    assert predicted_classes(probabilities, 0.3).tolist() == [0, 1, 1]
    assert predicted_classes(probabilities[0], 0.3) == 0


def test_most_probable_class_is_predicted_without_a_threshold():
    probabilities = np.array([[0.4, 0.3, 0.3], [0.1, 0.1, 0.8]])
    assert predicted_classes(probabilities, None).tolist() == [0, 2]
    assert predicted_classes(probabilities[1], None) == 2
