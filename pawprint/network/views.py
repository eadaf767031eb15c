"""Prepare images for networks: resize them to squares, mirror them, and apply augmentation."""

import cv2
import numpy as np
from PIL import Image, ImageOps

# Close to the mean of ImageNet's pixels (0.485, 0.456 and 0.406 of 255 average to 114), so that
# every backbone's preprocessing maps the border to about 0. Ultralytics pads with the same grey.
GREY = (114, 114, 114)
BILINEAR = Image.Resampling.BILINEAR


def resize(image: Image.Image, size: int, method: str) -> np.ndarray:
    """Resize an image to uint8 `(size, size, 3)` with antialiased bilinear interpolation.

    "crop" keeps the aspect ratio and uses the largest central square. "pad" keeps the aspect ratio
    and the full image and adds a GREY border on two sides. "stretch" keeps the full image and
    changes its aspect ratio.
    """
    square = (size, size)
    if method == "crop":
        return np.asarray(ImageOps.fit(image, square, BILINEAR))
    if method == "stretch":
        return np.asarray(image.resize(square, BILINEAR))
    # ImageOps.pad would round the shorter side of a very narrow image to 0.
    width, height = (max(1, round(size * side / max(image.size))) for side in image.size)
    padded = Image.new("RGB", square, GREY)
    corner = ((size - width) // 2, (size - height) // 2)
    padded.paste(image.resize((width, height), BILINEAR), corner)
    return np.asarray(padded)


# base/threads.py processes several images in parallel, so one image needs only one thread.
cv2.setNumThreads(1)


# A float64 `(2, 3)` affine transform, which maps pixels of a view to pixels of its image.
View = np.ndarray
IDENTITY: View = np.eye(3)[:2]


def mirrored(size: int) -> View:
    """Return the view that mirrors a square of `size` by `size` pixels left to right."""
    return np.array([[-1.0, 0.0, size - 1.0], [0.0, 1.0, 0.0]])


def apply(pixels: np.ndarray, view: View) -> np.ndarray:
    """Apply a view to an image, uint8 `(size, size, 3)` in and out."""
    if (view == IDENTITY).all():
        return pixels
    return cv2.warpAffine(
        pixels,
        view,
        pixels.shape[1::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
