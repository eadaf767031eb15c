"""Label photos with the served model, or with an exported one.

Prints the label of each photo and its probability. A folder stands for the image files below it. A
file that gives no label is listed with the reason, and the exit status is 1.
"""

import argparse
import csv
import json
import os
import sys
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from pawprint.core import paths
from pawprint.core.errors import printable
from pawprint.core.files import replacing
from pawprint.images.archive import MAX_BYTES
from pawprint.images.decoder import SUFFIXES, decode
from pawprint.images.resizing import resize
from pawprint.images.threads import map_in_threads
from pawprint.images.unusable import UnusableImageError
from pawprint.serving.predictor import Predictor, load_predictor
from pawprint.serving.trial import require_loadable

COLUMNS = ["path", "label", "probability", "error"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image or folder")
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="of the output; default: %(default)s"
    )
    folder = {"type": Path, "metavar": "FOLDER"}
    served = "the served model or an export; default: %(default)s"
    parser.add_argument("--model", **folder, default=paths.SERVED_MODEL, help=served)
    saliency = f"also write Grad-CAM pictures of {paths.FINETUNE_MODEL} to this folder"
    parser.add_argument("--saliency", **folder, help=saliency)


def run(arguments: argparse.Namespace) -> int:
    images = find_images(arguments.paths)
    if arguments.model != paths.SERVED_MODEL:  # it may come from anyone
        require_loadable(arguments.model)
    predictor = load_predictor(arguments.model)
    rows = predict(predictor, images)
    if arguments.saliency:
        write_saliency(predictor, images, rows, arguments.saliency)
    FORMATS[arguments.format](rows)
    return int(any(row["error"] for row in rows))


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


def predict(predictor: Predictor, images: list[Path]) -> list[dict]:
    """A row of COLUMNS per image; `probability` is that of `label`."""

    def predict_image(path: Path) -> dict:
        row = {"path": printable(str(path)), "label": "", "probability": "", "error": ""}
        try:
            second = predictor.predict(decode(_read(path)))
        except UnusableImageError as unusable:
            return row | {"error": printable(str(unusable))}
        except (OSError, ValueError) as error:  # ValueError for a path that no system can hold
            return row | {"error": str(getattr(error, "strerror", None) or error).lower()}
        label = predictor.label(second)
        probability = second if label == predictor.metadata.labels[1] else 1 - second
        return row | {"label": label, "probability": round(probability, 4)}

    rows = map_in_threads(predict_image, images)
    return list(tqdm(rows, total=len(images), desc="predict", unit="image", disable=None))


def write_saliency(
    predictor: Predictor, images: list[Path], rows: list[dict], folder: Path
) -> None:
    """Write a Grad-CAM picture for each row without an error.

    Its name begins with the row's number, counted from 1. Raises InputError if the model is
    missing or the folder cannot be written to.
    """
    # Gradients need TensorFlow, which takes seconds to start.
    from pawprint.network.model import load_model
    from pawprint.network.saliency import grad_cam, overlay

    model = load_model(paths.FINETUNE_MODEL)
    digits = len(str(len(images)))
    for index, path in enumerate(tqdm(images, desc="saliency", unit="image", disable=None)):
        if rows[index]["error"]:
            continue
        pixels = resize(decode(_read(path)), model.input_shape[1], predictor.metadata.resize)
        # 50 characters: a longer name could exceed the 255 bytes that file systems allow.
        with replacing(folder / f"{index + 1:0{digits}}_{path.stem[:50]}.png") as partial:
            is_second = rows[index]["label"] == predictor.metadata.labels[1]
            Image.fromarray(overlay(pixels, grad_cam(model, pixels, is_second))).save(partial)


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise OSError("no image files in this folder")
    if path.exists() and not path.is_file():  # a device or a pipe, which may never end
        raise OSError("not a file")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def print_table(rows: list[dict]) -> None:
    width = max(len(row["label"]) for row in rows)
    for row in rows:
        error = f"  ({row['error']})" if row["error"] else ""
        probability = "-" if error else f"{row['probability']:.1%}"
        print(f"{row['label'] or '-':<{width}}  {probability:>6}  {row['path']}{error}")


def print_csv(rows: list[dict]) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_json(rows: list[dict]) -> None:
    rows_with_null = [
        {key: None if row[key] == "" else row[key] for key in COLUMNS} for row in rows
    ]
    print(json.dumps(rows_with_null, indent=2))


FORMATS = {"table": print_table, "csv": print_csv, "json": print_json}
