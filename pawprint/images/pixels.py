"""Squares of pixels: resize an image, apply an affine map, augment an image at prediction."""

import cv2
import numpy as np
from PIL import Image, ImageOps

# About the mean value of ImageNet's pixels, so that every backbone's preprocessing takes the border
# to nearly 0: 0.485, 0.456 and 0.406 of 255 have the mean 114. Ultralytics pads with the same grey.
GREY = (114, 114, 114)
BILINEAR = Image.Resampling.BILINEAR


def resize(image: Image.Image, size: int, how: str) -> np.ndarray:
    """uint8 `(size, size, 3)`, antialiased bilinear.

    "crop" keeps the aspect ratio and crops to the largest central square; "pad" keeps the aspect
    ratio and the full image, between two borders of GREY; "stretch" keeps the full image and
    changes its aspect ratio.
    """
    square = (size, size)
    if how == "crop":
        return np.asarray(ImageOps.fit(image, square, BILINEAR))
    if how == "stretch":
        return np.asarray(image.resize(square, BILINEAR))
    # ImageOps.pad rounds the shorter side of a narrow image to 0.
    inner = [max(1, round(size * side / max(image.size))) for side in image.size]
    padded = Image.new("RGB", square, GREY)
    corner = [(size - side) // 2 for side in inner]
    padded.paste(image.resize(inner, BILINEAR), corner)
    return np.asarray(padded)


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


def squares_of(image: Image.Image, size: int, how: str, augmentation: str) -> np.ndarray:
    """uint8 `(squares, size, size, 3)`: an image after test-time augmentation.

    "none" is the image as `resize` makes it; "flip" adds its mirror image; "crops" are the squares
    at the start, the middle and the end of the longer side, whatever `how` says, and their mirror
    images.
    """
    if augmentation == "crops":
        places = [(place, place) for place in (0, 0.5, 1)]
        fitted = [ImageOps.fit(image, (size, size), BILINEAR, centering=each) for each in places]
        squares = np.stack([np.asarray(each) for each in fitted])
    else:
        squares = resize(image, size, how)[None]
    return squares if augmentation == "none" else np.concatenate([squares, squares[:, :, ::-1]])
