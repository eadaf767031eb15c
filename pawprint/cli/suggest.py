"""Rank images without a label by how much a label would help.

First come images of which the model is uncertain, and which are unlike the training images and
unlike the images before them in the list. Near-duplicates of labelled images, and of images before
them in the list, are left out. Files that give no label come last, with the reason, and the exit
status is 1.
"""

import argparse
from pathlib import Path

from pawprint.cli import add_sheet
from pawprint.cli.predict import FORMATS, add_format_and_model
from pawprint.evaluation.suggestion import suggest
from pawprint.reports.pages import write_suggestions
from pawprint.serving.predictor import default_model, load_predictor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    folder = "of images, also in subfolders"
    source.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help=folder)
    table = "the images in a table of `pawprint predict --format csv`"
    source.add_argument("--from", dest="table", type=Path, metavar="TABLE", help=table)
    number = "number of images; default: %(default)s"
    parser.add_argument("-n", "--number", type=int, default=50, metavar="N", help=number)
    unknown = "at most so many of them that the model calls unknown: most show no class, and all "
    unknown += "are far from the others, so they would come first; default: 0, with --from half"
    parser.add_argument("--unknown", type=int, metavar="N", help=unknown)
    add_sheet(parser, "also write a page with the photos")
    add_format_and_model(parser)


def run(arguments: argparse.Namespace) -> int:
    for name, value, least in (("-n", arguments.number, 1), ("--unknown", arguments.unknown, 0)):
        if value is not None and value < least:
            arguments.error(f"argument {name}: expected {least} or more. Received: {value}")
    predictor = load_predictor(arguments.model or default_model())
    source = arguments.folder or arguments.table
    found = suggest(predictor, source, arguments.number, arguments.unknown)
    rows = [row for _, row in found]
    FORMATS[arguments.format](rows, predictor.metadata.labels, None)
    if arguments.sheet:
        write_suggestions(arguments.sheet, found)
    return int(any(row["error"] for row in rows))
