"""The command `compare`: the predictions of two runs, image by image."""

import argparse
from pathlib import Path

from pawprint.pipeline.dvc import WORKSPACE
from pawprint.projects.check import require_reproduced
from pawprint.projects.comparison import read_run
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.paired import MARGIN
from pawprint.scores.runs import COMPARED, compare_runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    others = "runs to compare with the first; default: the workspace"
    parser.add_argument("new", metavar="REV", nargs="*", default=[WORKSPACE], help=others)
    gate = (
        "exit status 1 if a run is worse than the first, the two cannot be compared, or fewer than "
        f"{COMPARED:.0%} of the first run's test images are compared"
    ).replace("%", "%%")
    parser.add_argument("--gate", action="store_true", help=gate)
    parser.epilog = (
        "If photos or labels of two runs differ, better or worse also takes a difference of "
        f"{MARGIN:.0%} of the log loss."
    )


def run(arguments: argparse.Namespace) -> int:
    """Say whether a run is better than another, by one test of all images that both have.

    A run is a commit, branch, tag or experiment. Each run after the first is compared with the
    first; without another one, the workspace, whose results its params and code must have made.
    The test is of the log loss of test and validation images and, without fine-tuning, of training
    images in folds, which a commit's data is needed for. Images that a run lacks, or has with
    another label, are left out, and counted with the reason. An image is known by its pixels, not
    by its path.

    What changed for a user of the model follows: thresholds, images that are decided, and images
    that are called unknown.

    Examples:
      pawprint compare HEAD
      pawprint compare --gate main
    """
    folder = Path()
    old = arguments.old
    new = arguments.new
    if WORKSPACE in (old, *new):
        require_reproduced(folder, "evaluate")
    runs = {rev: read_run(folder, rev) for rev in (old, *new)}
    results = compare_runs(runs[old], [runs[rev] for rev in new], CONFIDENCE)
    for compared in results:
        print(compared.text)
        if arguments.gate:
            print(compared.gate)
    return int(arguments.gate and not all(compared.passes for compared in results))
