import numpy as np
import pytest

from pawprint.evaluation.calibration import expected_calibration_error, reliability


def test_bins_are_fifteenths_and_the_last_one_holds_1():
    probability = np.array([0, 0.066, 0.067, 0.5, 0.933, 0.934, 1, 1])
    actual = np.array([0, 1, 0, 1, 1, 1, 1, 0])
    mean, positive, images = reliability(actual, probability)
    assert mean == pytest.approx([0.033, 0.067, 0.5, 0.933, 2.934 / 3])
    assert positive.tolist() == [1, 0, 1, 1, 2]
    assert images.tolist() == [2, 1, 1, 1, 3]


def test_bin_without_an_image_of_class_1_has_none():
    mean, positive, images = reliability(np.array([0, 0, 1]), np.array([0.9, 0.9, 0.1]))
    assert mean == pytest.approx([0.1, 0.9])
    assert (positive.tolist(), images.tolist()) == ([1, 0], [1, 2])


def test_calibration_error_is_the_difference_averaged_over_images():
    probability = np.repeat([0.2, 0.8], 10)
    actual = np.array([1] * 2 + [0] * 8 + [1] * 8 + [0] * 2)
    assert expected_calibration_error(actual, probability) == pytest.approx(0)
    assert expected_calibration_error(1 - actual, probability) == pytest.approx(0.6)
    assert expected_calibration_error(np.array([0, 0, 1]), np.array([0.3, 0.3, 0.9])) == (
        pytest.approx((0.3 + 0.3 + 0.1) / 3)
    )
