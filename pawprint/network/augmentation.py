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
ERASED = (0.02, 0.33)  # fraction of the image that RandomErasing covers, as in Keras


def draw_view(params: data.Augment, pixels_sha256: str, number: int, size: int) -> View:
    """Draw the parameters of one view of an image.

    They depend only on `augment`, the number of the view and the content of the image, so they stay
    the same when other images are added, removed or moved. Each layer is drawn independently of the
    other layers. With `keep_original`, view 0 is the original image.
    """
    if number == 0 and params.keep_original:
        return IDENTITY
    matrix = np.eye(3)
    colours = {}
    for index, (name, draw) in enumerate(LAYERS.items()):
        layer = getattr(params, name)
        if layer is not None:
            entropy = [params.seed, number, index, int(pixels_sha256, 16)]
            value = draw(layer, np.random.default_rng(entropy), size)
            if name in MAPS:
                matrix = matrix @ value
            else:
                colours[name.removeprefix("Random").lower()] = value
    return View(np.round(matrix[:2] * STEPS) / STEPS, **colours)


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


def _brightness(layer: data.Factor, random: Generator, size: int) -> float:
    """Draw a brightness in steps of 1/256, so that sums over pixels are exact in any order."""
    return np.rint(random.uniform(-layer.factor, layer.factor) * 255 * 256) / 256


def _contrast(layer: data.Factor, random: Generator, size: int) -> float:
    """Draw a factor as documented for one limit; Keras itself only does so for two equal ones."""
    return 1 + random.uniform(-layer.factor, layer.factor)


def _saturation(layer: data.Saturation, random: Generator, size: int) -> float:
    low, high = sorted(layer.factor)
    factor = random.uniform(low, high)
    return factor / (1 - factor + 1e-7)


def _hue(layer: data.Factor, random: Generator, size: int) -> float:
    return random.uniform(-layer.factor, layer.factor) / 2


def _grayscale(layer: data.Grayscale, random: Generator, size: int) -> float:
    return float(random.random() < layer.factor)


def _erasing(layer: data.Erasing, random: Generator, size: int) -> np.ndarray:
    """Draw the first column and row of a box, its last column and row, and a seed for its noise."""
    if random.random() >= random.uniform(0, layer.factor):
        return np.zeros(5)
    sides = size * np.sqrt(random.uniform(*ERASED, 2))
    start = random.random(2) * (size - sides)
    return np.ceil([*start, *start + sides, random.integers(1, 2**53)])


MAPS: dict[str, Callable] = {
    "RandomFlip": _flip,
    "RandomRotation": _rotation,
    "RandomTranslation": _translation,
    "RandomShear": _shear,
    "RandomZoom": _zoom,
}
# Layers are applied in this order.
LAYERS: dict[str, Callable] = MAPS | {
    "RandomBrightness": _brightness,
    "RandomContrast": _contrast,
    "RandomSaturation": _saturation,
    "RandomHue": _hue,
    "RandomGrayscale": _grayscale,
    "RandomErasing": _erasing,
}


def _about_centre(linear: np.ndarray, size: int) -> np.ndarray:
    centre = np.eye(3)
    centre[:2, 2] = (size - 1) / 2
    return centre @ linear @ np.linalg.inv(centre)
