"""Draw the random parameters of augmented views. The module views.py applies them.

Names, arguments, units and distributions match the Keras layers.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from pawprint.network.views import IDENTITY, View
from pawprint.pipeline.params import data

# Steps per pixel, to which transformations are rounded. Processors differ in the last bits.
STEPS = 2**16


def draw_view(params: data.Augment, pixels_sha256: str, number: int, size: int) -> View:
    """Draw the parameters of one view of an image.

    They depend only on `augment`, the number of the view and the content of the image, so they stay
    the same when other images are added, removed or moved. Each layer is drawn independently of the
    other layers. With `keep_original`, view 0 is the original image.
    """
    if number == 0 and params.keep_original:
        return IDENTITY
    matrix = np.eye(3)
    for index, (name, draw) in enumerate(LAYERS.items()):
        layer = getattr(params, name)
        if layer is not None:
            entropy = [params.seed, number, index, int(pixels_sha256, 16)]
            matrix = matrix @ draw(layer, np.random.default_rng(entropy), size)
    return np.round(matrix[:2] * STEPS) / STEPS


def _flip(layer: data.Flip, random: Generator, size: int) -> np.ndarray:
    draws = zip(("horizontal", "vertical"), random.random(2))
    signs = [-1.0 if name in layer.mode and draw < 0.5 else 1.0 for name, draw in draws]
    return _about_centre(np.diag([*signs, 1]), size)


def _rotation(layer: data.Factor, random: Generator, size: int) -> np.ndarray:
    angle = random.uniform(-layer.factor, layer.factor) * 2 * np.pi
    cos = np.cos(angle)
    sin = np.sin(angle)
    return _about_centre(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]), size)


def _translation(layer: data.Translation, random: Generator, size: int) -> np.ndarray:
    x = -size * random.uniform(-layer.width_factor, layer.width_factor)
    y = -size * random.uniform(-layer.height_factor, layer.height_factor)
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def _shear(layer: data.Shear, random: Generator, size: int) -> np.ndarray:
    """Draw a shear about the corner of the image rather than its centre, as Keras does."""
    x = random.uniform(-layer.x_factor, layer.x_factor)
    y = random.uniform(-layer.y_factor, layer.y_factor)
    return np.array([[1, x, 0], [y, 1, 0], [0, 0, 1]])


def _zoom(layer: data.Zoom, random: Generator, size: int) -> np.ndarray:
    x = y = 1 + random.uniform(-layer.height_factor, layer.height_factor)
    if layer.width_factor is not None:
        x = 1 + random.uniform(-layer.width_factor, layer.width_factor)
    return _about_centre(np.diag([x, y, 1]), size)


# Layers are applied in this order.
LAYERS: dict[str, Callable] = {
    "RandomFlip": _flip,
    "RandomRotation": _rotation,
    "RandomTranslation": _translation,
    "RandomShear": _shear,
    "RandomZoom": _zoom,
}


def _about_centre(linear: np.ndarray, size: int) -> np.ndarray:
    centre = np.eye(3)
    centre[:2, 2] = (size - 1) / 2
    return centre @ linear @ np.linalg.inv(centre)
