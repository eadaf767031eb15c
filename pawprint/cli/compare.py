"""Compare runs image by image, and test whether their accuracies differ.

A run is a commit, branch, tag or experiment. Each run after the first is compared with the first;
without another one, the workspace, whose results must be those of its params and code. With
several, the levels of the tests are Holm's. An image is known by its pixels, not by its path.
"""

import argparse

from pawprint.evaluation.comparison import compare_revisions, describe
from pawprint.params.results import Evaluate
from pawprint.project import PREDICTIONS_CSV
from pawprint.revisions import WORKSPACE, require_reproduced


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="*", default=[WORKSPACE], help="default: the workspace"
    )
    parser.add_argument(
        "--common", action="store_true", help="compare on the images that all runs have"
    )


def run(arguments: argparse.Namespace) -> None:
    confidence = Evaluate.load().confidence
    old, new = arguments.old, arguments.new
    common = arguments.common
    if WORKSPACE in (old, *new):
        require_reproduced("evaluate")
    compared = {
        split: compare_revisions(old, new, split, confidence, common) for split in PREDICTIONS_CSV
    }
    for split, comparisons in compared.items():
        for rev, comparison in zip(new, comparisons):
            print(describe(old, rev, split, comparison))
