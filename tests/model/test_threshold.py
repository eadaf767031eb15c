import numpy as np
import pytest

from pawprint.model.calibration import choose_threshold


def images(*groups: tuple[int, float, int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities, from groups of a label, a probability and a number of images."""
    actual, probability, number = zip(*groups)
    return np.repeat(actual, number), np.repeat(probability, number)


def test_nearest_to_0_5_of_equally_good_thresholds_is_chosen():
    actual, probability = images((0, 0.2, 3), (0, 0.4, 3), (1, 0.44, 3), (1, 0.9, 3))
    assert choose_threshold(actual, probability, 1.0) == pytest.approx(0.42)
    actual, probability = images((1, 0.2, 3), (0, 0.6, 3))
    assert choose_threshold(actual, probability, 1.0) == pytest.approx(0.1)  # below all
    for below, above in ((0.1, 0.6), (0.4, 0.9)):  # 0.5 is as good as their midpoint
        actual, probability = images((0, below, 3), (1, above, 3))
        assert choose_threshold(actual, probability, 1.0) == 0.5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("recall", "expected"), [(1.0, 0.35), (0.76, 0.35), (0.75, 0.55)])
def test_threshold_for_a_recall_has_the_best_precision_with_that_recall(recall, expected):
    actual = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    probability = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert choose_threshold(actual, probability, recall) == pytest.approx(expected)


@pytest.mark.parametrize("percent", [7, 55])
def test_recall_that_is_met_exactly_counts(percent):
    """0.55 * 100 is more than 55 in binary fractions."""
    actual, probability = images((0, 0.1, 100), (1, 0.1, 100 - percent), (1, 0.9, percent))
    assert choose_threshold(actual, probability, percent / 100) == 0.5
