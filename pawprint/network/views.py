"""Prepare images for networks: resize them to squares, mirror them, and apply augmentation."""

from typing import NamedTuple

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


class View(NamedTuple):
    """How a view differs from its image, in order of application. The defaults change nothing."""

    transformation: np.ndarray = np.eye(3)[:2]  # maps pixels of the view to pixels of the image
    brightness: float = 0.0  # added
    contrast: float = 1.0  # factor for the difference from the mean
    saturation: float = 1.0  # a factor
    hue: float = 0.0  # added, in full turns
    grayscale: float = 0.0  # or 1
    erasing: np.ndarray = np.zeros(5)  # left, top, right and bottom, then the noise seed


IDENTITY = View()


def mirrored(size: int) -> View:
    """Return the view that mirrors a square of `size` by `size` pixels left to right."""
    return View(np.array([[-1.0, 0.0, size - 1.0], [0.0, 1.0, 0.0]]))


def apply(pixels: np.ndarray, view: View) -> np.ndarray:
    """Apply a view to an image, uint8 `(size, size, 3)` in and out."""
    pixels = warp(pixels, view.transformation)
    if view[1:6] != IDENTITY[1:6]:
        pixels = _with_colours(pixels, view)
    left, top, right, bottom, seed = map(int, view.erasing)
    if left < right and top < bottom:
        noise = np.random.default_rng(seed).standard_normal((bottom - top, right - left, 3))
        pixels = pixels.copy()
        pixels[top:bottom, left:right] = np.rint((255 * noise).clip(0, 255))
    return pixels


def _with_colours(pixels: np.ndarray, view: View) -> np.ndarray:
    """Change colours like Keras, element by element, with equal bytes on all computers."""
    brightness, contrast, saturation, hue, grayscale = map(float, view[1:6])
    channels = np.moveaxis(pixels, -1, 0).astype(np.float32, order="C")
    channels += brightness
    channels.clip(0, 255, out=channels)
    if contrast != 1:
        means = channels.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        channels -= means
        channels *= contrast
        channels += means
        channels.clip(0, 255, out=channels)
    if saturation != 1:
        value = channels.max(axis=0)
        channels = value - (value - channels) * saturation
    if hue:
        _turn_hue(channels, hue)
        channels.clip(0, 255, out=channels)
    if grayscale:
        red, green, blue = channels
        channels[:] = 0.2989 * red + 0.5870 * green + 0.1140 * blue
    channels = np.rint(channels.clip(0, 255, out=channels), out=channels)
    return np.ascontiguousarray(np.moveaxis(channels.astype(np.uint8), 0, -1))


def _turn_hue(channels: np.ndarray, turns: float) -> None:
    red, green, blue = channels
    value = channels.max(axis=0)
    chroma = value - channels.min(axis=0)
    divisor = np.where(chroma == 0, 1, chroma)
    rest = np.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor)
    sixths = np.where(value == red, (green - blue) / divisor, rest) + 6 * turns
    for channel, offset in zip(channels, (5, 3, 1)):
        place = sixths + offset
        place -= 6 * np.floor(place / 6)
        channel[:] = value - chroma * np.minimum(place, 4 - place).clip(0, 1)


def warp(pixels: np.ndarray, transformation: np.ndarray) -> np.ndarray:
    """Warp uint8 `(size, size, 3)` pixels with a float64 `(2, 3)` affine transform."""
    if (transformation == IDENTITY.transformation).all():
        return pixels
    return cv2.warpAffine(
        pixels,
        transformation,
        pixels.shape[1::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
