import numpy as np
import pytest
from scipy.stats import ttest_rel

from pawprint.classes import Difference, class_probabilities


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
    of_one = class_probabilities(np.array(output[0]))
    assert of_one == pytest.approx(expected[0])


@pytest.mark.parametrize("shift", [-0.3, 0.05])
def test_difference_is_significant_where_a_paired_test_says_so(shift):
    first, second = np.random.default_rng(0).exponential(1, (2, 100))
    second = 0.5 * first + 0.5 * second - second.mean() / 2 + first.mean() / 2 + shift
    difference = Difference.of(second, first)
    assert difference.mean == pytest.approx(shift)
    higher = ttest_rel(second, first, alternative="greater")
    assert difference.error == pytest.approx(shift / higher.statistic)
    assert difference.is_higher == (higher.pvalue < 0.05)
