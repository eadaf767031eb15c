import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score

from pawprint.scores.intervals import (
    fraction_interval,
    mcnemar,
    mean_interval,
    mean_recall_interval,
    roc_area_interval,
    sign_flips,
)


def test_wilsons_interval_is_that_of_the_formula():
    total, fraction, square = 200, 191 / 200, 1.959964**2
    middle = (fraction + square / (2 * total)) / (1 + square / total)
    width = np.sqrt(square * (fraction * (1 - fraction) / total + square / (2 * total) ** 2))
    reach = width / (1 + square / total)
    expected = pytest.approx((middle - reach, middle + reach))
    assert fraction_interval(191, total, 0.95) == expected


def test_exact_interval_has_at_least_its_confidence_also_for_few_images():
    total = 4
    counts = np.arange(total + 1)
    intervals = [fraction_interval(count, total, 0.95, "exact") for count in counts.tolist()]
    low, high = np.transpose(intervals)
    for fraction in np.linspace(0, 1, 101):
        holds = (low <= fraction) & (fraction <= high)
        assert binom.pmf(counts, total, fraction)[holds].sum() >= 0.95


def test_bootstrap_interval_of_many_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(10, 2, 400)
    expected = norm.interval(0.95, values.mean(), values.std() / 20)
    assert mean_interval(values, 0.95) == pytest.approx(expected, abs=0.02)


def test_interval_of_the_area_holds_it_as_often_as_it_says():
    """Of a model that is right on 98% of the images, as on the photos."""
    rng, actual, held = np.random.default_rng(0), np.arange(212) % 2, []
    for _ in range(300):
        area = roc_auc_score(actual, rng.normal(6 * actual - 3, 1.45))
        low, high = roc_area_interval(area, 106, 106, 0.95)
        held.append(low <= norm.cdf(6 / (1.45 * np.sqrt(2))) <= high)
    assert np.mean(held) >= 0.92


@pytest.mark.parametrize(("images", "recall"), [((200, 20, 10), 0.95), ((400, *[12] * 9), 0.6)])
def test_interval_of_the_mean_recall_holds_it_as_often_as_it_says(images, recall):
    rng, images, held = np.random.default_rng(0), np.array(images), []
    for _ in range(2000):
        correct = rng.binomial(images, recall)
        low, high = mean_recall_interval(correct, images, 0.95)
        assert low <= (correct / images).mean() <= high
        held.append(low <= recall <= high)
    assert np.mean(held) >= 0.92


def test_randomization_test_draws_the_signs_of_the_differences():
    """All of one sign are 2 of 8 draws; of one size, it is McNemar's test."""
    assert sign_flips(np.array([1.0, 0.0, 1.0, 2.0])) == pytest.approx(2 / 8, abs=0.01)
    assert sign_flips(np.repeat([-0.5, 0.5], [3, 12])) == mcnemar(3, 12)
