"""Apply an affine map to the pixels of an image.

Pixels outside the image are filled with its reflection.
"""

import cv2
import numpy as np

# Images are processed in parallel (engine/), not the pixels of one image.
cv2.setNumThreads(1)

IDENTITY = np.eye(3)[:2]


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
