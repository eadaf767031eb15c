import re
from functools import partial

import numpy as np
import pytest
from scipy.special import expit, logit, ndtr
from scipy.stats import norm

from pawprint.base.errors import InputError
from pawprint.base.labels import ONE_CLASS, sigmoid
from pawprint.model.metadata import Metadata
from pawprint.model.outputs import Logits
from pawprint.pipeline.params.model import Calibrate
from pawprint.scores.calibration import (
    calibrate,
    choose_min_confidence,
    choose_threshold,
    describe_recall,
    describe_rules,
    enough_images,
    fit_temperature,
    significant_temperature,
    tabulate_decided,
)

RNG = np.random.default_rng(0)
OF_THREE = RNG.normal(0, 2, (4000, 3))
ACTUAL = (OF_THREE + RNG.gumbel(size=(4000, 3))).argmax(axis=1)  # drawn from the softmax


@pytest.mark.parametrize("factor", [0.4, 3.0])
def test_temperature_undoes_over_and_underconfidence(factor):
    assert fit_temperature(ACTUAL, OF_THREE * factor) == pytest.approx(factor, rel=0.1)


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


def test_rules_do_not_depend_on_the_last_bits_of_logits():
    """A processor that adds in another order computes other last bits."""
    params = Calibrate(
        temperature=True, threshold=None, recall={"b": 0.9}, max_error=None, unknown_quantile=None
    )
    here, there = (
        calibrate(params, ["a", "b", "c"], ACTUAL, 2 * OF_THREE * (1 + bits), np.arange(4000))
        for bits in (0, 1e-12)
    )
    assert here[0] > 1
    assert here == there


@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize(
    ("temperature", "draws", "low", "high"),
    [pytest.param(1.0, 100, 0, 0.08, marks=pytest.mark.slow), (2.0, 5, 1, 1)],
)
def test_temperature_of_calibrated_logits_is_applied_in_a_twentieth_of_draws(
    temperature, draws, low, high, copies
):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 6, (788, 1))
    drawn = (rng.random((draws, 788)) < expit(logits[:, 0] / temperature)).astype(int)
    groups = np.arange(788).repeat(copies)
    applied = [
        significant_temperature(actual[groups], logits[groups], groups) != 1 for actual in drawn
    ]
    assert low <= np.mean(applied) <= high


