import numpy as np
import pytest
from sklearn.metrics import f1_score as sklearn_f1
from sklearn.metrics import roc_auc_score

from pawprint.evaluation.calibration import BINS, expected_calibration_error
from pawprint.evaluation.intervals import f1_score, resampled, roc_auc, wilson

RNG = np.random.default_rng(0)


def test_wilsons_interval_is_that_of_the_formula():
    correct, total, z = 191, 200, 1.959964
    fraction = correct / total
    middle = (fraction + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = (
        z / (1 + z**2 / total) * np.sqrt(fraction * (1 - fraction) / total + (z / (2 * total)) ** 2)
    )
    assert wilson(correct, total, 0.95) == pytest.approx((middle - reach, middle + reach))


@pytest.mark.parametrize(("correct", "total"), [(0, 5), (5, 5), (1, 1)])
def test_interval_of_an_extreme_fraction_stays_between_0_and_1(correct, total):
    low, high = wilson(correct, total, 0.95)
    assert 0 <= low < high <= 1


def test_interval_holds_the_true_fraction_as_often_as_it_says():
    fraction, total = 0.97, 200
    counts = RNG.binomial(total, fraction, 4000)
    held = [low <= fraction <= high for low, high in (wilson(int(k), total, 0.95) for k in counts)]
    assert 0.93 <= np.mean(held) <= 0.98


def test_scores_of_resamples_are_scikit_learns():
    actual = np.repeat([0, 1], [30, 50])
    probability = np.round(np.clip(actual * 0.3 + RNG.uniform(0, 0.7, 80), 0, 1), 1)  # with ties
    of_0, of_1 = probability[actual == 0], probability[actual == 1]
    assert roc_auc(of_0, of_1) == pytest.approx(roc_auc_score(actual, probability))
    for label in (0, 1):
        expected = sklearn_f1(actual, probability >= 0.5, pos_label=label)
        assert f1_score(of_0, of_1, threshold=0.5, label=label) == pytest.approx(expected)


def test_bootstrap_interval_narrows_with_more_images_and_is_the_same_every_time():
    def interval(images: int) -> tuple[float, float]:
        rng = np.random.default_rng(1)
        actual = np.arange(images) % 2
        return resampled(roc_auc, actual, actual * 0.3 + rng.uniform(0, 1, images), 0.95)

    assert interval(50) == interval(50)
    (wide_low, wide_high), (low, high) = interval(50), interval(1000)
    assert high - low < (wide_high - wide_low) / 2


def test_calibration_error_is_0_where_fractions_are_as_predicted_and_large_where_they_are_not():
    probability = np.repeat([0.2, 0.8], 10)
    actual = np.array([1] * 2 + [0] * 8 + [1] * 8 + [0] * 2)
    assert expected_calibration_error(actual, probability) == pytest.approx(0)
    assert expected_calibration_error(1 - actual, probability) == pytest.approx(0.6)


def test_certain_probabilities_fall_into_the_last_bin():
    assert expected_calibration_error(np.array([1, 0]), np.array([1.0, 1 - 0.5 / BINS])) > 0
