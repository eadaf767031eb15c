import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss

from pawprint.evaluation.calibration import expected_calibration_error
from pawprint.evaluation.temperature import cross_fit, fit_temperature
from pawprint.evaluation.threshold import choose_threshold

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, 4000)
ACTUAL = (RNG.uniform(size=4000) < expit(LOGITS)).astype(int)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_temperature_undoes_too_much_and_too_little_certainty(factor):
    assert fit_temperature(ACTUAL, LOGITS * factor) == pytest.approx(factor, rel=0.1)


def test_calibration_lowers_error_and_loss_also_on_images_it_was_not_fitted_on():
    certain = LOGITS * 3
    crossed = cross_fit(ACTUAL, certain)
    before = expected_calibration_error(ACTUAL, expit(certain))
    assert expected_calibration_error(ACTUAL, crossed) < before / 3
    assert log_loss(ACTUAL, crossed) < log_loss(ACTUAL, expit(certain))


@pytest.mark.parametrize("images", [2, 20, 200])
def test_model_without_a_mistake_does_not_become_certain(images):
    actual = np.arange(images) % 2
    temperature = fit_temperature(actual, (actual - 0.5) * 5)
    assert 0.3 < temperature < 1


def test_threshold_is_0_5_unless_another_is_significantly_better():
    actual = np.repeat([0, 1], 100)
    skewed = np.concatenate([RNG.uniform(0.3, 0.7, 100), RNG.uniform(0.71, 1, 100)])
    assert choose_threshold(actual, skewed, None) == pytest.approx(0.705, abs=0.01)
    one_better = np.where(actual, 0.9, 0.1)
    one_better[0] = 0.55  # one image more would be right from 0.6 on
    assert choose_threshold(actual, one_better, None) == 0.5


def test_threshold_for_a_recall_has_the_best_precision_that_keeps_it():
    actual = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    probability = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    for recall, expected in ((1.0, 0.35), (0.75, 0.55), (0.25, 0.55)):
        chosen = choose_threshold(actual, probability, recall)
        assert chosen == pytest.approx(expected)
        assert ((probability >= chosen) & (actual == 1)).sum() >= recall * 4
