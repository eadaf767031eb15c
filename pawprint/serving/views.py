"""The views of an image whose predictions are averaged."""

import numpy as np
from PIL import Image, ImageOps

from pawprint.core.params.types import Resize, Views
from pawprint.images.resizing import resize


def views_of(image: Image.Image, size: int, how: Resize, views: Views) -> np.ndarray:
    """uint8 `(views, size, size, 3)`.

    "one" is the image as `resize` makes it; "flip" adds its mirror image; "crops" are the squares
    at the start, the middle and the end of the longer side, whatever `how` says, and their mirror
    images.
    """
    if views == "crops":
        squares = np.stack([np.asarray(_crop(image, size, place)) for place in (0, 0.5, 1)])
    else:
        squares = resize(image, size, how)[None]
    return squares if views == "one" else np.concatenate([squares, squares[:, :, ::-1]])


def _crop(image: Image.Image, size: int, place: float) -> Image.Image:
    bilinear = Image.Resampling.BILINEAR
    return ImageOps.fit(image, (size, size), bilinear, centering=(place, place))
