import numpy as np
import pytest

from stages.shared.augment import draw_transformations, warp
from stages.shared.params import Augment

PARAMS = Augment(views=4, flip="horizontal", rotation=0.1, seed=1)
IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)


def with_(**changes) -> Augment:
    return PARAMS.model_copy(update=changes)


def test_view_0_is_the_image_itself():
    for transformation in draw_transformations(PARAMS, 0, 3, 32):
        assert (warp(IMAGE, transformation) == IMAGE).all()


@pytest.mark.parametrize(
    ("flip", "flipped"),
    [
        ("none", [IMAGE]),
        ("horizontal", [IMAGE, IMAGE[:, ::-1]]),
        ("vertical", [IMAGE, IMAGE[::-1]]),
        ("horizontal_and_vertical", [IMAGE, IMAGE[:, ::-1], IMAGE[::-1], IMAGE[::-1, ::-1]]),
    ],
)
def test_flips_are_exact_and_equally_likely(flip, flipped):
    transformations = draw_transformations(with_(flip=flip, rotation=0.0), 1, 400, 32)
    warped = [warp(IMAGE, transformation) for transformation in transformations]
    seen = [sum((each == image).all() for each in warped) for image in flipped]
    assert sum(seen) == 400
    assert min(seen) > 400 / len(flipped) * 0.7


def test_rotation_turns_either_way_up_to_its_fraction_of_a_turn():
    transformations = draw_transformations(with_(flip="none"), 1, 1000, 32)
    turns = np.arctan2(transformations[:, 1, 0], transformations[:, 0, 0]) / (2 * np.pi)
    assert -0.1 <= turns.min() < -0.09
    assert 0.09 < turns.max() <= 0.1


def test_quarter_turn_is_about_the_centre():
    quarter = np.array([[0, -1, 31], [1, 0, 0]], np.float64)
    half_open = draw_transformations(with_(flip="none", rotation=0.5), 1, 500, 32)
    centre = half_open @ np.array([15.5, 15.5, 1])
    assert np.allclose(centre, 15.5)
    assert (warp(IMAGE, quarter) == np.rot90(IMAGE, -1)).all()


def test_outside_of_the_image_is_its_reflection():
    shifted = warp(IMAGE, np.array([[1, 0, 5], [0, 1, 0]], np.float64))
    assert (shifted[:, :5] == IMAGE[:, 4::-1]).all()


def test_views_differ_and_depend_on_the_seed_only():
    first = draw_transformations(PARAMS, 1, 5, 32)
    assert (first == draw_transformations(with_(views=9), 1, 5, 32)).all()
    assert not np.allclose(first, draw_transformations(PARAMS, 2, 5, 32))
    assert not np.allclose(first, draw_transformations(with_(seed=2), 1, 5, 32))
