import numpy as np
import pandas as pd
import pytest

from pawprint.scores.intervals import extend_to_zero, holm, paired_interval, paired_test
from pawprint.scores.verdict import NOT_SHOWN, LossTest, compare, difference_in

IMAGES = 200
HALVES = slice(None, 100), slice(100, None)


def of_rights(old: np.ndarray, new: np.ndarray) -> LossTest:
    """Return a test whose losses are as far apart as the accuracies."""
    gains, each = new.astype(float) - old, np.arange(len(old))
    p_value = paired_test(gains, each)
    interval = paired_interval(gains, each * 0, each)
    interval = extend_to_zero(interval, is_significant=p_value < 0.05)
    return LossTest(gains.mean(), *interval, 0.95, p_value, "accuracy", interval)


def of_losses(old: np.ndarray, new: np.ndarray, groups: np.ndarray | None = None) -> pd.DataFrame:
    groups = np.arange(len(old)) if groups is None else groups
    right = {"actual": True, "predicted_old": old < 0.7, "predicted": new < 0.7}
    return pd.DataFrame({"group": groups, "loss_old": old, "loss": new, **right})


def is_significant(test: LossTest) -> bool:
    return test.verdict in ("better", "worse")


def holds(test: LossTest, difference: float) -> bool:
    return test.low <= difference <= test.high


@pytest.mark.slow
def test_interval_holds_the_true_difference_as_often_as_it_says():
    """The new run agrees with the old one, except on a tenth of the images."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(2000):
        old = rng.uniform(size=IMAGES) < 0.9
        other = rng.uniform(size=IMAGES) < 0.94
        new = np.where(rng.uniform(size=IMAGES) < 0.9, old, other)
        held.append(holds(of_rights(old, new), 0.1 * (0.94 - 0.9)))
    assert 0.94 <= np.mean(held) <= 0.998


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runs", "of_group"),
    [(1, 5), *(pytest.param(runs, 1, marks=pytest.mark.extended) for runs in (1, 4))],
)
def test_equal_models_get_another_verdict_at_most_as_often_as_the_level_says(runs, of_group):
    """Both find the same images hard. Images of a group are alike, and runs are tested together."""
    rng = np.random.default_rng(0)
    wrong, groups = 0, np.arange(IMAGES) // of_group
    for _ in range(200):
        sets = []
        for _ in range(runs):
            hard = rng.normal(2.5, 2, groups.max() + 1)
            losses = np.log1p(np.exp(-hard - rng.normal(0, 1, (2, len(hard)))))[:, groups]
            halves = [[loss[half] for loss in (*losses, groups)] for half in HALVES]
            sets.append(dict(zip(("test", "validation"), (of_losses(*half) for half in halves))))
        wrong += any(is_significant(compared.test) for compared in compare(sets))
    assert 0 < wrong <= 0.07 * 200


def test_one_verdict_is_of_all_images_and_each_set_has_a_row():
    rng = np.random.default_rng(0)
    losses = rng.exponential(0.2, IMAGES)
    better = losses * rng.uniform(0.6, 1.1, IMAGES)
    sets = {"test": of_losses(losses, better), "validation": of_losses(losses, losses)}
    sets["validation"]["group"] += IMAGES
    (compared,) = compare([sets])
    assert compared.test.verdict == "better"
    assert compared.images == 2 * IMAGES
    assert compared.test.difference == pytest.approx((better - losses).mean() / 2)
    assert [*pd.DataFrame(compared.sets)["difference"]] == pytest.approx(
        [(better - losses).mean(), 0]
    )
    assert [row["log loss"][0] for row in compared.sets] == pytest.approx([losses.mean()] * 2)


@pytest.mark.parametrize(("number", "has_interval"), [(2, False), (3, False), (6, True)])
def test_too_few_groups_have_no_interval(number, has_interval):
    rng = np.random.default_rng(0)
    for _ in range(20):
        old, new = rng.exponential(0.2, (2, IMAGES))
        (compared,) = compare([{"test": of_losses(old, new, np.arange(IMAGES) % number)}])
        cell = compared.tabulate()["log loss difference"][0]
        assert compared.test.verdict == NOT_SHOWN
        assert ("too few groups" in cell) != has_interval
        assert np.isfinite(compared.test.high) == has_interval


def test_models_are_equal_only_where_the_whole_interval_lies_within_a_point():
    def verdict(images: int, differ: int) -> str:
        """Compare two models that are each the only correct one on `differ` images."""
        number = np.arange(images)
        return of_rights(number >= differ, (number < differ) | (number >= 2 * differ)).verdict

    assert verdict(5000, 20) == "equal"
    assert verdict(5000, 500) == NOT_SHOWN
    assert verdict(100, 0) == NOT_SHOWN


def test_a_rare_class_counts_in_what_is_equal():
    """With imbalanced classes, balanced accuracy counts: one of 100 images in a class is lost."""
    actual = np.repeat([0, 1, 2], [9700, 200, 100])
    new = np.arange(len(actual)) < 9997
    pairs = of_losses(np.full(len(actual), 0.1), np.full(len(actual), 0.1))
    pairs = pairs.assign(actual=actual, predicted_old=actual)
    pairs["predicted"] = np.where(new, actual, 0)
    test = difference_in(pairs, 0.95, 1.0)
    assert (test.right, test.verdict) == ("balanced accuracy", NOT_SHOWN)


def test_interval_excludes_0_exactly_where_the_test_rejects():
    for only_old in range(12):
        for only_new in range(1, 30):
            old = np.arange(300) < only_old
            new = (np.arange(300) >= only_old) & (np.arange(300) < only_old + only_new)
            accuracy = of_rights(old, new)
            assert (accuracy.p_value < 0.05) == (not holds(accuracy, 0))


def test_levels_of_several_tests_are_those_of_holm():
    assert holm([0.03, 0.001, 0.02], 0.05) == pytest.approx([0.05, 0.05 / 3, 0.025])
    assert holm([0.03, 0.001, 0.026], 0.05) == pytest.approx([0.025, 0.05 / 3, 0.025])
    assert holm([0.04], 0.05) == [0.05]


def test_fewer_right_predictions_are_worse_although_a_few_old_losses_were_large():
    """The six errors of the old model widen the interval of the log loss beyond 0."""
    number = np.arange(77)
    pairs = of_losses(np.where(number < 6, 4.5, 0.02), np.where(number % 2, 0.75, 0.65))
    (compared,) = compare([{"validation": pairs}])
    assert compared.test.low < 0 < compared.test.high and compared.test.of_right[1] < -0.2
    assert compared.test.verdict == "worse"
