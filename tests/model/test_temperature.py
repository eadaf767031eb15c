import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from pawprint.model.calibration import choose_augmentation, fit_temperature, significant_temperature

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (4000, 1))
ACTUAL = (RNG.uniform(size=4000) < expit(LOGITS[:, 0])).astype(int)
OF_THREE = RNG.normal(0, 2, (4000, 3))
ACTUAL_OF_THREE = (OF_THREE + RNG.gumbel(size=(4000, 3))).argmax(axis=1)  # drawn from the softmax


@pytest.mark.parametrize("factor", [0.4, 3.0])
@pytest.mark.parametrize(
    ("actual", "logits"), [(ACTUAL, LOGITS), (ACTUAL_OF_THREE, OF_THREE)], ids=["two", "three"]
)
def test_temperature_undoes_over_and_underconfidence(actual, logits, factor):
    assert fit_temperature(actual, logits * factor) == pytest.approx(factor, rel=0.1)


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
    assert fit_temperature(actual, logits[:, None]) == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize(("temperature", "low", "high"), [(1.0, 0, 0.08), (2.0, 0.95, 1)])
def test_temperature_of_calibrated_logits_is_applied_in_a_twentieth_of_draws(
    temperature, low, high
):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 6, (788, 1))
    drawn = (rng.random((100, 788)) < expit(logits[:, 0] / temperature)).astype(int)
    applied = [significant_temperature(actual, logits) != 1 for actual in drawn]
    assert low <= np.mean(applied) <= high


ONE = OF_THREE[:, None]
NOISY = ONE + RNG.normal(0, 3, (4000, 2, 3))
TURNED = np.roll(ONE, 1, axis=2)  # as a mirrored digit


@pytest.mark.parametrize(
    ("expected", "rule", "squares"),
    [
        ("flip", "is not significantly higher", NOISY),
        ("flip", "is not significantly higher", np.concatenate([ONE, ONE], axis=1)),
        ("none", "is significantly higher", np.concatenate([ONE, TURNED], axis=1)),
    ],
)
def test_flip_is_chosen_unless_its_loss_is_higher_and_the_line_has_the_rule(
    expected, rule, squares
):
    none, flip = squares[:, 0], squares.mean(axis=1)
    chosen, why = choose_augmentation(ACTUAL_OF_THREE, {"none": none, "flip": flip})
    assert chosen == expected
    assert rule in why
