"""Test that the decided predictions keep to the error that a user allows."""

import re

import numpy as np
import pytest
from scipy.special import expit

from pawprint.base.errors import InputError
from pawprint.scores.calibration import choose_min_confidence, enough_images, tabulate_decided

DRAWS = 200
OF_ALL = 200_000  # images for which the true error above a confidence is known


def draw(rng: np.random.Generator, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return overconfident confidences, and whether each image is wrong; one label in 200 is."""
    margin = rng.gamma(2, 2.5, images)
    error = 0.005 + 0.99 * expit(-0.7 * margin)
    return expit(margin), rng.random(images) < error


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
