from functools import partial

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import f1_score as sklearn_f1
from sklearn.metrics import roc_auc_score

from pawprint.evaluation.intervals import f1_score, mcnemar, resampled, roc_auc, wilson

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
    intervals = {count: wilson(count, total, 0.95) for count in set(counts.tolist())}
    held = [intervals[count][0] <= fraction <= intervals[count][1] for count in counts.tolist()]
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


def difference(of_0: np.ndarray, of_1: np.ndarray, axis: int) -> np.ndarray:
    return of_1.mean(axis=axis) - of_0.mean(axis=axis)


def test_bootstrap_interval_does_not_change_between_versions_of_the_project():
    """Recorded values, so that metrics of different commits can be compared."""
    actual = np.arange(60) % 2
    probability = np.random.default_rng(1).uniform(0, 0.7, 60) + actual * 0.3
    recorded = {0.95: (0.2530758874, 0.4501077093), 0.5: (0.3169934052, 0.3888229864)}
    for confidence, ends in recorded.items():
        found = resampled(difference, actual, probability, confidence)
        assert found == pytest.approx(ends, rel=1e-7)


def test_bootstrap_interval_needs_two_images_of_each_class():
    probability = np.array([0.1, 0.2, 0.9, 0.9])
    assert resampled(roc_auc, np.array([0, 0, 1, 1]), probability, 0.95) == (1, 1)
    assert resampled(roc_auc, np.array([0, 1, 1, 1]), probability, 0.95) == (0, 1)
    assert resampled(roc_auc, np.array([0, 0, 0, 1]), probability, 0.95) == (0, 1)


def test_scores_of_several_samples_are_computed_at_once():
    of_0, of_1 = RNG.uniform(0, 0.7, (3, 5)), RNG.uniform(0.3, 1, (3, 4))
    for score in (roc_auc, partial(f1_score, threshold=0.5, label=1)):
        expected = [score(*samples) for samples in zip(of_0, of_1)]
        assert score(of_0, of_1).tolist() == expected
        assert score(of_0.T, of_1.T, axis=0).tolist() == expected
    assert roc_auc(np.array([0.1, 0.6]), np.array([0.3, 0.6, 0.9])) == pytest.approx(4.5 / 6)


def test_probability_at_the_threshold_is_of_class_1():
    of_0, of_1 = np.array([0.5, 0.4]), np.array([0.5, 0.6])
    assert f1_score(of_0, of_1, threshold=0.5, label=1) == pytest.approx(2 * 2 / (2 * 2 + 1))
    assert f1_score(of_0, of_1, threshold=0.5, label=0) == pytest.approx(2 * 1 / (2 * 1 + 1))
    assert f1_score(of_0, of_1, threshold=0.6, label=1) == pytest.approx(2 * 1 / (2 * 1 + 1))
    assert f1_score(of_0, of_1, threshold=0.6, label=0) == pytest.approx(2 * 2 / (2 * 2 + 1))


@pytest.mark.parametrize(("first", "second"), [(0, 6), (6, 0), (3, 3), (1, 8), (2, 7)])
def test_mcnemar_is_the_two_sided_binomial_test(first, second):
    expected = min(1, 2 * binom.cdf(min(first, second), first + second, 0.5))
    assert mcnemar(first, second) == pytest.approx(expected)


def test_models_that_agree_on_every_image_do_not_differ():
    assert mcnemar(0, 0) == 1
