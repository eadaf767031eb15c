"""The `predict` command."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from pawprint.base.columns import CROPS
from pawprint.base.errors import InputError
from pawprint.commands import add_format, add_model, add_threshold, count, open_output
from pawprint.commands.output import FORMATS, print_megadetector
from pawprint.given.boxes import read_boxes, rules_of
from pawprint.model.predictor import (
    WITHOUT_RULE,
    Predictor,
    default_model,
    find_images,
    load_predictor,
    predict_boxes,
    predict_each,
)
from pawprint.model.saliency import saliency_paths, write_saliency

MEGADETECTOR = "megadetector"  # the format of --boxes, with labels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="label this image, or all images below this folder",
    )
    add_format(parser, [*FORMATS, MEGADETECTOR])
    add_model(parser)
    top = "print the K most probable labels; default: the answer in a table, all in JSON"
    parser.add_argument("--top", type=count, metavar="K", help=top)
    saliency = "write saliency maps, which mark the regions that matter, into this new folder"
    parser.add_argument("--saliency", type=Path, metavar="FOLDER", help=saliency)
    boxes = "label the boxes in this JSON, of photos in one folder, PATH"
    parser.add_argument("--boxes", type=Path, metavar="JSON", help=boxes)
    add_threshold(parser)


def run(arguments: argparse.Namespace) -> int:
    """Label photos with the served model, or with an exported one.

    Prints the label of each photo with its probability, or the most probable labels. Photos that
    show several labels get all of them, joined by | in CSV and JSON. A photo that does not resemble
    the training images is labelled unknown, and a photo that a person should check is labelled
    unsure. Photos that cannot be labelled are listed with the reason, and the exit status is 1. CSV
    and jsonl write each row as soon as it is ready.

    Examples:
      pawprint predict photos
      pawprint predict photos --format csv --output labels_by_model.csv
      pawprint predict photos --boxes md.json --format megadetector --output labelled.json
    """
    check_options(arguments)
    predictor = load_predictor(arguments.model or default_model())
    content: dict = {}
    pictures: list[Path] = []
    rule = predictor.metadata.crop_rule
    if arguments.boxes:
        content, each = _label_boxes(arguments, predictor)
        if not rule:
            print("the model was trained on whole photos, not on crops", file=sys.stderr)
    else:
        images = find_images(arguments.paths)
        pictures = saliency_paths(images, arguments.saliency) if arguments.saliency else []
        each = predict_each(predictor, images, has_hashes=arguments.format != "table")
        if rule and rules_of(arguments.paths) != {rule}:
            print(f"the model was trained on crops ({rule}); see --boxes", file=sys.stderr)
    failed: list[dict] = []
    rows: Iterable[dict] = _collecting_failed(each, failed)
    if pictures:
        rows = list(rows)
    with open_output(arguments.output, arguments.format) as file:
        formats = FORMATS | {MEGADETECTOR: partial(print_megadetector, content)}
        formats[arguments.format](rows, predictor.metadata.labels, arguments.top, file)
    if pictures:
        write_saliency(predictor, images, rows, pictures)
    return int(bool(failed))


def check_options(arguments: argparse.Namespace) -> None:
    """Exit with a message if options do not fit together."""
    boxes, form = arguments.boxes, arguments.format
    if arguments.top and form == "csv":
        arguments.error("argument --top: requires --format table, json, jsonl or megadetector")
    if not boxes and (form == MEGADETECTOR or arguments.threshold is not None):
        arguments.error(f"--format {MEGADETECTOR} and --threshold require --boxes")
    if boxes and (arguments.saliency or len(arguments.paths) > 1):
        arguments.error("argument --boxes: expected one folder, and no --saliency")


def _label_boxes(
    arguments: argparse.Namespace, predictor: Predictor
) -> tuple[dict, Iterator[dict]]:
    """Return the content of --boxes and its rows. Lines on stderr say how it was read."""
    folder = arguments.paths[0]
    photos, content, notes = read_boxes(arguments.boxes, folder, arguments.threshold)
    if arguments.format == MEGADETECTOR and "annotations" in content:
        raise InputError(f"{arguments.boxes}: --format {MEGADETECTOR} expects MegaDetector's JSON.")
    for note in (*notes, f"{CROPS}: {predictor.metadata.crop_rule or WITHOUT_RULE}"):
        print(note, file=sys.stderr)
    return content, predict_boxes(predictor, folder, photos)


def _collecting_failed(rows: Iterable[dict], failed: list[dict]) -> Iterator[dict]:
    """Yield the rows, and append those with an error to `failed`."""
    for row in rows:
        if row["error"]:
            failed.append(row)
        yield row
