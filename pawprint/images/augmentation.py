"""Augmented views: all random layers combined into one affine warp of the image.

Names, arguments, units, distributions and order are those of the Keras layers. Pixels outside the
image are filled with its reflection, once, after all layers.
"""

import cv2
import numpy as np

from pawprint.core.params import (
    Augment,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)

# Images are processed in parallel (images/threads.py), not the pixels of one image.
cv2.setNumThreads(1)

IDENTITY = np.eye(3)[:2]


def draw_views(params: Augment, images: int, size: int) -> np.ndarray:
    """float64 `(views, images, 2, 3)`: the transformations of every view."""
    return np.stack(
        [draw_transformations(params, view, images, size) for view in range(params.views)]
    )


def draw_transformations(params: Augment, view: int, images: int, size: int) -> np.ndarray:
    """float64 `(images, 2, 3)`: for each image the map from pixels of the view to the image.

    They depend only on `augment`, the view and the position of the image. Each layer has its own
    random numbers. With `keep_original`, view 0 is the identity.
    """
    maps = np.tile(np.eye(3), (images, 1, 1))
    if view > 0 or not params.keep_original:
        for index, (name, draw) in enumerate(LAYERS.items()):
            arguments = getattr(params, name)
            if arguments is not None:
                random = np.random.default_rng([params.seed, view, index])
                maps = maps @ draw(arguments, random, images, size)
    return maps[:, :2]


def warp(pixels: np.ndarray, transformation: np.ndarray) -> np.ndarray:
    """The view of an image, uint8 `(size, size, 3)` in and out, for a float64 `(2, 3)` map."""
    if (transformation == IDENTITY).all():
        return pixels
    return cv2.warpAffine(
        pixels,
        transformation,
        pixels.shape[1::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )


def _flip(layer: RandomFlip, random: np.random.Generator, images: int, size: int) -> np.ndarray:
    mirrored = random.random((images, 2)) < 0.5
    linear = _identities(images)
    for axis, name in enumerate(("horizontal", "vertical")):
        if name in layer.mode:
            linear[mirrored[:, axis], axis, axis] = -1
    return _about_centre(linear, size)


def _rotation(
    layer: RandomRotation, random: np.random.Generator, images: int, size: int
) -> np.ndarray:
    angle = _uniform(random, layer.factor, images) * 2 * np.pi
    linear = _identities(images)
    linear[:, 0, 0] = linear[:, 1, 1] = np.cos(angle)
    linear[:, 0, 1] = -np.sin(angle)
    linear[:, 1, 0] = np.sin(angle)
    return _about_centre(linear, size)


def _translation(
    layer: RandomTranslation, random: np.random.Generator, images: int, size: int
) -> np.ndarray:
    linear = _identities(images)
    linear[:, 0, 2] = -size * _uniform(random, layer.width_factor, images)
    linear[:, 1, 2] = -size * _uniform(random, layer.height_factor, images)
    return linear


def _shear(layer: RandomShear, random: np.random.Generator, images: int, size: int) -> np.ndarray:
    """As in Keras, about the corner of the image, not its centre."""
    linear = _identities(images)
    linear[:, 0, 1] = _uniform(random, layer.x_factor, images)
    linear[:, 1, 0] = _uniform(random, layer.y_factor, images)
    return linear


def _zoom(layer: RandomZoom, random: np.random.Generator, images: int, size: int) -> np.ndarray:
    linear = _identities(images)
    linear[:, 1, 1] += _uniform(random, layer.height_factor, images)
    if layer.width_factor is None:
        linear[:, 0, 0] = linear[:, 1, 1]
    else:
        linear[:, 0, 0] += _uniform(random, layer.width_factor, images)
    return _about_centre(linear, size)


# In the order of application.
LAYERS = {
    "RandomFlip": _flip,
    "RandomRotation": _rotation,
    "RandomTranslation": _translation,
    "RandomShear": _shear,
    "RandomZoom": _zoom,
}


def _uniform(random: np.random.Generator, factor: float, images: int) -> np.ndarray:
    return random.uniform(-factor, factor, images)


def _identities(images: int) -> np.ndarray:
    return np.tile(np.eye(3), (images, 1, 1))


def _about_centre(linear: np.ndarray, size: int) -> np.ndarray:
    centre = np.eye(3)
    centre[:2, 2] = (size - 1) / 2
    return centre @ linear @ np.linalg.inv(centre)
