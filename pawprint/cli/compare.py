"""Commands on the results of runs: `limits`, `compare`, `gate`."""

import argparse

from pawprint.files import parse_file
from pawprint.params.results import Evaluate
from pawprint.pipeline.revisions import WORKSPACE, require_reproduced
from pawprint.project import LIMITS, PREDICTED_CSV
from pawprint.scores.paired import Comparison, describe_comparison
from pawprint.tools.comparison import compare_all, compare_held_out


def run_limits(arguments: argparse.Namespace) -> None:
    """Print what limits the model of the last run, as at the top of plots/report.html.

    Each sentence has its number and what to do; only those are printed that the results support.
    """
    print(parse_file(LIMITS, bytes.decode), end="")


def add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="*", default=[WORKSPACE], help="default: the workspace"
    )
    parser.add_argument(
        "--common", action="store_true", help="compare on the images that all runs have"
    )


def run_compare(arguments: argparse.Namespace) -> None:
    """Compare runs image by image, and test whether accuracies and log losses differ.

    A run is a commit, branch, tag or experiment. Each run after the first is compared with the
    first; without another one, the workspace, whose results must be those of its params and code.
    Training images that all runs have are compared by the cross-validated head. All tests together
    have the level: Holm's method. An image is known by its pixels, not by its path.
    """
    old, new = arguments.old, arguments.new
    confidence = _confidence([old, *new])
    _print(old, new, compare_all(old, new, confidence, arguments.common))


def add_gate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("against", metavar="REV", help="commit, branch or tag")
    parser.add_argument("--common", action="store_true", help="test the images that both have")


def run_gate(arguments: argparse.Namespace) -> int:
    """Fail if the results of the workspace are significantly worse than those of a commit.

    The test is that of `compare` of accuracies, on the test split and on the validation split.
    Results on different images cannot be compared without --common, and fail too, as do results
    that are not of the present params and code. The last line is the verdict; the exit status is 1
    if the gate fails.
    """
    old, new = arguments.against, [WORKSPACE]
    confidence = _confidence(new)
    compared = compare_held_out(old, new, list(PREDICTED_CSV), confidence, arguments.common)
    _print(old, new, compared)
    worse = [
        split
        for split, (comparison,) in compared.items()
        if any(score.verdict == "worse" for score in comparison.scores)
    ]
    why = f"failed: worse than {old} on {' and '.join(worse)}"
    print(f"gate: {why if worse else 'passed'}")
    return int(bool(worse))


def _confidence(revs: list[str]) -> float:
    """That of the params. Raises InputError if the workspace is compared and is not reproduced."""
    if WORKSPACE in revs:
        require_reproduced("evaluate")
    return Evaluate.load().confidence


def _print(old: str, new: list[str], compared: dict[str, list[Comparison]]) -> None:
    for split, comparisons in compared.items():
        for rev, comparison in zip(new, comparisons):
            print(describe_comparison(old, rev, split, comparison))
