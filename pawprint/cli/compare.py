"""Commands that compare runs: `compare`, `gate`."""

import argparse

from pawprint.params.results import Evaluate
from pawprint.pipeline.revisions import WORKSPACE, require_reproduced
from pawprint.project import PREDICTED_CSV
from pawprint.tools.comparison import Comparison, compare_revisions, describe


def add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="*", default=[WORKSPACE], help="default: the workspace"
    )
    parser.add_argument(
        "--common", action="store_true", help="compare on the images that all runs have"
    )


def run_compare(arguments: argparse.Namespace) -> None:
    """Compare runs image by image, and test whether their accuracies differ.

    A run is a commit, branch, tag or experiment. Each run after the first is compared with the
    first; without another one, the workspace, whose results must be those of its params and code.
    With several, the levels of the tests are Holm's. An image is known by its pixels, not by its
    path.
    """
    _compare(arguments.old, arguments.new, arguments.common)


def add_gate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("against", metavar="REV", help="commit, branch or tag")
    parser.add_argument("--common", action="store_true", help="test the images that both have")


def run_gate(arguments: argparse.Namespace) -> int:
    """Fail if the results of the workspace are significantly worse than those of a commit.

    The test is the one of `compare`, on the test split and on the validation split. Results on
    different images cannot be compared without --common, and fail too, as do results that are not
    of the present params and code. The last line is the verdict; the exit status is 1 if the gate
    fails.
    """
    compared = _compare(arguments.against, [WORKSPACE], arguments.common)
    worse = [split for split, (each,) in compared.items() if each.verdict == "worse"]
    why = f"failed: worse than {arguments.against} on {' and '.join(worse)}"
    print(f"gate: {why if worse else 'passed'}")
    return int(bool(worse))


def _compare(old: str, new: list[str], common: bool) -> dict[str, list[Comparison]]:
    """Print and return the comparisons of each split."""
    confidence = Evaluate.load().confidence
    if WORKSPACE in (old, *new):
        require_reproduced("evaluate")
    compared = {
        split: compare_revisions(old, new, split, confidence, common) for split in PREDICTED_CSV
    }
    for split, comparisons in compared.items():
        for rev, comparison in zip(new, comparisons):
            print(describe(old, rev, split, comparison))
    return compared