def images(*groups: tuple[int, float, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities for groups of (label, probability, number of images)."""
    actual, probability, number = zip(*groups)
    return np.repeat(actual, number) == 1, np.repeat(probability, number)


def chosen(is_class: np.ndarray, probability: np.ndarray, recall: float) -> float:
    """Return the threshold for a class of which no image is found without one."""
    return choose_threshold(is_class, np.zeros(len(is_class), bool), probability, recall)


def test_highest_of_equally_good_thresholds_up_to_0_5_is_chosen():
    actual, probability = images((0, 0.2, 3), (0, 0.4, 3), (1, 0.44, 3), (1, 0.9, 3))
    assert chosen(actual, probability, 1.0) == pytest.approx(0.42)
    actual, probability = images((1, 0.2, 3), (0, 0.6, 3))
    # Below all probabilities.
    assert chosen(actual, probability, 1.0) == pytest.approx(0.1)
    for below, above in ((0.1, 0.6), (0.4, 0.9)):  # 0.5 is as good as their midpoint
        actual, probability = images((0, below, 3), (1, above, 3))
        assert chosen(actual, probability, 1.0) == 0.5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("recall", "expected"), [(1.0, 0.15), (0.76, 0.15), (0.75, 0.25)])
def test_threshold_for_a_recall_has_the_best_precision_with_that_recall(recall, expected):
    actual = np.array([0, 0, 0, 1, 0, 1, 1, 1]) == 1
    probability = np.array([0.05, 0.07, 0.1, 0.2, 0.22, 0.28, 0.4, 0.45])
    assert chosen(actual, probability, recall) == pytest.approx(expected)


@pytest.mark.parametrize("percent", [7, 55])
def test_recall_that_is_met_exactly_counts(percent):
    """In binary fractions, 0.55 * 100 is more than 55."""
    actual, probability = images((0, 0.1, 100), (1, 0.1, 100 - percent), (1, 0.9, percent))
    assert chosen(actual, probability, percent / 100) == 0.5


LABELS = ["ant", "bee", "cow"]


def wishes(**recall: float) -> Calibrate:
    rest = dict.fromkeys(("threshold", "max_error", "unknown_quantile"))
    return Calibrate(temperature=False, recall=recall, **rest)


@pytest.mark.parametrize("named", LABELS)
def test_named_class_is_found_as_often_as_wished_wherever_its_name_stands(named):
    rng, index = np.random.default_rng(0), LABELS.index(named)
    actual = rng.integers(3, size=600)
    logits = rng.normal(0, 1, (600, 3)) + np.eye(3)[actual]
    _, thresholds = calibrate(
        wishes(**{named: 0.9}), LABELS, actual, logits, np.arange(len(actual))
    )
    probabilities = ONE_CLASS.to_probabilities(logits)
    predicted = ONE_CLASS.predict(probabilities, {index: thresholds[named]})
    before = probabilities.argmax(axis=1)
    assert (before[actual == index] == index).mean() < 0.8
    assert 0.9 <= (predicted[actual == index] == index).mean() < 0.92
    others = np.delete(probabilities, index, axis=1).argmax(axis=1)
    of_others = np.delete(np.arange(3), index)[others]
    assert (predicted[predicted != index] == of_others[predicted != index]).all()


def drawn(rng: np.random.Generator, classes: int, number: int) -> Logits:
    """Return outputs for images of equally frequent classes."""
    actual = rng.integers(classes, size=number)
    logits = rng.normal(0, 1.5, (number, classes)) + 3 * np.eye(classes)[actual]
    return Logits(actual, logits, np.zeros(number))


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "recall"), [(2, 0.95), (5, 0.8), (5, 0.95)])
def test_named_class_is_never_found_less_often_and_as_often_as_promised(classes, recall):
    """With few images, a higher threshold may seem to be better."""
    rng, labels, kept = np.random.default_rng(0), ["ant", *"bcde"[: classes - 1]], 0
    others = drawn(rng, classes, 20_000)
    for _ in range(100):
        here = drawn(rng, classes, 22 * classes)
        params = wishes(ant=recall)
        _, thresholds = calibrate(
            params, labels, here.actual, here.logits, np.arange(len(here.actual))
        )
        for outputs in (here, others)[: 2 if classes == 2 else 1]:
            probabilities = ONE_CLASS.to_probabilities(outputs.logits)
            was_found = probabilities.argmax(axis=1) == 0
            assert (probabilities[was_found, 0] >= thresholds["ant"]).all()
        served = Metadata(
            labels=labels, image_size=32, resize="pad", temperature=1, thresholds=thresholds
        )
        _, line, _ = describe_rules(params, served, here, np.arange(len(here.actual)))
        promised = int(re.search("at least ([0-9]+)% will be found .95%", line)[1]) / 100
        is_found = ONE_CLASS.to_probabilities(others.logits)[:, 0] >= thresholds["ant"]
        kept += is_found[others.actual == 0].mean() > promised - 0.005
    assert kept >= 95
    given = params.model_copy(update={"recall": None, "threshold": thresholds})
    assert len([*describe_rules(given, served, here, np.arange(len(here.actual)))]) == 1
    _, in_pairs, _ = describe_rules(params, served, here, np.arange(len(here.actual)) // 2)
    assert int(re.search("at least ([0-9]+)%", in_pairs)[1]) / 100 < promised


@pytest.mark.parametrize("of_second", [0.4, 0.9])
def test_first_of_two_named_classes_gets_its_images_first(of_second):
    rng = np.random.default_rng(0)
    actual = rng.integers(3, size=600)
    logits = rng.normal(0, 1, (600, 3)) + np.eye(3)[actual]
    _, thresholds = calibrate(
        wishes(cow=0.9, ant=of_second), LABELS, actual, logits, np.arange(len(actual))
    )
    order = {LABELS.index(name): value for name, value in thresholds.items()}
    predicted = ONE_CLASS.predict(ONE_CLASS.to_probabilities(logits), order)
    first, second = ((predicted[actual == index] == index).mean() for index in (2, 0))
    assert first >= 0.9
    warning = describe_recall("ant", of_second, second)
    assert ("cannot be reached" in warning) == (second < of_second) == (of_second == 0.9)


DRAWS = 200
OF_ALL = 200_000  # images for which the true error above a confidence is known


def draw(rng: np.random.Generator, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return overconfident confidences, and whether each image is wrong; one label in 200 is."""
    margin = rng.gamma(2, 2.5, images)
    error = 0.005 + 0.99 * expit(-0.7 * margin)
    return expit(margin), rng.random(images) < error


@pytest.mark.slow
@pytest.mark.parametrize("images", [100, 500, 5000])
def test_more_than_the_error_allowed_is_wrong_in_a_tenth_of_the_draws_at_most(images):
    rng = np.random.default_rng(images)
    confidence, is_wrong = draw(rng, OF_ALL)
    order = np.argsort(-confidence)
    errors = np.cumsum(is_wrong[order]) / np.arange(1, OF_ALL + 1)
    for max_error in (0.05, 0.02):
        missed = decided = 0
        for _ in range(DRAWS):
            sample = draw(rng, images)
            try:
                lowest = choose_min_confidence(*sample, np.arange(images), max_error)
            except InputError:
                continue
            number = (confidence >= lowest).sum()
            decided += number / OF_ALL
            missed += errors[number - 1] > max_error
        assert missed <= 0.1 * DRAWS + 1.645 * (0.09 * DRAWS) ** 0.5
        assert images < 5000 or decided > 0.3 * DRAWS


def test_too_few_images_are_refused_with_the_number_and_with_the_smallest_error():
    images = enough_images(0.05)
    assert 0.95**images <= 0.1 < 0.95 ** (images - 1)
    right, groups = np.zeros(images, bool), np.arange(images)
    assert choose_min_confidence(np.full(images, 0.9), right, groups, 0.05) == 0
    with pytest.raises(InputError) as error:
        # Each image occurs twice.
        choose_min_confidence(np.full(images, 0.9), right, groups // 2, 0.05)
    smallest = float(re.search("expected ([0-9.]+) or more", str(error.value))[1])
    assert f"takes {images} images" in str(error.value)
    assert choose_min_confidence(np.full(images, 0.9), right, groups // 2, smallest) == 0
    with pytest.raises(InputError, match=f"{images} of the {images} most confident are wrong"):
        choose_min_confidence(np.full(images, 0.9), ~right, groups, 0.05)


def test_less_confident_images_are_unsure_from_where_they_are_wrong():
    confidence = np.repeat([0.99, 0.9, 0.6], [200, 100, 100])
    is_wrong = confidence == 0.6
    lowest = choose_min_confidence(confidence, is_wrong, np.arange(400), 0.05)
    assert 0.6 < lowest < 0.9
    curve = tabulate_decided(confidence, is_wrong)
    assert curve["decided"].tolist() == [0.5, 0.75, 1]
    assert curve["error"].tolist() == [0, 0, 0.25]


def test_labels_have_one_temperature_and_each_its_own_recall():
    is_shown = RNG.uniform(size=OF_THREE.shape) < expit(OF_THREE)
    params = Calibrate(
        temperature=True, threshold=None, recall={"b": 0.9}, max_error=None, unknown_quantile=None
    )
    fit = partial(calibrate, params, ["a", "b", "c"], is_shown, groups=np.arange(4000))
    temperature, thresholds = fit(logits=3 * OF_THREE)
    assert temperature == pytest.approx(3, rel=0.1)
    found = sigmoid(3 * OF_THREE, temperature)[:, 1] >= thresholds["b"]
    assert found[is_shown[:, 1]].mean() == pytest.approx(0.9, abs=0.01)
    assert fit(logits=OF_THREE)[0] == 1
    # Images of which nothing is known change neither, whatever their probabilities.
    more = np.concatenate([is_shown, np.full((500, 3), -1)]).astype(np.int8)
    near = temperature * logit(thresholds["b"] + np.linspace(-0.001, 0.001, 500))
    logits = np.concatenate([3 * OF_THREE, np.repeat(near[:, None], 3, axis=1)])
    assert calibrate(params, [*"abc"], more, logits, np.arange(4500)) == (temperature, thresholds)


def changed_in(true: float, images: int, labels: int, shared: float, draws: int) -> float:
    """Return the fraction of draws with a temperature, if the labels of an image share a part."""
    rng = np.random.default_rng(1)
    changed = 0
    for _ in range(draws):
        logits = rng.normal(0, 2, (images, labels))
        probability = expit(logits / true)
        luck = rng.normal(size=(images, 1)), rng.normal(size=(images, labels))
        luck = ndtr(np.sqrt(shared) * luck[0] + np.sqrt(1 - shared) * luck[1])
        is_likely = luck < np.maximum(probability, 1 - probability)
        actual = is_likely == (probability >= 0.5)
        changed += significant_temperature(actual, logits, np.arange(images)) != 1
    return changed / draws


def test_temperature_of_labels_that_are_hard_together_is_found():
    assert changed_in(2, 100, 5, 0.5, draws=20) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "labels", "shared"),
    [(60, 5, 0), (60, 5, 0.5), (100, 20, 0), (100, 20, 0.3), (100, 20, 0.6), (100, 20, 0.9)],
)
def test_calibrated_labels_that_are_hard_together_seldom_get_a_temperature(images, labels, shared):
    assert changed_in(1, images, labels, shared, draws=200) <= 0.07
