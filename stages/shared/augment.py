"""Augmented views: every random transformation of an image as one affine warp.

Ranges and units are those of the Keras layers RandomFlip and RandomRotation; what is drawn
outside the image is its reflection, Keras' default `fill_mode`.
"""

import cv2
import numpy as np

from stages.shared.params import Augment

# Threads are per image (see images.map_batches), not within one small image.
cv2.setNumThreads(1)


def draw_transformations(params: Augment, view: int, images: int, size: int) -> np.ndarray:
    """float64 `(images, 2, 3)`: for each image of a view the map from its pixels to the warped.

    View 0 is the identity. The others depend only on `augment.seed`, the view and the position
    of the image, never on batches or threads.
    """
    transformations = np.tile(np.eye(3), (images, 1, 1))
    if view > 0:
        random = np.random.default_rng([params.seed, view])
        mirrored = random.random((images, 2)) < 0.5
        angle = random.uniform(-params.rotation, params.rotation, images) * 2 * np.pi
        transformations[:, 0, 0] = transformations[:, 1, 1] = np.cos(angle)
        transformations[:, 0, 1] = -np.sin(angle)
        transformations[:, 1, 0] = np.sin(angle)
        for axis, name in enumerate(("horizontal", "vertical")):
            if name in params.flip:
                transformations[mirrored[:, axis], :, axis] *= -1
    centre = np.eye(3)
    centre[:2, 2] = (size - 1) / 2
    return (centre @ transformations @ np.linalg.inv(centre))[:, :2]


def warp(pixels: np.ndarray, transformation: np.ndarray) -> np.ndarray:
    """Warp one image, uint8 `(size, size, 3)` in and out, by a float64 `(2, 3)` map."""
    size = pixels.shape[1::-1]
    return cv2.warpAffine(pixels, transformation, size, borderMode=cv2.BORDER_REFLECT)
