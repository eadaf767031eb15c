import numpy as np
import pytest

from pawprint.classes import class_probabilities


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
