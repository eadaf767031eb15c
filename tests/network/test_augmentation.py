import hashlib

import cv2
import numpy as np
import pytest

from pawprint.network.augmentation import LAYERS, draw_view
from pawprint.network.hardware import keras
from pawprint.network.views import apply
from pawprint.pipeline.params.data import Augment

SIZE = 64
IMAGE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
SMOOTH = cv2.GaussianBlur(IMAGE, (0, 0), 3)


def augment(**changes) -> Augment:
    values = {"views": 4, "keep_original": True, "seed": 1} | dict.fromkeys(LAYERS)
    return Augment.model_validate(values | changes)


FLIP = {"RandomFlip": {"mode": "horizontal"}}
ROTATION = {"RandomRotation": {"factor": 0.1}}
TRANSLATION = {"RandomTranslation": {"height_factor": 0.1, "width_factor": 0.3}}
SHEAR = {"RandomShear": {"x_factor": 0.3, "y_factor": 0.1}}
ZOOM = {"RandomZoom": {"height_factor": 0.4}}
BOTH_ZOOMS = {"RandomZoom": {"height_factor": 0.1, "width_factor": 0.4}}
PARAMS = augment(**FLIP, **ROTATION)


def draw_transformations(params: Augment, number: int, images: int) -> np.ndarray:
    """Return float64 `(images, 2, 3)`: one view of each of this many images, which differ."""
    hashes = (hashlib.sha256(b"%d" % index).hexdigest() for index in range(images))
    return np.stack([draw_view(params, sha256, number, SIZE) for sha256 in hashes])


def fixed_layers(name: str, matrix: np.ndarray) -> list[keras.layers.Layer]:
    """Return Keras layers that can only draw this matrix, from output to input."""
    (a, b, x), (c, d, y) = matrix
    if name == "RandomRotation":
        turn = np.arctan2(c, a) / (2 * np.pi)
        return [keras.layers.RandomRotation((turn, turn))]
    if name == "RandomTranslation":
        return [keras.layers.RandomTranslation((-y / SIZE,) * 2, (-x / SIZE,) * 2)]
    if name == "RandomZoom":
        return [keras.layers.RandomZoom((d - 1, d - 1), (a - 1, a - 1))]
    # Keras draws the common sign of both shears at each call. This test requires this sign.
    return [keras.layers.RandomShear((abs(b),) * 2, (abs(c),) * 2, seed=seed) for seed in range(9)]


def test_layers_together_are_the_layers_one_after_another():
    every = {**FLIP, **ROTATION, **TRANSLATION, **SHEAR, **ZOOM}
    together = draw_transformations(augment(**every), 1, 5)
    alone = [
        draw_transformations(augment(**{name: factors}), 1, 5) for name, factors in every.items()
    ]
    for index, matrix in enumerate(together):
        # A view reads these places of the image. The last layer is the first to move them.
        product = np.eye(3)
        for matrices in alone:
            product = product @ np.vstack([matrices[index], [0, 0, 1]])
        assert matrix == pytest.approx(product[:2], abs=2e-4)  # each matrix is rounded


def test_last_bits_of_a_rotation_are_rounded():
    """The cosines of two processors differ in them."""
    matrices = draw_transformations(augment(**ROTATION), 1, 20) * 2**16
    assert np.array_equal(matrices, np.round(matrices))


@pytest.mark.parametrize("layer", [ROTATION, TRANSLATION, SHEAR, ZOOM, BOTH_ZOOMS])
def test_view_is_what_the_layer_of_keras_gives_for_the_same_draw(layer):
    (name,) = layer
    for matrix in draw_transformations(augment(**layer), 1, 20):
        if name == "RandomShear" and matrix[0, 1] * matrix[1, 0] < 0:
            continue  # with intervals of a single number, Keras only draws equal signs
        ours = apply(SMOOTH, matrix)
        differences = [
            np.abs(ours - layer(SMOOTH[None].astype(np.float32), training=True).numpy()[0]).mean()
            for layer in fixed_layers(name, matrix)
        ]
        assert min(differences) < 1.0, matrix


@pytest.mark.parametrize(
    ("layer", "entry", "low", "high"),
    [
        (ROTATION, (1, 0), -np.sin(0.2 * np.pi), np.sin(0.2 * np.pi)),  # a tenth of a turn
        (TRANSLATION, (0, 2), -0.3 * SIZE, 0.3 * SIZE),
        (SHEAR, (1, 0), -0.1, 0.1),
        (ZOOM, (0, 0), 0.6, 1.4),
        (BOTH_ZOOMS, (1, 1), 0.9, 1.1),
    ],
)
def test_draws_fill_the_range_that_keras_gives_the_factor(layer, entry, low, high):
    drawn = draw_transformations(augment(**layer), 1, 1000)
    if layer is ZOOM:
        assert (drawn[:, 0, 0] == drawn[:, 1, 1]).all()  # there is no width factor
    drawn = drawn[(slice(None), *entry)]
    slack = 0.02 * (high - low)
    assert low <= drawn.min() < low + slack
    assert high - slack < drawn.max() <= high


def test_first_view_is_the_image_itself_if_it_is_kept():
    for params, is_same in ((PARAMS, True), (augment(**ROTATION, keep_original=False), False)):
        for matrix in draw_transformations(params, 0, 3):
            assert (apply(IMAGE, matrix) == IMAGE).all() == is_same


@pytest.mark.parametrize(
    ("flip", "flipped"),
    [
        ("horizontal", [IMAGE, IMAGE[:, ::-1]]),
        ("vertical", [IMAGE, IMAGE[::-1]]),
        ("horizontal_and_vertical", [IMAGE, IMAGE[:, ::-1], IMAGE[::-1], IMAGE[::-1, ::-1]]),
    ],
)
def test_flips_are_exact_and_equally_likely(flip, flipped):
    params = augment(RandomFlip=flip and {"mode": flip})
    warped = [apply(IMAGE, matrix) for matrix in draw_transformations(params, 1, 400)]
    counts = [sum((view == image).all() for view in warped) for image in flipped]
    assert sum(counts) == 400
    assert min(counts) > 400 / len(flipped) * 0.7


def test_views_differ_and_depend_on_the_seed_only():
    first = draw_transformations(PARAMS, 1, 5)
    assert (first == draw_transformations(augment(**FLIP, **ROTATION, views=9), 1, 5)).all()
    assert not np.allclose(first, draw_transformations(PARAMS, 2, 5))
    assert not np.allclose(first, draw_transformations(augment(**FLIP, **ROTATION, seed=2), 1, 5))
