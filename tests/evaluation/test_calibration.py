import numpy as np
import pytest

from pawprint.evaluation.calibration import (
    debiased_calibration_error,
    expected_calibration_error,
    reliability,
)


def two(probability: list[float] | np.ndarray) -> np.ndarray:
    """Probabilities of two classes, from that of the second."""
    return np.column_stack([1 - np.asarray(probability), probability])


def test_bins_are_fifteenths_and_the_last_one_holds_1():
    probability = np.array([0, 0.066, 0.067, 0.5, 0.933, 0.934, 1, 1])
    actual = np.array([0, 1, 0, 1, 1, 1, 1, 0])
    mean, of_class, images = reliability(actual, two(probability))
    assert mean == pytest.approx([0.033, 0.067, 0.5, 0.933, 2.934 / 3])
    assert of_class.tolist() == [1, 0, 1, 1, 2]
    assert images.tolist() == [2, 1, 1, 1, 3]


def test_bin_without_an_image_of_class_1_has_none():
    mean, of_class, images = reliability(np.array([0, 0, 1]), two([0.9, 0.9, 0.1]))
    assert mean == pytest.approx([0.1, 0.9])
    assert (of_class.tolist(), images.tolist()) == ([1, 0], [1, 2])


def test_calibration_error_is_the_difference_averaged_over_images():
    probability = two(np.repeat([0.2, 0.8], 10))
    actual = np.array([1] * 2 + [0] * 8 + [1] * 8 + [0] * 2)
    assert expected_calibration_error(actual, probability) == pytest.approx(0)
    assert expected_calibration_error(1 - actual, probability) == pytest.approx(0.6)
    assert expected_calibration_error(np.array([0, 0, 1]), two([0.3, 0.3, 0.9])) == (
        pytest.approx((0.3 + 0.3 + 0.1) / 3)
    )


def test_top_label_of_more_than_two_classes_is_looked_at():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5]])
    mean, of_class, images = reliability(np.array([0, 2, 2]), probabilities)
    assert mean == pytest.approx([0.5, 0.8])
    assert (of_class.tolist(), images.tolist()) == ([1, 1], [1, 2])
    error = expected_calibration_error(np.array([0, 2, 2]), probabilities)
    assert error == pytest.approx((0.5 + 2 * 0.3) / 3)


def test_debiased_error_is_that_of_the_formula():
    """Fifteen bins of two images; the fractions are 0, a half or 1."""
    rng = np.random.default_rng(0)
    probability, actual = np.sort(rng.random(30)), rng.integers(0, 2, 30)
    square = 0
    for first in range(0, 30, 2):
        mean, fraction = probability[first : first + 2].mean(), actual[first : first + 2].mean()
        square += ((mean - fraction) ** 2 - fraction * (1 - fraction)) / 15
    error = debiased_calibration_error(actual, two(probability))
    assert error == pytest.approx(np.sqrt(square))
    order = rng.permutation(30)
    assert debiased_calibration_error(actual[order], two(probability[order])) == error


def test_random_variation_adds_to_the_binned_error_and_not_to_the_debiased_one():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 6, 788)
    predicted = 1 / (1 + np.exp(-logits))
    for temperature in (1, 2):
        true = 1 / (1 + np.exp(-logits / temperature))
        labels = (rng.random((200, 788)) < true).astype(int)
        binned = [expected_calibration_error(each, two(predicted)) for each in labels]
        debiased = [debiased_calibration_error(each, two(predicted)) for each in labels]
        if temperature == 1:
            assert np.median(binned) > 0.007
            assert np.median(debiased) == 0
        else:
            error = np.sqrt(np.mean((true - predicted) ** 2))
            assert np.mean(debiased) == pytest.approx(error, rel=0.2)


@pytest.mark.parametrize("images", [1, 2, 3])
def test_debiased_error_of_few_images_is_a_number(images):
    probabilities = two(np.full(images, 0.9))
    assert 0 <= debiased_calibration_error(np.zeros(images, int), probabilities) <= 1
