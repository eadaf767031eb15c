import numpy as np
import pytest

from pawprint.scores.metrics import expected_calibration_error, reliability


def two(probability: list[float] | np.ndarray) -> np.ndarray:
    """Probabilities of two classes, from that of the second."""
    return np.column_stack([1 - np.asarray(probability), probability])


def test_top_label_of_more_than_two_classes_is_looked_at():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5]])
    mean, of_class, images = reliability(np.array([0, 2, 2]), probabilities)
    assert mean == pytest.approx([0.5, 0.8])
    assert (of_class.tolist(), images.tolist()) == ([1, 1], [1, 2])
    error = expected_calibration_error(np.array([0, 2, 2]), probabilities)
    assert error == pytest.approx((0.5 + 2 * 0.3) / 3)
