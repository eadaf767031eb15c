"""Label image files, and show the regions on which a label depends."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from pawprint import project
from pawprint.engine.mapping import map_in_threads, map_items
from pawprint.errors import InputError, printable
from pawprint.files import replacing
from pawprint.images.archive import MAX_BYTES, UnusableImageError
from pawprint.images.decoder import SUFFIXES, decode
from pawprint.images.pixels import resize
from pawprint.probabilities import class_probabilities
from pawprint.recorded import Recorded
from pawprint.serving.predictor import Prediction, Predictor
from pawprint.serving.served_model import read_metadata


def default_model() -> Path:
    """The served model or, if there is none and dvc.lock is of the same images, the one in Git.

    A line on stderr names that. Raises InputError if it is damaged.
    """
    served, example = project.SERVED_MODEL, project.EXAMPLE_MODEL
    if served.exists() or not example.exists():
        return served
    if Recorded().hash_of("split", project.SPLIT_CSV) != read_metadata(example).data_md5:
        return served
    print(f"{served} does not exist: the model is {example}", file=sys.stderr)
    return example


def find_images(given: list[Path]) -> list[Path]:
    """The files given, and for each folder the files below it with an image's suffix, sorted."""
    found = []
    for path in given:
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
            files = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            found += sorted(files) or [path]
        else:
            found.append(path)
    return found


def predict(
    predictor: Predictor,
    images: list[Path],
    more: Callable[[Image.Image, Prediction], dict] | None = None,
) -> list[dict]:
    """The path, label, probabilities, unknown score and error of each image.

    `label` may be UNKNOWN. `probabilities` has those of all classes by label, the predicted one
    first, then the most probable. It is empty, and so is `label`, if there is an error.
    `unknown_score` is None then, and for a model without a detector. `more` returns further cells
    of a row without an error.
    """

    def predict_image(item: tuple[str, Path]) -> dict:
        name, path = item
        row = {"path": name, "label": "", "probabilities": {}}
        row |= {"unknown_score": None, "error": ""}
        try:
            predicted = predictor.predict(image := read_image(path))
        except (InputError, UnusableImageError) as error:  # of what the model gives, of the image
            return row | {"error": printable(str(error))}
        except (OSError, ValueError) as error:  # ValueError for a path that no system can hold
            return row | {"error": str(getattr(error, "strerror", None) or error).lower()}
        first, score = predictor.class_of(predicted.probabilities), predicted.unknown_score
        ordered = sorted(
            zip(predictor.metadata.labels, predicted.probabilities.tolist()),
            key=lambda pair: (pair[0] != first, -pair[1]),
        )
        return row | {
            "label": predicted.label,
            "probabilities": {each: round(value, 4) for each, value in ordered},
            "unknown_score": None if score is None else round(score, 4),
            **(more(image, predicted) if more else {}),
        }

    rows = map_items(predict_image, [(printable(str(path)), path.absolute()) for path in images])
    return list(tqdm(rows, total=len(images), desc="predict", unit="image", disable=None))


def write_saliency(
    predictor: Predictor, images: list[Path], rows: list[dict], pictures: list[Path]
) -> None:
    """Write a picture of the regions that matter for each row without an error.

    Raises InputError if an image is there no more, or a picture cannot be written.
    """
    metadata = predictor.metadata
    items = list(zip(images, rows, pictures))
    for path, row, picture in tqdm(items, desc="saliency", unit="image", disable=None):
        if row["error"]:
            continue
        image = read_again(path, row["path"])
        pixels = resize(image, metadata.image_size, metadata.resize)
        with replacing(picture) as partial:
            first = next(iter(row["probabilities"]))
            heat = occlusion(predictor, pixels, metadata.labels.index(first))
            Image.fromarray(overlay(pixels, heat)).save(partial)


def read_again(path: Path, name: str) -> Image.Image:
    """An image that was read before. Raises InputError with its name."""
    try:
        return read_image(path)
    except (OSError, UnusableImageError) as error:
        raise InputError(f"{name}: expected the image again. Received: {error}") from None


def read_image(path: Path) -> Image.Image:
    """Raises UnusableImageError, OSError, or ValueError for a path that no system can hold."""
    if path.is_dir():
        raise OSError("no image files in this folder")
    if path.exists() and not path.is_file():  # a device or a pipe, which may never end
        raise OSError("not a file")
    with path.open("rb") as file:
        return decode(file.read(MAX_BYTES + 1))


STEPS = 10  # of the window along a side; a window is two steps wide and high


OPACITY = 0.5  # of the heat over the image


SMALLEST = 1e-7  # distance of a probability from 0 and 1: float32 has no smaller one below 1


def occlusion(predictor: Predictor, pixels: np.ndarray, label: int) -> np.ndarray:
    """float32 `(size, size)` in [0, 1]: how much the class of this index depends on each region.

    `pixels` is uint8 `(size, size, 3)`. A window with the mean colour of the image covers one place
    after another. The heat of a place is how much the log-odds of the class fall, averaged over the
    windows that cover it: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks,
    2014 (https://arxiv.org/abs/1311.2901). All zeros means that they fall nowhere.
    """
    edges = np.linspace(0, len(pixels), STEPS + 1).astype(int)
    colour = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    windows = list(np.ndindex(STEPS - 1, STEPS - 1))

    def log_odds(window: tuple[int, int] | None) -> float:
        covered = pixels.copy()
        if window:
            top, left = window
            covered[edges[top] : edges[top + 2], edges[left] : edges[left + 2]] = colour
        (probabilities,) = class_probabilities(predictor.run(covered[None])["probability"])
        probability = np.clip(np.float64(probabilities[label]), SMALLEST, 1 - SMALLEST)
        return float(np.log(probability / (1 - probability)))

    whole, *others = map_in_threads(log_odds, [None, *windows])
    fall, covers = np.zeros((2, STEPS, STEPS), np.float32)
    for (top, left), value in zip(windows, others):
        fall[top : top + 2, left : left + 2] += whole - value
        covers[top : top + 2, left : left + 2] += 1
    heat = cv2.resize(fall / covers, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    heat = np.maximum(heat, 0)
    return heat / heat.max() if heat.any() else heat


def overlay(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """uint8 `(size, size, 3)`: the image with the heat in colours over it, dark to bright."""
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    return cv2.addWeighted(pixels, 1 - OPACITY, np.ascontiguousarray(colours), OPACITY, 0)
