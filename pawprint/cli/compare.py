"""Compare runs image by image, and test whether their accuracies differ.

A run is a commit, branch, tag or experiment. Each run after the first is compared with the first;
without another one, the workspace. With several, the levels of the tests are Holm's.
"""

import argparse

from pawprint.core.params.whole import load_params
from pawprint.evaluation.comparison import SPLITS, WORKSPACE, compare_revisions, describe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="*", default=[WORKSPACE], help="default: the workspace"
    )


def run(arguments: argparse.Namespace) -> None:
    confidence = load_params().evaluate.confidence
    old, new = arguments.old, arguments.new
    compared = {split: compare_revisions(old, new, split, confidence) for split in SPLITS}
    for split, comparisons in compared.items():
        for rev, comparison in zip(new, comparisons):
            print(describe(old, rev, split, comparison))
