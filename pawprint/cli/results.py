"""Commands on the results of runs: `limits`, `compare`, `check`."""

import argparse

from pawprint.errors import InputError
from pawprint.files import parse_file
from pawprint.params.model import Evaluate
from pawprint.pipeline.fingerprint import not_as_pinned
from pawprint.pipeline.recorded import Recorded
from pawprint.pipeline.revisions import WORKSPACE, find_damaged, require_reproduced
from pawprint.project import LIMITS
from pawprint.scores.paired import describe_comparison
from pawprint.tools.comparison import compare_runs


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
    gate = "exit with status 1 if a run is worse than the first, or they cannot be compared"
    parser.add_argument("--gate", action="store_true", help=gate)


def run_compare(arguments: argparse.Namespace) -> int:
    """Say whether a run is better than another, by one test of all images that both have.

    A run is a commit, branch, tag or experiment. Each run after the first is compared with the
    first; without another one, the workspace, whose results must be those of its params and code.
    The test is of the log loss of test and validation images and, without fine-tuning, of training
    images in folds, which a commit's data is needed for. The table has each set of images.
    Validation chose the temperature and the epoch that is kept. An image is known by its pixels,
    not by its path.

    Examples:
      pawprint compare HEAD
      pawprint compare --common --gate main
    """
    old, new = arguments.old, arguments.new
    if WORKSPACE in (old, *new):
        require_reproduced("evaluate")
    compared, note = compare_runs(old, new, Evaluate.load().confidence, arguments.common)
    for rev, comparison in zip(new, compared):
        print(describe_comparison(old, rev, comparison))
    print(note, end="\n" * bool(note))
    is_worse = any(comparison.test.verdict == "worse" for comparison in compared)
    return int(arguments.gate and is_worse)


def add_check(parser: argparse.ArgumentParser) -> None:
    files = "hash the files of the results instead, and remove damaged ones from DVC's cache"
    parser.add_argument("--files", action="store_true", help=files)


def run_check(arguments: argparse.Namespace) -> None:
    """Fail if the results are not those of this code, these params and the pinned packages.

    Compares params, code and files with dvc.lock, without data. The exit status is 1 if one
    differs, or if an installed package is not the version that requirements.txt pins.

    DVC does not hash a read-only file of its cache, so it restores a damaged one. With --files, all
    files that dvc.lock names are hashed, in the cache and in the workspace. Damaged files are
    removed from the cache, and nothing else: `dvc repro` makes them again, `dvc repro --pull`
    fetches them. A file of the workspace that differs is named. One that is missing is not damaged.
    The exit status is 1 if any file is damaged.
    """
    if arguments.files:
        copies, damaged, unlisted = find_damaged(Recorded())
        if damaged:
            raise InputError("\n".join(damaged))
        print(f"check: {copies:,} copies of files have the hash of dvc.lock")
        if unlisted:
            print(f"check: not in DVC's cache, so not checked: {', '.join(unlisted)}")
        return
    lines = {line for text in require_reproduced().values() for line in text.splitlines()}
    if versions := not_as_pinned(sorted(line for line in lines if "==" in line)):
        raise InputError(
            f"requirements.txt: expected the installed versions. Received: {', '.join(versions)}. "
            "Run `pip install -r requirements.txt`."
        )
    print("check: the results are those of this code, these params and these packages")
