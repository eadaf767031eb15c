import numpy as np
import pytest

from pawprint.images.sizes import MAX_LEFT_OUT, left_out


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(100, 100)], 0),
        ([(640, 480)], 0.25),
        ([(480, 640), (640, 480), (100, 1000)], 0.25),  # of the median image
        ([(300, 100), (100, 400)], (2 / 3 + 3 / 4) / 2),
    ],
)
def test_middle_square_leaves_out_the_rest_of_the_longer_side(sizes, expected):
    assert left_out(*np.array(sizes).T) == pytest.approx(expected)


def test_usual_photos_of_cameras_are_within_the_limit():
    assert left_out(np.array([4000]), np.array([3000])) <= MAX_LEFT_OUT
    assert left_out(np.array([6000]), np.array([4000])) > MAX_LEFT_OUT
