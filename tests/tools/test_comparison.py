import numpy as np
import pytest
from scipy.stats import binom

from pawprint.scores.intervals import holm
from pawprint.tools.comparison import compare

IMAGES = 200


def test_mcnemar_counts_only_images_that_one_run_got_right():
    both = [True] * 90
    old, new = [*both, True, False, False, False], [*both, False, True, True, True]
    (compared,) = compare(np.array(old), [np.array(new)], 0.95)
    assert (compared.images, compared.old_correct, compared.new_correct) == (94, 91, 93)
    assert (compared.only_old, compared.only_new) == (1, 3)
    assert compared.difference == pytest.approx(2 / 94)
    assert compared.p_value == pytest.approx(2 * binom.cdf(1, 4, 0.5))
    assert compared.low < 0 < compared.high
    assert compared.verdict == "not significant"


def test_interval_holds_the_true_difference_as_often_as_it_says():
    """The new run agrees with the old one, except on a tenth of the images."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(2000):
        old = rng.uniform(size=IMAGES) < 0.9
        other = rng.uniform(size=IMAGES) < 0.94
        new = np.where(rng.uniform(size=IMAGES) < 0.9, old, other)
        (compared,) = compare(old, [new], 0.95)
        held.append(compared.low <= 0.1 * (0.94 - 0.9) <= compared.high)
    assert 0.94 <= np.mean(held) <= 0.995


@pytest.mark.parametrize("runs", [1, 4])
def test_equal_models_get_another_verdict_at_most_as_often_as_the_level_says(runs):
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(2000):
        difficulty = rng.uniform(size=IMAGES) ** 4
        old, *new = (rng.uniform(size=IMAGES) > difficulty for _ in range(runs + 1))
        verdicts = {each.verdict for each in compare(old, new, 0.95)}
        wrong += verdicts != {"not significant"}
    assert 0 < wrong <= 0.05 * 2000


def test_interval_excludes_0_exactly_where_the_test_rejects():
    for only_old in range(12):
        for only_new in range(30):
            old = np.arange(300) < only_old
            new = (np.arange(300) >= only_old) & (np.arange(300) < only_old + only_new)
            (compared,) = compare(old, [new], 0.95)
            assert (compared.p_value < 0.05) == (not compared.low <= 0 <= compared.high)


def test_levels_of_several_tests_are_those_of_holm():
    assert holm([0.03, 0.001, 0.02], 0.05) == pytest.approx([0.05, 0.05 / 3, 0.025])
    assert holm([0.03, 0.001, 0.026], 0.05) == pytest.approx([0.025, 0.05 / 3, 0.025])
    assert holm([0.04], 0.05) == [0.05]


ACTUAL = np.repeat([0, 1, 2], [160, 25, 15])


def test_mean_recall_is_compared_class_by_class():
    """Ten images of the largest class are lost, and nine of the others won."""
    old, new = (np.ones(200, bool) for _ in range(2))
    new[:10] = old[[160, 161, 162, 163, 185, 186, 187, 188, 189]] = False
    (of_accuracy,) = compare(old, [new], 0.95)
    (of_recall,) = compare(old, [new], 0.95, ACTUAL)
    assert (of_accuracy.score, of_recall.score) == ("accuracy", "mean recall")
    assert (of_accuracy.difference, of_accuracy.verdict) == (-1 / 200, "not significant")
    assert of_recall.difference == pytest.approx((-10 / 160 + 4 / 25 + 5 / 15) / 3)
    assert of_recall.verdict == "better"
    assert of_accuracy[1:6] == of_recall[1:6] == (200, 191, 190, 10, 9)


def test_equal_mean_recalls_seldom_get_another_verdict_and_are_in_the_interval():
    """Where one class gains what another loses."""
    rng = np.random.default_rng(0)
    chances = np.array([[0.9, 0.7], [0.6, 0.8], [0.7, 0.7]])[ACTUAL]
    wrong, held = [], []
    for _ in range(500):
        old, new = rng.uniform(size=(200, 2)).T < chances.T
        (compared,) = compare(old, [new], 0.95, ACTUAL)
        wrong.append(compared.verdict != "not significant")
        held.append(compared.low <= 0 <= compared.high)
    assert 0 < np.mean(wrong) <= 0.06
    assert 0.94 <= np.mean(held) <= 0.995
