"""Resize images to squares."""

import numpy as np
from PIL import Image, ImageOps

# About the mean value of ImageNet's pixels, so that every backbone's preprocessing takes the border
# to nearly 0: 0.485, 0.456 and 0.406 of 255 have the mean 114. Ultralytics pads with the same grey.
GREY = (114, 114, 114)


def resize(image: Image.Image, size: int, how: str) -> np.ndarray:
    """uint8 `(size, size, 3)`, antialiased bilinear.

    "crop" keeps the aspect ratio and crops to the largest central square; "pad" keeps the aspect
    ratio and the full image, between two borders of GREY; "stretch" keeps the full image and
    changes its aspect ratio.
    """
    square = (size, size)
    if how == "crop":
        return np.asarray(ImageOps.fit(image, square, Image.Resampling.BILINEAR))
    if how == "stretch":
        return np.asarray(image.resize(square, Image.Resampling.BILINEAR))
    # ImageOps.pad rounds the shorter side of a narrow image to 0.
    inner = [max(1, round(size * side / max(image.size))) for side in image.size]
    padded = Image.new("RGB", square, GREY)
    corner = [(size - side) // 2 for side in inner]
    padded.paste(image.resize(inner, Image.Resampling.BILINEAR), corner)
    return np.asarray(padded)
