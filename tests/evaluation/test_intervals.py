import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score

from pawprint.evaluation.intervals import (
    difference_interval,
    fraction_interval,
    mean_interval,
    roc_area_interval,
)

RNG = np.random.default_rng(0)


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


@pytest.mark.parametrize("values", [[0.3], [0.1, 0.3], [0.3, 0.3, 0.3]])
def test_mean_of_equal_values_or_of_two_has_no_interval(values):
    assert np.isnan(mean_interval(np.array(values), 0.95)).all()


def test_draws_of_one_value_alone_leave_an_interval():
    assert np.isfinite(mean_interval(np.array([0.0, 0.0, 1.0]), 0.95)).all()


def test_log_loss_is_never_below_0():
    assert mean_interval(np.append(np.full(30, 1e-6), 5.0), 0.95)[0] == 0


@pytest.mark.parametrize("area", [0.0, 0.3, 0.999, 1.0])
def test_interval_of_an_area_holds_it_and_mirrors_that_of_its_complement(area):
    low, high = roc_area_interval(area, 40, 60, 0.95)
    assert 0 <= low <= area <= high <= 1
    assert low < high
    assert (1 - high, 1 - low) == pytest.approx(roc_area_interval(1 - area, 60, 40, 0.95))
    for end in {low, high} - {0, 1}:
        reach = norm.ppf(0.975) * np.sqrt(variance_of_area(end, 40, 60))
        assert abs(area - end) == pytest.approx(reach)


def variance_of_area(area: float, of_class: int, others: int) -> float:
    """By Hanley and McNeil, 1982, with the mean number of images for both, as Newcombe takes it."""
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    pairs = ((of_class + others) / 2 - 1) * (one + two - 2 * area**2)
    return (area * (1 - area) + pairs) / (of_class * others)


def losses_and_areas(images: int) -> tuple[np.ndarray, float]:
    """Log losses and the area of a model that is right on 98% of the images, as on the photos."""
    actual = np.arange(images) % 2
    logits = RNG.normal(6 * actual - 3, 1.45)
    losses = np.logaddexp(0, np.where(actual == 1, -logits, logits))
    return losses, roc_auc_score(actual, logits)


@pytest.mark.slow
@pytest.mark.parametrize("images", [212, 500, 788])
def test_coverage_of_the_intervals_of_log_loss_and_area(images):
    many, draws = losses_and_areas(1_000_000)[0], 300
    true_loss, true_area = many.mean(), norm.cdf(6 / (1.45 * np.sqrt(2)))
    held = []
    for _ in range(draws):
        losses, area = losses_and_areas(images)
        low, high = mean_interval(losses, 0.95)
        low_area, high_area = roc_area_interval(area, images // 2, images // 2, 0.95)
        held.append((low <= true_loss <= high, low_area <= true_area <= high_area))
    of_loss, of_area = np.mean(held, axis=0)
    print(f"{images} images: log loss {of_loss:.3f}, area {of_area:.3f}")
    assert 0.90 <= of_loss <= 0.98
    assert of_area >= 0.92
