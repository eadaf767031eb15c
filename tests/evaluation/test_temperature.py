import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import log_loss

from pawprint.evaluation.calibration import expected_calibration_error
from pawprint.evaluation.temperature import cross_fit, fit_temperature

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, 4000)
ACTUAL = (RNG.uniform(size=4000) < expit(LOGITS)).astype(int)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_temperature_undoes_over_and_underconfidence(factor):
    assert fit_temperature(ACTUAL, LOGITS * factor) == pytest.approx(factor, rel=0.1)


def test_calibration_lowers_error_and_loss_also_on_images_it_was_not_fitted_on():
    certain = LOGITS * 3
    crossed = cross_fit(ACTUAL, certain)
    before = expected_calibration_error(ACTUAL, expit(certain))
    assert expected_calibration_error(ACTUAL, crossed) < before / 3
    assert log_loss(ACTUAL, crossed) < log_loss(ACTUAL, expit(certain))


@pytest.mark.parametrize("images", [2, 20, 200])
def test_temperature_without_an_error_is_not_0(images):
    actual = np.arange(images) % 2
    temperature = fit_temperature(actual, (actual - 0.5) * 5)
    assert 0.3 < temperature < 1


def test_temperature_has_the_lowest_loss_with_a_prior_that_is_normal_in_its_logarithm():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, 12)
    actual = (rng.uniform(size=12) < expit(logits / 2)).astype(int)
    temperatures = np.exp(np.linspace(-2, 2, 40_001))
    probability = expit(logits / temperatures[:, None])
    likelihood = np.where(actual, probability, 1 - probability).prod(axis=1)
    posterior = likelihood * norm.pdf(np.log(temperatures), scale=0.5)
    best = temperatures[posterior.argmax()]
    assert best != pytest.approx(1, abs=0.1)
    assert fit_temperature(actual, logits) == pytest.approx(best, rel=1e-3)


def test_temperature_is_searched_for_between_a_twentieth_and_20():
    actual = np.arange(20_000) % 2
    assert fit_temperature(actual, (actual - 0.5) / 100) == pytest.approx(0.05, rel=1e-3)
    assert fit_temperature(actual, (0.5 - actual) * 100) == pytest.approx(20, rel=1e-3)


def test_temperature_of_an_image_is_fitted_on_the_four_other_fifths():
    actual, logits = ACTUAL[:23], LOGITS[:23]
    crossed = cross_fit(actual, logits)
    for fold in range(5):
        others = np.arange(23) % 5 != fold
        temperature = fit_temperature(actual[others], logits[others])
        assert crossed[fold::5] == pytest.approx(expit(logits[fold::5] / temperature))
