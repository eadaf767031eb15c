import numpy as np
import pytest
from networks import metadata
from PIL import Image

from pawprint.model.predictor import Predictor, squares_of


def stripes(*reds: int, upright: bool) -> Image.Image:
    """Equal squares in a row, or one above the other."""
    row = np.kron(np.array([reds]), np.ones((32, 32))).astype(np.uint8)
    red = row.T if upright else row
    return Image.fromarray(np.dstack([red, np.zeros_like(red), np.zeros_like(red)]))


@pytest.mark.parametrize("upright", [False, True])
def test_crops_are_the_ends_and_the_middle_of_the_longer_side_and_their_mirror_images(upright):
    squares = squares_of(stripes(10, 90, 200, upright=upright), 32, "crop", "crops")
    assert squares.shape == (6, 32, 32, 3)
    assert squares[..., 0].mean(axis=(1, 2)) == pytest.approx([10, 90, 200] * 2, abs=2)
    assert (squares[3:] == squares[:3, :, ::-1]).all()


def first_pixel(squares: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs that are the red of the first pixel of each square, divided by 250."""
    value = np.float32(squares[:, 0, 0, :1] / 250)
    return dict.fromkeys(("probability", "unknown_score", "features"), value)


@pytest.mark.parametrize(
    ("augmentation", "mean", "probability"),
    [("none", 0.2, 0.2), ("flip", 0.55, 0.6), ("crops", 0.55, 0.6)],
)
def test_outputs_of_squares_are_averaged_and_probabilities_as_logits(
    tmp_path, augmentation, mean, probability
):
    """The logits of 0.2 and 0.9 are -1.39 and 2.20, and their mean is that of 0.6."""
    changes = {"test_time_augmentation": augmentation, "unknown_threshold": 0.6}
    described = metadata(image_size=32, resize="stretch", **changes)
    predictor = Predictor(tmp_path, described, first_pixel)
    predicted = predictor.predict(stripes(50, 225, upright=False))
    assert predicted.probabilities == pytest.approx([1 - probability, probability], abs=0.01)
    assert predicted.unknown_score == pytest.approx(mean, abs=0.01)
    assert predicted.features == pytest.approx([mean], abs=0.01)
    assert predicted.label == ("cat" if augmentation == "none" else "dog")
