import numpy as np
import pytest
from conftest import refused

from pawprint.base.files import write_arrays
from pawprint.model.unknown_score import (
    choose_unknown_threshold,
    fit_detector,
    fit_with_scores,
    read_detector,
    unit_length,
)


@pytest.mark.parametrize(
    ("images", "quantile", "refused"),
    [(1000, 0.995, 4), (399, 0.995, 1), (398, 0.995, 0), (20, 0.995, 0), (20, 0.5, 9)],
)
def test_threshold_keeps_at_least_the_quantile(images, quantile, refused):
    scores = np.random.default_rng(0).permutation(np.linspace(0.10005, 0.90005, images))
    threshold = choose_unknown_threshold(scores, quantile)
    assert (scores > threshold).sum() == refused
    assert threshold == round(threshold, 4)
    assert (scores - 1e-6 > threshold).sum() == (scores + 1e-6 > threshold).sum()


def test_new_images_are_refused_as_often_as_the_quantile_says():
    """With scores of the images that the detector was fitted on, 39% would be rejected."""
    directions, refused = np.abs(np.random.default_rng(9).normal(size=(100, 200))), []
    for seed in range(3):
        random = np.random.default_rng(seed)
        of_images = random.exponential(1, (1400, 100)) ** 2 @ directions
        features = of_images + random.normal(size=(1400, 200))
        training, validation, new = np.split(features, [300, 400])
        detector, of_training = fit_with_scores(training, np.arange(len(training)).astype(str))
        scores = np.concatenate([of_training, detector.score(validation)])
        threshold = choose_unknown_threshold(scores, 0.9)
        refused.append((detector.score(new) > threshold).mean())
    assert 0.07 < np.mean(refused) < 0.12


@pytest.mark.parametrize(("images", "channels"), [(300, 90), (90, 300), (90, 90), (40, 300)])
def test_score_is_what_principal_components_leave(images, channels):
    features = np.random.default_rng(0).exponential(1, (images + 50, channels)) ** 3
    training, new = np.split(features, [images])
    detector = fit_detector(training)
    unit = unit_length(training)
    components = np.linalg.svd(unit - unit.mean(axis=0))[2][: min(64, images - 1)]
    centred = unit_length(new) - unit.mean(axis=0)
    residual = centred - centred @ components.T @ components
    np.testing.assert_allclose(detector.score(new), np.linalg.norm(residual, axis=1), rtol=1e-4)


@pytest.mark.parametrize(("images", "channels"), [(300, 90), (90, 300)])
def test_components_do_not_depend_on_the_last_bits_of_features(images, channels):
    features = np.random.default_rng(0).exponential(1, (images, channels)) ** 3
    others = features * (1 + 1e-12 * np.random.default_rng(1).normal(size=features.shape))
    here, there = fit_detector(features), fit_detector(others)
    assert np.array_equal(here.components, there.components)


def test_images_that_are_all_the_same_have_a_detector():
    detector = fit_detector(np.ones((10, 64)))
    assert detector.score(np.ones((1, 64))) == 0
    assert detector.score(np.eye(64)).min() > 0.1


def test_other_arrays_than_those_of_a_detector_are_one_line(tmp_path):
    write_arrays(tmp_path / "detector.npz", mean=np.zeros(5))
    with refused("detector.npz: expected the arrays mean and components. Received: mean."):
        read_detector(tmp_path)
