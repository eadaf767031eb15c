"""Fail if the results of the workspace are significantly worse than those of a commit.

The test is the one of `compare`, on the test split and on the validation split. Results on
different images cannot be compared without --common, and fail too, as do results that are not of
the present params and code. The last line is the verdict; the exit status is 1 if the gate fails.
"""

import argparse

from pawprint.evaluation.comparison import compare_revisions, describe
from pawprint.params.results import Evaluate
from pawprint.project import PREDICTIONS_CSV
from pawprint.revisions import WORKSPACE, require_reproduced


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("against", metavar="REV", help="commit, branch or tag")
    parser.add_argument("--common", action="store_true", help="test the images that both have")


def run(arguments: argparse.Namespace) -> int:
    old, common = arguments.against, arguments.common
    confidence = Evaluate.load().confidence
    require_reproduced("evaluate")
    worse = []
    for split in PREDICTIONS_CSV:
        (compared,) = compare_revisions(old, [WORKSPACE], split, confidence, common)
        print(describe(old, WORKSPACE, split, compared))
        if compared.verdict == "worse":
            worse.append(split)
    verdict = f"failed: worse than {old} on {' and '.join(worse)}" if worse else "passed"
    print(f"gate: {verdict}")
    return int(bool(worse))
