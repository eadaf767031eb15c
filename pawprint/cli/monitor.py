"""Test whether photos without labels are like the test photos of the last run.

SOURCE is a folder of photos, or a table that `pawprint predict --format csv` wrote. Prints the
fraction called unknown, the unknown scores, the predicted classes and the mean confidence, with
intervals, beside those of the test split, and a verdict: like the test photos, other proportions of
the classes, or other images. No alarm does not mean that the model is right: score labelled photos
from time to time. A file that cannot be used is listed on stderr, and the exit status is 1.
"""

import argparse
import json
import sys
from pathlib import Path

from pawprint.cli import aligned
from pawprint.cli.predict import add_model
from pawprint.errors import InputError, printable
from pawprint.evaluation.monitoring import (
    LIKE,
    Monitored,
    monitor,
    read_photos,
    reference,
    tabulate_photos,
)
from pawprint.evaluation.scoring import confidence_of_intervals
from pawprint.serving.metadata import read_metadata
from pawprint.serving.predictor import default_model, find_images, load_predictor, predict

FAILED = 3  # exit status of --fail


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = "folder of photos, or table of predictions"
    parser.add_argument("source", type=Path, metavar="SOURCE", help=source)
    fail = f"exit with status {FAILED} unless the photos are like the test photos"
    parser.add_argument("--fail", action="store_true", help=fail)
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="of the output; default: %(default)s"
    )
    add_model(parser)


def run(arguments: argparse.Namespace) -> int:
    source, folder, failed = arguments.source, arguments.model or default_model(), []
    metadata = read_metadata(folder)
    test = reference(metadata, folder)
    if source.is_dir():
        rows = predict(load_predictor(folder), find_images([source]))
        failed = [row for row in rows if row["error"]]
        photos = tabulate_photos(rows, metadata.labels)
    else:
        photos = read_photos(source, metadata)
    for row in failed:
        print(f"monitor: {row['path']}: {row['error']}", file=sys.stderr)
    if photos.empty:
        raise InputError(f"{printable(str(source))}: expected photos with a label. Received: none.")
    monitored = monitor(metadata, photos, test, confidence_of_intervals())
    FORMATS[arguments.format](monitored, len(photos), len(test))
    if arguments.fail and monitored.verdict != LIKE:
        return FAILED
    return int(bool(failed))


TITLES = {
    "unknown": "called unknown",
    "unknown_score": "higher unknown score than a test photo",
    "classes": "predicted",
    "confidence": "mean confidence",
}


def print_table(monitored: Monitored, photos: int, test: int) -> None:
    lines = [("", f"{photos:,} photos", f"{test:,} test photos", "p", "different")]
    for row in monitored.scores.itertuples():
        of_both = (row.value, row.low, row.high), (row.test, row.test_low, row.test_high)
        title = f"{TITLES[row.score]} {row.label}"
        cells = (_in_percent(*each) for each in of_both)
        lines.append((title, *cells, f"{row.p_value:.4f}", row.different))
    print(f"{aligned(lines)}\n\n{monitored.verdict}")


def _in_percent(value: float, low: float, high: float) -> str:
    return f"{value:.2%}" if low != low else f"{value:.2%}, {low:.2%} to {high:.2%}"


def print_json(monitored: Monitored, photos: int, test: int) -> None:
    scores = monitored.scores.astype(object).where(monitored.scores.notna(), None)
    found = {"verdict": monitored.verdict, "images": photos, "test_images": test}
    print(json.dumps(found | {"scores": scores.to_dict("records")}, indent=2))


FORMATS = {"table": print_table, "json": print_json}
