"""The `score` command."""

import argparse
import json
import sys
from pathlib import Path

from pawprint.commands import add_format, add_model, align, output
from pawprint.commands.scoring import Scored, score
from pawprint.report.pages import describe_score
from pawprint.serving.predictor import default_model, load_predictor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="score these labelled photos")
    add_format(parser, ("table", "json"))
    add_model(parser)


def run(arguments: argparse.Namespace) -> int:
    """Score the served model on labelled photos, such as photos from production.

    The photos are in folders named after the classes, or listed in a metadata.csv. The scores and
    their intervals are computed like those of a run, which are in plots/scores.csv. The training
    images of the project in the current folder and their near-duplicates are left out, and copies
    count once; stderr has the numbers.

    Files that cannot be used are listed on stderr, and the exit status is 1.

    Examples:
      pawprint score ../may_labelled
      pawprint score ../may_labelled --model ../new/models/served --format json
    """
    predictor = load_predictor(arguments.model or default_model())
    scored = score(Path(), predictor, arguments.folder)
    for row in scored.failed:
        print(f"score: {row['path']}: {row['error']}", file=sys.stderr)
    for reason, photos in scored.left_out.items():
        if photos:
            print(f"score: photos left out: {photos:,} {reason}", file=sys.stderr)
    if not scored.has_training:
        print("score: training images are included, because none are here", file=sys.stderr)
    with output(arguments.output) as file:
        print(_json(scored) if arguments.format == "json" else _table(scored), file=file)
    return int(bool(scored.failed))


def _table(scored: Scored) -> str:
    scores = scored.scores
    titles = scores["score"].str.replace("_", " ") + " " + scores["label"]
    return align(zip(titles, scores.apply(describe_score, axis=1)))


def _json(scored: Scored) -> str:
    scores = scored.scores.astype(object)
    errors = [{"path": row["path"], "error": row["error"]} for row in scored.failed]
    record = {"scores": scores.where(scores.notna(), None).to_dict("records"), "errors": errors}
    return json.dumps(record | {"left_out": scored.left_out}, indent=2)
