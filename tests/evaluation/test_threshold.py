import numpy as np
import pytest
from scipy.special import expit

from pawprint.evaluation.temperature import fit_temperature
from pawprint.evaluation.threshold import choose_threshold

DRAWN = 500  # sets of images


def images(*groups: tuple[int, float, int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities, from groups of a label, a probability and a number of images."""
    actual, probability, number = zip(*groups)
    return np.repeat(actual, number), np.repeat(probability, number)


@pytest.mark.parametrize(("errors", "expected"), [(3, 0.5), (6, 0.7)])
def test_threshold_is_0_5_unless_another_is_significantly_better(errors, expected):
    # Above 0.6 all are right. All images at 0.6 are of class 0 with probability 0.4 ** errors.
    actual, probability = images((0, 0.1, 20), (0, 0.6, errors), (1, 0.8, 20))
    assert choose_threshold(actual, probability, None) == pytest.approx(expected)


def test_images_lost_at_a_threshold_count_against_it():
    # At 0.7, 8 images more are right and 4 fewer.
    actual, probability = images((0, 0.1, 20), (1, 0.55, 4), (0, 0.6, 8), (1, 0.8, 20))
    assert choose_threshold(actual, probability, None) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("number", "scale"), [(788, 3.0), (100, 2.0)])
def test_right_probabilities_move_the_threshold_at_most_in_5_percent_of_draws(number, scale):
    """Also with the temperature fitted on the same images, as in the stage."""
    rng = np.random.default_rng(0)
    moved = 0
    for _ in range(DRAWN):
        logits = rng.normal(0, scale, number)
        actual = (rng.random(number) < expit(logits)).astype(int)
        probability = expit(logits / fit_temperature(actual, logits[:, None]))
        moved += choose_threshold(actual, probability, None) != 0.5
    assert 0 < moved <= 0.05 * DRAWN


def test_threshold_below_0_5_can_be_chosen():
    actual, probability = images((0, 0.1, 20), (1, 0.3, 6), (1, 0.8, 20))
    assert choose_threshold(actual, probability, None) == pytest.approx(0.2)


def test_nearest_to_0_5_of_equally_good_thresholds_is_chosen():
    actual, probability = images((0, 0.2, 3), (0, 0.4, 3), (1, 0.44, 3), (1, 0.9, 3))
    assert choose_threshold(actual, probability, 1.0) == pytest.approx(0.42)
    for below, above in ((0.1, 0.6), (0.4, 0.9)):  # 0.5 is as good as their midpoint
        actual, probability = images((0, below, 3), (1, above, 3))
        assert choose_threshold(actual, probability, 1.0) == 0.5


def test_probability_of_exactly_0_5_is_of_class_1_at_0_5():
    # At 0.7, the 12 images at 0.5 are right too.
    actual, probability = images((0, 0.1, 20), (0, 0.5, 12), (1, 0.9, 20))
    assert choose_threshold(actual, probability, None) == pytest.approx(0.7)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("recall", "expected"), [(1.0, 0.35), (0.76, 0.35), (0.75, 0.55), (0.25, 0.55), (0.01, 0.55)]
)
def test_threshold_for_a_recall_has_the_best_precision_with_that_recall(recall, expected):
    actual = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    probability = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert choose_threshold(actual, probability, recall) == pytest.approx(expected)


def test_precision_and_not_the_number_of_correct_images_is_best():
    actual, probability = images((0, 0.1, 50), (1, 0.3, 5), (0, 0.6, 2), (1, 0.95, 1))
    assert choose_threshold(actual, probability, 0.1) == pytest.approx(0.775)


def test_probabilities_of_0_and_1_have_a_threshold_between_them():
    actual, probability = images((0, 0.0, 9), (1, 1.0, 9))
    assert choose_threshold(actual, probability, None) == 0.5
    actual, probability = images((0, 0.6, 9), (1, 1.0, 9))
    assert choose_threshold(actual, probability, None) == pytest.approx(0.8)
    actual, probability = images((0, 0.0, 9), (1, 0.4, 9))
    assert choose_threshold(actual, probability, None) == pytest.approx(0.2)
    actual, probability = images((0, 0.9, 9), (0, 0.1, 1))
    assert choose_threshold(actual, probability, None) == pytest.approx(0.95)
    actual, probability = images((1, 0.2, 9), (1, 0.9, 1))
    assert choose_threshold(actual, probability, None) == pytest.approx(0.1)


@pytest.mark.parametrize("percent", [7, 55])
def test_recall_that_is_met_exactly_counts(percent):
    """0.55 * 100 is more than 55 in binary fractions."""
    actual, probability = images((0, 0.1, 100), (1, 0.1, 100 - percent), (1, 0.9, percent))
    assert choose_threshold(actual, probability, percent / 100) == 0.5
