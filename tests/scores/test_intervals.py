import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from pawprint.scores.intervals import (
    area_interval,
    fraction_interval,
    linear_interval,
    mean_interval,
    paired_test,
)


def test_wilsons_interval_is_that_of_the_formula():
    total, fraction, square = 200, 191 / 200, 1.959964**2
    middle = (fraction + square / (2 * total)) / (1 + square / total)
    width = np.sqrt(square * (fraction * (1 - fraction) / total + square / (2 * total) ** 2))
    reach = width / (1 + square / total)
    expected = pytest.approx((middle - reach, middle + reach))
    assert fraction_interval(191, total) == expected


def test_bootstrap_interval_of_many_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(10, 2, 400)
    expected = norm.interval(0.95, values.mean(), values.std() / 20)
    assert mean_interval(values) == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("gap", [1, 4])
def test_interval_of_the_area_holds_it_as_often_as_it_says(gap):
    rng, is_positive, held = np.random.default_rng(0), np.arange(212) % 2 == 1, []
    for _ in range(300):
        values = rng.normal(gap * is_positive)
        area, low, high = area_interval(values, is_positive, np.arange(212))
        assert area == pytest.approx(roc_auc_score(is_positive, values))
        held.append(low <= norm.cdf(gap / np.sqrt(2)) <= high)
    assert np.mean(held) >= 0.92


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "recalls", "weights", "alike"),
    [
        ((200, 20, 10), [0.95] * 3, [1 / 3] * 3, 1),
        ((400, *[12] * 9), [0.6] * 10, [1 / 10] * 10, 1),
        ((200, 100), [0.95, 0.9], [-1, 1], 3),  # the difference of two sets
    ],
)
def test_interval_of_a_linear_function_holds_it_as_often_as_it_says(
    images, recalls, weights, alike
):
    rng, held = np.random.default_rng(0), []
    classes = np.repeat(np.arange(len(images)), images)
    groups = np.arange(len(classes)) // alike
    for _ in range(1000):
        is_right = rng.uniform(size=len(classes))[groups] < np.array(recalls)[classes]
        low, high = linear_interval(is_right, classes, groups, weights=weights)
        held.append(low <= np.dot(weights, recalls) <= high)
    assert np.mean(held) >= 0.92


def test_paired_test_draws_the_signs_of_the_differences_of_groups():
    """All signs are equal in 2 of 8 draws. With equal sizes, this is McNemar's test."""
    each = np.arange(15)
    assert paired_test(np.array([1, 0, 1, 2]), each[:4]) == pytest.approx(2 / 8, abs=0.05)
    in_a_group = paired_test(np.array([1, 0.5, 0.5, 2]), each[[0, 1, 1, 2]])
    assert in_a_group == pytest.approx(2 / 8, abs=0.05)
    one_size = np.repeat([-0.5, 0.5], [3, 12])
    exact = binomtest(3, 15).pvalue
    assert paired_test(one_size, each) == pytest.approx(exact, rel=0.25)
    assert paired_test(np.zeros(15), each) == 1
