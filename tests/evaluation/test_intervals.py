import numpy as np
import pytest
from scipy.stats import binom

from pawprint.evaluation.intervals import clopper_pearson, mcnemar, resampled, wilson

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


@pytest.mark.parametrize("total", [1, 4, 10])
def test_exact_interval_has_at_least_its_confidence_also_for_few_images(total):
    counts = np.arange(total + 1)
    low, high = np.transpose([clopper_pearson(count, total, 0.95) for count in counts.tolist()])
    for fraction in np.linspace(0, 1, 101):
        holds = (low <= fraction) & (fraction <= high)
        assert binom.pmf(counts, total, fraction)[holds].sum() >= 0.95


def test_bootstrap_interval_narrows_with_more_images_and_is_the_same_every_time():
    def interval(images: int) -> tuple[float, float]:
        value = np.random.default_rng(1).uniform(0, 1, images)
        return resampled(lambda weights: weights @ value / images, np.arange(images) % 2, 0.95)

    assert interval(50) == interval(50)
    (wide_low, wide_high), (low, high) = interval(50), interval(1000)
    assert high - low < (wide_high - wide_low) / 2


def test_bootstrap_interval_does_not_change_between_versions_of_the_project():
    """Recorded values, so that metrics of different commits can be compared."""
    actual = np.arange(60) % 2
    probability = np.random.default_rng(1).uniform(0, 0.7, 60) + actual * 0.3

    def difference(weights: np.ndarray) -> np.ndarray:
        return weights @ (probability * np.where(actual == 1, 1, -1)) / 30

    recorded = {0.95: (0.2530758874, 0.4501077093), 0.5: (0.3169934052, 0.3888229864)}
    for confidence, ends in recorded.items():
        found = resampled(difference, actual, confidence)
        assert found == pytest.approx(ends, rel=1e-7)


def test_every_resample_has_as_many_images_of_each_class():
    actual = np.array([0, 0, 1, 1, 1, 2, 2])

    def counts(weights: np.ndarray) -> np.ndarray:
        return np.stack([weights[:, actual == each].sum(axis=1) for each in range(3)])

    low, high = resampled(counts, actual, 0.95)
    assert low.tolist() == high.tolist() == [2, 3, 2]


def test_image_of_a_class_of_one_is_in_every_resample_once():
    actual = np.array([0, 0, 1, 2, 2])
    low, high = resampled(lambda weights: weights.T, actual, 0.95)
    assert (low[2], high[2]) == (1, 1)
    assert (low[[0, 1, 3, 4]] < high[[0, 1, 3, 4]]).all()


def test_bootstrap_interval_needs_a_class_with_two_images():
    assert resampled(lambda weights: weights @ [0, 0, 1], np.arange(3), 0.95) == (0, 1)


@pytest.mark.parametrize(("first", "second"), [(0, 6), (6, 0), (3, 3), (1, 8), (2, 7)])
def test_mcnemar_is_the_two_sided_binomial_test(first, second):
    expected = min(1, 2 * binom.cdf(min(first, second), first + second, 0.5))
    assert mcnemar(first, second) == pytest.approx(expected)


def test_models_that_agree_on_every_image_do_not_differ():
    assert mcnemar(0, 0) == 1
