"""Label photos with the served model, or with an exported one.

Prints the label of each photo and its probability, or the most probable labels. A photo unlike
those of training is unknown. A folder stands for the image files below it. A file that gives no
label is listed with the reason, and the exit status is 1.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from pawprint.core import data_paths, model_paths
from pawprint.core.errors import InputError, printable
from pawprint.core.files import replacing
from pawprint.core.recorded import Recorded
from pawprint.engine.mapping import map_items
from pawprint.images.archive import MAX_BYTES
from pawprint.images.decoder import SUFFIXES, decode
from pawprint.images.resizing import resize
from pawprint.images.unusable import UnusableImageError
from pawprint.serving.metadata import read_metadata
from pawprint.serving.predictor import Prediction, Predictor, load_predictor
from pawprint.serving.saliency import occlusion, overlay


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image or folder")
    add_format_and_model(parser)
    top = "labels per image, the most probable ones; default: 1 in a table, all in JSON"
    parser.add_argument("--top", type=int, metavar="K", help=top)
    known = "label every photo with one of the classes"
    parser.add_argument("--no-unknown", action="store_true", help=known)
    saliency = "also write pictures of the regions that matter (saliency) to this folder"
    parser.add_argument("--saliency", type=Path, metavar="FOLDER", help=saliency)


def add_format_and_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="of the output; default: %(default)s"
    )
    default = f"{model_paths.SERVED_MODEL} or, if there is none, {model_paths.EXAMPLE_MODEL}"
    served = f"the served model or an export; default: {default}"
    parser.add_argument("--model", type=Path, metavar="FOLDER", help=served)


def run(arguments: argparse.Namespace) -> int:
    if arguments.top is not None and arguments.top < 1:
        arguments.error(f"argument --top: expected 1 or more. Received: {arguments.top}")
    if arguments.top and arguments.format == "csv":
        arguments.error("argument --top: expected --format table or json with it")
    images = find_images(arguments.paths)
    predictor = load_predictor(arguments.model or default_model())
    if arguments.no_unknown:
        predictor = predictor.without_unknown()
    rows = predict(predictor, images)
    FORMATS[arguments.format](rows, predictor.metadata.labels, arguments.top)
    if arguments.saliency:
        write_saliency(predictor, images, rows, arguments.saliency)
    return int(any(row["error"] for row in rows))


def default_model() -> Path:
    """The served model or, if there is none and dvc.lock is of the same images, the one in Git.

    A line on stderr names that. Raises InputError if it is damaged.
    """
    served, example = model_paths.SERVED_MODEL, model_paths.EXAMPLE_MODEL
    if served.exists() or not example.exists():
        return served
    if Recorded().hash_of("split", data_paths.SPLIT_IMAGES) != read_metadata(example).data_md5:
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
    predictor: Predictor, images: list[Path], rows: list[dict], folder: Path
) -> None:
    """Write a picture of the regions that matter for each row without an error.

    Its name begins with the row's number, counted from 1. Raises InputError if an image is there no
    more, or the folder cannot be written to.
    """
    metadata, digits = predictor.metadata, len(str(len(images)))
    for index, path in enumerate(tqdm(images, desc="saliency", unit="image", disable=None)):
        if rows[index]["error"]:
            continue
        image = read_again(path, rows[index]["path"])
        pixels = resize(image, metadata.image_size, metadata.resize)
        # 50 characters: a longer name could exceed the 255 bytes that file systems allow.
        with replacing(folder / f"{index + 1:0{digits}}_{path.stem[:50]}.png") as partial:
            first = next(iter(rows[index]["probabilities"]))
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


def print_table(rows: list[dict], labels: list[str], top: int | None) -> None:
    number = min(top or 1, len(labels))
    shown = []
    for row in rows:
        pairs = [(label, f"{value:.1%}") for label, value in row["probabilities"].items()]
        if row["label"] not in labels:  # unknown, or an error
            pairs = [(row["label"] or "-", "-"), *[("-", "-")] * (number - 1)]
        shown.append(pairs[:number])
    width = max((len(label) for pairs in shown for label, _ in pairs), default=0)
    for row, pairs in zip(rows, shown):
        cells = [f"{label:<{width}}  {value:>6}" for label, value in pairs]
        error = f"  ({row['error']})" if row["error"] else ""
        print(f"{'  '.join(cells)}  {row['path']}{error}")


def print_csv(rows: list[dict], labels: list[str], top: None) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    names = [f"probability_{label}" for label in labels]
    writer.writerow(["path", "label", *names, "unknown_score", "error"])
    for row in rows:
        probabilities = (row["probabilities"].get(label, "") for label in labels)
        cells = [*probabilities, row["unknown_score"], row["error"]]
        writer.writerow([row["path"], row["label"], *cells])


def print_json(rows: list[dict], labels: list[str], top: int | None) -> None:
    records = []
    for row in rows:
        probabilities = dict(list(row["probabilities"].items())[:top])
        record = row | {"probabilities": probabilities}
        records.append({key: None if value in ("", {}) else value for key, value in record.items()})
    print(json.dumps(records, indent=2))


FORMATS = {"table": print_table, "csv": print_csv, "json": print_json}
