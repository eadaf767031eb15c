"""Augmented views: all random layers combined into one affine map, which pixels.py applies.

Names, arguments, units, distributions and order are those of the Keras layers.
"""

import numpy as np

from pawprint.params.data import (
    Augment,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)


def draw_transformation(params: Augment, pixels_sha256: str, view: int, size: int) -> np.ndarray:
    """float64 `(2, 3)`: the map from pixels of a view of an image to pixels of the image.

    It follows from `augment`, the view's number and the content of the image alone, so adding,
    removing or moving other images changes nothing. The draws of one layer do not depend on the
    other layers. With `keep_original`, view 0 is the identity.
    """
    matrix = np.eye(3)
    if view > 0 or not params.keep_original:
        for index, (name, draw) in enumerate(LAYERS.items()):
            layer = getattr(params, name)
            if layer is not None:
                entropy = [params.seed, view, index, int(pixels_sha256, 16)]
                matrix = matrix @ draw(layer, np.random.default_rng(entropy), size)
    return matrix[:2]


def _flip(layer: RandomFlip, random: np.random.Generator, size: int) -> np.ndarray:
    draws = zip(("horizontal", "vertical"), random.random(2))
    signs = [-1.0 if name in layer.mode and draw < 0.5 else 1.0 for name, draw in draws]
    return _about_centre(np.diag([*signs, 1]), size)


def _rotation(layer: RandomRotation, random: np.random.Generator, size: int) -> np.ndarray:
    angle = random.uniform(-layer.factor, layer.factor) * 2 * np.pi
    cos, sin = np.cos(angle), np.sin(angle)
    return _about_centre(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]), size)


def _translation(layer: RandomTranslation, random: np.random.Generator, size: int) -> np.ndarray:
    x = -size * random.uniform(-layer.width_factor, layer.width_factor)
    y = -size * random.uniform(-layer.height_factor, layer.height_factor)
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def _shear(layer: RandomShear, random: np.random.Generator, size: int) -> np.ndarray:
    """As in Keras, about the corner of the image, not its centre."""
    x = random.uniform(-layer.x_factor, layer.x_factor)
    y = random.uniform(-layer.y_factor, layer.y_factor)
    return np.array([[1, x, 0], [y, 1, 0], [0, 0, 1]])


def _zoom(layer: RandomZoom, random: np.random.Generator, size: int) -> np.ndarray:
    x = y = 1 + random.uniform(-layer.height_factor, layer.height_factor)
    if layer.width_factor is not None:
        x = 1 + random.uniform(-layer.width_factor, layer.width_factor)
    return _about_centre(np.diag([x, y, 1]), size)


# In the order of application.
LAYERS = {
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
