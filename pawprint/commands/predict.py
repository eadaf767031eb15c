"""The `predict` command."""

import argparse
import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from pawprint.base.classes import UNSURE
from pawprint.commands import add_format, add_model, align, count, output
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


def print_table(rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO) -> None:
    """Print the `top` labels of each image, by default one, when all images are done."""
    number = min(top or 1, len(labels))
    lines = []
    for row in rows:
        pairs = [(label, f"{value:6.1%}") for label, value in row["probabilities"].items()]
        if row["label"] == UNSURE:
            pairs[0] = (f"{UNSURE} ({pairs[0][0]})", pairs[0][1])
        elif row["label"] not in labels:  # unknown, or an error
            pairs = [(row["label"] or "-", "     -"), *[("-", "     -")] * (number - 1)]
        error = f"  ({row['error']})" if row["error"] else ""
        lines.append([*itertools.chain(*pairs[:number]), f"{row['path']}{error}"])
    print(align(lines), file=file)


def print_csv(rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO) -> None:
    """Print a CSV row for each image as soon as it is done."""
    names = [f"probability_{label}" for label in labels]
    columns = ["path", "label", *names, "unknown_score", "error", "pixels_sha256", "model"]
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        probabilities = (row["probabilities"].get(label) for label in labels)
        writer.writerow(row | dict(zip(names, probabilities)))


def print_json(rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO) -> None:
    """Print a JSON list with an entry for each image when all images are done."""
    print(json.dumps([*_records_of(rows, top)], indent=2), file=file)


def print_jsonl(rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO) -> None:
    """Print a line of JSON for each image as soon as it is done."""
    for record in _records_of(rows, top):
        print(json.dumps(record), file=file)


def _records_of(rows: Iterable[dict], top: int | None) -> Iterator[dict]:
    """Yield the rows with the `top` most probable labels, and null for empty cells."""
    for row in rows:
        probabilities = dict(list(row["probabilities"].items())[:top])
        record = row | {"probabilities": probabilities}
        yield {key: None if value in ("", {}) else value for key, value in record.items()}


FORMATS: dict[str, Callable[[Iterable[dict], list[str], int | None, TextIO], None]] = {
    "table": print_table,
    "csv": print_csv,
    "json": print_json,
    "jsonl": print_jsonl,
}
