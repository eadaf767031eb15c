"""Show which regions of an image matter for its predicted class.

Regions are covered one after another, which takes 82 passes of the network.
"""

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pawprint.base.errors import InputError, printable
from pawprint.base.files import replacing
from pawprint.base.threads import map_in_threads, track
from pawprint.model.predictor import Predictor
from pawprint.network.views import resize

# The smallest distance of a probability from 0 and 1. float32 would round smaller distances away.
MIN_PROBABILITY = 2**-25
STEPS = 10  # window positions per side; a window is two steps wide and high
OPACITY = 0.5  # of the heat map over the image
SIZE = 600  # side of the resulting image, in pixels


def saliency_paths(images: list[Path], folder: Path) -> list[Path]:
    """Return each saliency map's path in `folder`.

    Raises InputError if the folder is not empty. File names begin with the image's number, counted
    from 1.
    """
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{printable(str(folder))}: expected a new or an empty folder for --saliency."
        )
    digits = len(str(len(images)))
    # Keep 50 characters, because file systems limit names to 255 bytes.
    return [
        folder / f"{at:0{digits}}_{path.stem[:50]}.png" for at, path in enumerate(images, start=1)
    ]


def write_saliency(
    predictor: Predictor, images: list[Path], rows: Iterable[dict], pictures: list[Path]
) -> None:
    """Write a picture that shows the important regions for each row that has no error.

    Raises InputError if an image no longer exists, or if a result cannot be written.
    """
    items = [item for item in zip(images, rows, pictures) if not item[1]["error"]]
    for path, row, picture in track(items, "saliency"):
        image = predictor.open(path)
        with replacing(picture) as new:
            first = next(iter(row["probabilities"]))
            Image.fromarray(saliency_of(predictor, image, first)).save(new)


def saliency_of(predictor: Predictor, image: Image.Image, name: str) -> np.ndarray:
    """Draw the `occlusion` map of the class with this name over an image.

    Returns uint8 `(SIZE, SIZE, 3)`.
    """
    metadata = predictor.metadata
    pixels = resize(image, metadata.image_size, metadata.resize)
    heat = occlusion(predictor, pixels, metadata.labels.index(name))
    heat = (255 * cv2.resize(heat, (SIZE, SIZE))).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(heat, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(resize(image, SIZE, metadata.resize), 1 - OPACITY, colours, OPACITY, 0)


def occlusion(predictor: Predictor, pixels: np.ndarray, label: int) -> np.ndarray:
    """Return how much the class with this index depends on each region, float32 `(size, size)`.

    `pixels` is uint8 `(size, size, 3)`. A window in the image's mean colour covers one place after
    another. A place's value is the decrease in the class's log-odds, averaged over all windows that
    cover the place, and scaled to [0, 1]. If nothing decreased, all values are zero. See Zeiler and
    Fergus, Visualizing and Understanding Convolutional Networks, 2014
    (https://arxiv.org/abs/1311.2901).
    """
    windows = list(np.ndindex(STEPS - 1, STEPS - 1))
    log_odds = partial(_log_odds, predictor, pixels, label)
    whole, *scores = map_in_threads(log_odds, [None, *windows])
    fall, covers = np.zeros((2, STEPS, STEPS), np.float32)
    for (top, left), value in zip(windows, scores):
        fall[top : top + 2, left : left + 2] += whole - value
        covers[top : top + 2, left : left + 2] += 1
    heat = cv2.resize(fall / covers, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    heat = np.maximum(heat, 0)
    return heat / heat.max() if heat.any() else heat


def _log_odds(
    predictor: Predictor, pixels: np.ndarray, label: int, window: tuple[int, int] | None
) -> float:
    """Return a class's log-odds for the image, with the window covered if one is given."""
    covered = pixels.copy()
    if window:
        edges = np.linspace(0, len(pixels), STEPS + 1).astype(int)
        top, left = window
        colour = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
        covered[edges[top] : edges[top + 2], edges[left] : edges[left + 2]] = colour
    probabilities = predictor.metadata.probabilities(predictor.run(covered)["probability"])
    probability = np.clip(np.float64(probabilities[label]), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return float(np.log(probability / (1 - probability)))
