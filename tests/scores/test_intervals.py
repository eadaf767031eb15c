import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score

from pawprint.scores.intervals import (
    difference_interval,
    fraction_interval,
    mcnemar,
    mean_f1_interval,
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


def test_interval_of_a_difference_is_that_of_the_paper():
    """Rows (a) and (h) of table II of Newcombe, 1998."""
    assert difference_interval((56, 70), (48, 80), 0.95) == pytest.approx(
        (0.0524, 0.3339), abs=1e-4
    )
    assert difference_interval((10, 10), (0, 10), 0.95) == pytest.approx((0.6075, 1), abs=1e-4)


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
def test_intervals_of_mean_recall_and_mean_f1_hold_them_as_often_as_they_say(images, recall):
    """Errors go to the other classes alike; the true F1 is that of very many images."""
    rng, classes = np.random.default_rng(0), len(images)
    chances = np.full((classes, classes), (1 - recall) / (classes - 1))
    np.fill_diagonal(chances, recall)

    def f1_of(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        both = counts.diagonal()
        either = counts.sum(axis=0) + counts.sum(axis=1) - both
        return 2 * both / (either + both), both, either

    expected = f1_of(np.array(images)[:, None] * chances)[0].mean()
    held = []
    for _ in range(2000):
        counts = np.array([rng.multinomial(n, p) for n, p in zip(images, chances)])
        f1, both, either = f1_of(counts)
        low, high = mean_recall_interval(both, np.array(images), 0.95)
        low_f1, high_f1 = mean_f1_interval(both, either, 0.95)
        assert low <= (both / images).mean() <= high
        assert low_f1 <= f1.mean() <= high_f1
        held.append((low <= recall <= high, low_f1 <= expected <= high_f1))
    assert (np.mean(held, axis=0) >= 0.92).all()


def test_randomization_test_draws_the_signs_of_the_differences():
    """All of one sign are 2 of 8 draws; of one size, it is McNemar's test."""
    assert sign_flips(np.array([1.0, 0.0, 1.0, 2.0])) == pytest.approx(2 / 8, abs=0.01)
    assert sign_flips(np.repeat([-0.5, 0.5], [3, 12])) == mcnemar(3, 12)
