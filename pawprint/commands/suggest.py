"""The command `suggest`: which images without a label to label first."""

import argparse
from pathlib import Path

from pawprint.commands import add_format, add_model, add_sheet, count, output, require_existing
from pawprint.commands.predict import FORMATS
from pawprint.model.predictor import default_model, load_predictor
from pawprint.projects.labelled import read_labelled
from pawprint.projects.suggestion import suggest
from pawprint.reports.pages import write_suggestions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    source = parser.add_mutually_exclusive_group(required=True)
    folder = "folder of images, also in subfolders"
    source.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help=folder)
    table = "table of `pawprint predict --format csv`, whose images are taken"
    source.add_argument("--from", dest="table", type=Path, metavar="TABLE", help=table)
    number = "number of images; default: %(default)s"
    parser.add_argument("-n", "--number", type=count, default=50, metavar="N", help=number)
    add_sheet(parser, "new page with the photos")
    add_format(parser, FORMATS)
    add_model(parser)


def run(arguments: argparse.Namespace) -> int:
    """Rank images without a label by how much a label would help.

    First come images that the model calls unsure, then others of which it is uncertain, and which
    are unlike the training images and unlike the images before them in the list. Near-duplicates of
    labelled images, and of images before them in the list, are left out. Images that the model
    calls unknown are, too; they may be half of the list of a table. Files that give no
    label come last, with the reason, and the exit status is 1. `pawprint keep-splits`, before you
    add images, and `pawprint keep-splits --train`, after `dvc repro split`, make the images that
    you label training images only. Ctrl-C ranks the images that were looked at until then.

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
