"""Label image files, and show the regions on which a label depends."""

import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from pawprint.engine.mapping import map_items
from pawprint.errors import InputError, printable
from pawprint.images.archive import MAX_BYTES, UnusableImageError
from pawprint.images.decoder import SUFFIXES, decode
from pawprint.serving.predictor import Prediction, Predictor


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
