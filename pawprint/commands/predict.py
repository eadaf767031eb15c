"""The `predict` command."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from pawprint.commands import add_format, add_model, count, output
from pawprint.commands.rows import FORMATS
from pawprint.serving.predictor import default_model, find_images, load_predictor, predict_each
from pawprint.serving.saliency import saliency_paths, write_saliency


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="label this image, or all images below this folder",
    )
    add_format(parser, FORMATS)
    add_model(parser)
    top = "print the K most probable labels; default: 1 in a table, all in JSON"
    parser.add_argument("--top", type=count, metavar="K", help=top)
    classes_only = "always predict one of the classes, never unknown or unsure"
    parser.add_argument("--no-unknown", action="store_true", help=classes_only)
    saliency = "write saliency maps, which mark the regions that matter, into this new folder"
    parser.add_argument("--saliency", type=Path, metavar="FOLDER", help=saliency)


def run(arguments: argparse.Namespace) -> int:
    """Label photos with the served model, or with an exported one.

    Prints the label of each photo with its probability, or the most probable labels. A photo that
    does not resemble the training images is labelled unknown, and a photo that a person should
    check is labelled unsure. Photos that cannot be labelled are listed with the reason, and the
    exit status is 1. CSV and jsonl write each row as soon as it is ready.

    Examples:
      pawprint predict photos
      pawprint predict photos --format csv --output labels_by_model.csv
    """
    if arguments.top and arguments.format == "csv":
        arguments.error("argument --top: requires --format table, json or jsonl")
    images = find_images(arguments.paths)
    pictures = saliency_paths(images, arguments.saliency) if arguments.saliency else []
    predictor = load_predictor(arguments.model or default_model())
    if arguments.no_unknown:
        predictor = predictor.with_classes_only()
    failed: list[dict] = []
    each = predict_each(predictor, images, has_hashes=arguments.format != "table")
    rows: Iterable[dict] = _collecting_failed(each, failed)
    if pictures:
        rows = list(rows)
    with output(arguments.output) as file:
        FORMATS[arguments.format](rows, predictor.metadata.labels, arguments.top, file)
    if pictures:
        write_saliency(predictor, images, rows, pictures)
    return int(bool(failed))


def _collecting_failed(rows: Iterable[dict], failed: list[dict]) -> Iterator[dict]:
    """Yield the rows, and append those with an error to `failed`."""
    for row in rows:
        if row["error"]:
            failed.append(row)
        yield row
