"""Compare two runs image by image, and test whether their accuracies differ.

A run is a commit, branch, tag or experiment. Without a second one, the workspace is compared
with the first.
"""

import argparse

from pawprint.core.params import load_params
from pawprint.evaluation.comparison import SPLITS, WORKSPACE, compare_revisions, describe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="?", default=WORKSPACE, help="default: the workspace"
    )


def run(arguments: argparse.Namespace) -> None:
    confidence = load_params().evaluate.confidence
    for split in SPLITS:
        compared = compare_revisions(arguments.old, arguments.new, split, confidence)
        print(describe(arguments.old, arguments.new, split, compared, confidence))
