import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score

from pawprint.evaluation.intervals import (
    difference_interval,
    fraction_interval,
    mcnemar,
    mean_f1_interval,
    mean_interval,
    mean_recall_interval,
    roc_area_interval,
    stratified_mcnemar,
)

RNG = np.random.default_rng(0)


def test_wilsons_interval_is_that_of_the_formula():
    correct, total, z = 191, 200, 1.959964
    fraction = correct / total
    middle = (fraction + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = (
        z / (1 + z**2 / total) * np.sqrt(fraction * (1 - fraction) / total + (z / (2 * total)) ** 2)
    )
    assert fraction_interval(correct, total, 0.95) == pytest.approx(
        (middle - reach, middle + reach)
    )


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


def test_bootstrap_interval_narrows_with_more_images_and_is_the_same_every_time():
    values = np.random.default_rng(1).exponential(1, 1000)
    few, many = values[:50], values
    (wide_low, wide_high), (low, high) = mean_interval(few, 0.95), mean_interval(many, 0.95)
    assert mean_interval(values, 0.95) == (low, high)
    assert high - low < (wide_high - wide_low) / 2
    assert wide_low < values[:50].mean() < wide_high


@pytest.mark.parametrize("values", [[0.3], [0.1, 0.3], [0.3, 0.3, 0.3]])
def test_mean_of_equal_values_or_of_two_has_no_interval(values):
    assert np.isnan(mean_interval(np.array(values), 0.95)).all()


def test_bootstrap_interval_of_many_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(10, 2, 400)
    expected = norm.interval(0.95, values.mean(), values.std() / 20)
    assert mean_interval(values, 0.95) == pytest.approx(expected, abs=0.02)


def test_draws_of_one_value_alone_leave_an_interval():
    assert np.isfinite(mean_interval(np.array([0.0, 0.0, 1.0]), 0.95)).all()


def test_log_loss_is_never_below_0():
    assert mean_interval(np.append(np.full(30, 1e-6), 5.0), 0.95)[0] == 0


def test_interval_of_the_area_is_wilsons_where_its_variance_is_that_of_a_fraction():
    """With one image of each kind, the area is the fraction of one pair."""
    assert roc_area_interval(1.0, 1, 1, 0.95) == pytest.approx(fraction_interval(1, 1, 0.95))
    assert roc_area_interval(0.0, 1, 1, 0.95) == pytest.approx(fraction_interval(0, 1, 0.95))


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


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 6), (3, 3), (8, 1)])
def test_mcnemar_is_the_two_sided_binomial_test(first, second):
    expected = min(1, 2 * binom.cdf(min(first, second), first + second, 0.5))
    assert mcnemar(first, second) == pytest.approx(expected)


def test_interval_of_the_mean_recall_of_one_class_is_that_of_agresti_and_coull():
    """It has the middle of Wilson's, and is a little wider."""
    found = mean_recall_interval(np.array([56]), np.array([70]), 0.95)
    low, high = fraction_interval(56, 70, 0.95)
    assert np.mean(found) == pytest.approx((low + high) / 2)
    assert found[0] < low < high < found[1]


@pytest.mark.parametrize("images", [(200, 20, 10), (30, 30), (400, *[12] * 9)])
@pytest.mark.parametrize("recall", [0.6, 0.95])
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
    print(images, recall, np.mean(held, axis=0))
    assert (np.mean(held, axis=0) >= 0.92).all()


def test_stratified_test_of_one_class_is_mcnemars():
    for pair in ((3, 12), (1, 8), (20, 24)):
        found = stratified_mcnemar(*(np.array([each]) for each in pair), np.array([100]))
        assert found == pytest.approx(mcnemar(*pair), abs=0.01)


def test_stratified_test_counts_each_class_alike():
    """Ten images lost of many, eight won of few: fewer are correct, the mean recall is higher."""
    old, new = np.array([10, 0]), np.array([0, 8])
    assert stratified_mcnemar(old, new, np.array([1000, 20])) < 0.05
    assert stratified_mcnemar(old, new, np.array([1000, 1000])) > 0.5
