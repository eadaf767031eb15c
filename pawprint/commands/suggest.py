"""The `suggest` command, which ranks unlabelled images by how much a label would help."""

import argparse
from pathlib import Path

from pawprint.commands import add_format, add_model, add_sheet, count, output, require_existing
from pawprint.commands.rows import FORMATS
from pawprint.model.predictor import default_model, load_predictor
from pawprint.projects.suggestion import read_labelled, suggest
from pawprint.reports.pages import write_suggestions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    source = parser.add_mutually_exclusive_group(required=True)
    folder = "rank the images in this folder and its subfolders"
    source.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help=folder)
    table = "rank the images in the output of `pawprint predict --format csv` or jsonl"
    source.add_argument("--from", dest="table", type=Path, metavar="TABLE", help=table)
    number = "print this many images; default: %(default)s"
    parser.add_argument("-n", "--number", type=count, default=50, metavar="N", help=number)
    add_sheet(parser, "write a new page with the photos")
    add_format(parser, FORMATS)
    add_model(parser)


def run(arguments: argparse.Namespace) -> int:
    """Rank unlabelled images by how much a label would help.

    Images labelled unsure come first, followed by images that the model is uncertain about and
    that differ both from the training images and from earlier images in the list. Near-duplicates
    of labelled images and of earlier images are left out. Images flagged as unknown are also left
    out, unless they come from a table; then they can make up half of the suggestions. Files that
    cannot be labelled come last, with the reason, and the exit status is 1. If you press Ctrl-C,
    the images read so far are ranked.

    To use the newly labelled images for training only, run `pawprint keep-splits` before you add
    them, and `pawprint keep-splits --train` after `dvc repro split`.

    Examples:
      pawprint suggest ../photos/new -n 20 --sheet ../suggested.html
      pawprint suggest --from ../may.csv
    """
    source = arguments.folder or arguments.table
    require_existing(source)
    predictor = load_predictor(arguments.model or default_model())
    labelled = read_labelled(Path())
    with output(arguments) as taken:
        suggestions = suggest(predictor, source, labelled, arguments.number, taken.take)
        rows = [row for _, row in suggestions]
        FORMATS[arguments.format](rows, predictor.metadata.labels, None)
    if arguments.sheet:
        write_suggestions(arguments.sheet, predictor.metadata.bits, suggestions)
    return int(any(row["error"] for row in rows))
