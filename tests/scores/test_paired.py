import numpy as np
import pytest
from scipy.stats import binom

from pawprint.scores.intervals import holm
from pawprint.scores.paired import Comparison, Pair, compare

IMAGES = 200


def of_rights(old: np.ndarray, *new: np.ndarray, actual: np.ndarray | None = None):
    actual = np.zeros(len(old), int) if actual is None else actual
    return compare([Pair(actual, old, each, np.arange(len(old))) for each in new], 0.95)


def verdicts(compared: list[Comparison]) -> set[str]:
    """Those that are significant."""
    return {score.verdict for pair in compared for score in pair.scores} - {"not significant"}


def holds(compared: Comparison, difference: float) -> bool:
    return all(score.low <= difference <= score.high for score in compared.scores)


def test_mcnemar_counts_only_images_that_one_run_got_right():
    both = [True] * 90
    old, new = [*both, True, False, False, False], [*both, False, True, True, True]
    (compared,) = of_rights(np.array(old), np.array(new))
    assert compared[:5] == (94, 91, 93, 1, 3)
    (accuracy,) = compared.scores
    assert accuracy.difference == pytest.approx(2 / 94)
    assert accuracy.p_value == pytest.approx(2 * binom.cdf(1, 4, 0.5))
    assert accuracy.low < 0 < accuracy.high
    assert accuracy.verdict == "not significant"


def test_interval_holds_the_true_difference_as_often_as_it_says():
    """The new run agrees with the old one, except on a tenth of the images."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(2000):
        old = rng.uniform(size=IMAGES) < 0.9
        other = rng.uniform(size=IMAGES) < 0.94
        new = np.where(rng.uniform(size=IMAGES) < 0.9, old, other)
        (compared,) = of_rights(old, new)
        held.append(holds(compared, 0.1 * (0.94 - 0.9)))
    assert 0.94 <= np.mean(held) <= 0.995


@pytest.mark.parametrize(("runs", "of_group"), [(1, 1), (4, 1), (1, 5)])
def test_equal_models_get_another_verdict_at_most_as_often_as_the_level_says(runs, of_group):
    """By accuracy and log loss together, also where images come in groups that are alike."""
    rng = np.random.default_rng(0)
    wrong, groups = 0, np.arange(IMAGES) // of_group
    for _ in range(1000):
        hard = rng.normal(2.5, 2, groups.max() + 1)
        margins = [(hard + rng.normal(0, 1, len(hard)))[groups] for _ in range(runs + 1)]
        old, *new = ((margin > 0, np.log1p(np.exp(-margin))) for margin in margins)
        pairs = [Pair(groups * 0, old[0], model[0], groups, (old[1], model[1])) for model in new]
        wrong += bool(verdicts(compare(pairs, 0.95)))
    assert 0 < wrong <= 0.06 * 1000


def test_log_loss_tells_models_apart_that_are_right_on_the_same_images():
    rng = np.random.default_rng(0)
    losses = rng.exponential(0.2, IMAGES)
    right, better = losses < 0.7, losses * rng.uniform(0.6, 1.1, IMAGES)
    pair = Pair(right * 0, right, right, np.arange(IMAGES), (losses, better))
    (compared,) = compare([pair], 0.95)
    (loss,) = compared.scores
    assert (loss.score, loss.verdict) == ("log loss", "better")
    assert loss.difference == pytest.approx((better - losses).mean())


def test_as_many_images_as_said_show_a_difference_of_this_size():
    """Of draws from the same models, about POWER."""
    rng = np.random.default_rng(0)
    old, new = np.arange(IMAGES) >= 12, (np.arange(IMAGES) % 28) > 0
    (compared,) = of_rights(old, new)
    (accuracy,) = compared.scores
    assert accuracy.verdict == "not significant"
    drawn = rng.integers(IMAGES, size=(300, accuracy.enough))
    significant = [bool(verdicts(of_rights(old[images], new[images]))) for images in drawn]
    assert 0.7 <= np.mean(significant) <= 0.9


def test_interval_excludes_0_exactly_where_the_test_rejects():
    for only_old in range(12):
        for only_new in range(1, 30):
            old = np.arange(300) < only_old
            new = (np.arange(300) >= only_old) & (np.arange(300) < only_old + only_new)
            (compared,) = of_rights(old, new)
            assert (compared.scores[0].p_value < 0.05) == (not holds(compared, 0))


def test_levels_of_several_tests_are_those_of_holm():
    assert holm([0.03, 0.001, 0.02], 0.05) == pytest.approx([0.05, 0.05 / 3, 0.025])
    assert holm([0.03, 0.001, 0.026], 0.05) == pytest.approx([0.025, 0.05 / 3, 0.025])
    assert holm([0.04], 0.05) == [0.05]


ACTUAL = np.repeat([0, 1, 2], [160, 25, 15])


def test_mean_recall_of_imbalanced_classes_is_compared_class_by_class():
    """Ten images of the largest class are lost, and nine of the others won."""
    old, new = (np.ones(200, bool) for _ in range(2))
    new[:10] = old[[160, 161, 162, 163, 185, 186, 187, 188, 189]] = False
    (accuracy,), (recall,) = (
        of_rights(old, new, actual=actual)[0].scores for actual in (None, ACTUAL)
    )
    assert (accuracy.score, recall.score) == ("accuracy", "mean recall")
    assert (accuracy.difference, accuracy.verdict) == (pytest.approx(-1 / 200), "not significant")
    assert recall.difference == pytest.approx((-10 / 160 + 4 / 25 + 5 / 15) / 3)
    assert recall.verdict == "better"


def test_equal_mean_recalls_seldom_get_another_verdict_and_are_in_the_interval():
    """Where one class gains what another loses."""
    rng = np.random.default_rng(0)
    chances = np.array([[0.9, 0.7], [0.6, 0.8], [0.7, 0.7]])[ACTUAL]
    wrong, held = [], []
    for _ in range(500):
        old, new = rng.uniform(size=(200, 2)).T < chances.T
        compared = of_rights(old, new, actual=ACTUAL)
        wrong.append(bool(verdicts(compared)))
        held.append(holds(compared[0], 0))
    assert 0 < np.mean(wrong) <= 0.06
    assert 0.94 <= np.mean(held) <= 0.995
