"""Resize images to squares."""

import numpy as np
from PIL import Image, ImageOps

from pawprint.core.params import Resize


def resize(image: Image.Image, size: int, how: Resize) -> np.ndarray:
    """uint8 `(size, size, 3)`, antialiased bilinear.

    "crop" keeps the aspect ratio and crops to the largest central square; "stretch" keeps the full
    image and changes its aspect ratio.
    """
    square = (size, size)
    if how == "crop":
        return np.asarray(ImageOps.fit(image, square, Image.Resampling.BILINEAR))
    return np.asarray(image.resize(square, Image.Resampling.BILINEAR))
