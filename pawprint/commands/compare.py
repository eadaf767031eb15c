"""The command `compare`: the predictions of two runs, image by image."""

import argparse
import contextlib
import functools

import pandas as pd

from pawprint import project
from pawprint.commands.check import require_reproduced
from pawprint.errors import InputError
from pawprint.params.model import Evaluate
from pawprint.pipeline.dvc import WORKSPACE, read_revision
from pawprint.pipeline.recorded import Recorded
from pawprint.project import SCORES
from pawprint.scores import stored_run
from pawprint.scores.paired import MARGIN
from pawprint.scores.runs import COMPARED, Run, compare_runs
from pawprint.tables import parse_table


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
    old = arguments.old
    new = arguments.new
    if WORKSPACE in (old, *new):
        require_reproduced("evaluate")
    runs = {rev: read_run(rev) for rev in (old, *new)}
    results = compare_runs(runs[old], [runs[rev] for rev in new], Evaluate.load().confidence)
    for compared in results:
        print(compared.text)
        if arguments.gate:
            print(compared.gate)
    return int(arguments.gate and not all(compared.passes for compared in results))


def read_run(rev: str, name: str = "") -> Run:
    """Read a run, whose name in sentences is `name` or the revision.

    A revision is a commit, branch, tag or experiment, or WORKSPACE. Its data, in DVC's cache or in
    a remote, may be missing. Raises InputError if it has no predictions or no params.
    """
    run = stored_run.read_run(functools.partial(read_revision, rev), name or rev)
    if run.split is None:  # Git has these
        with contextlib.suppress(InputError):
            run = run._replace(split_md5=read_revision(rev, project.LOCK, _md5_of_split))
            run = run._replace(scores=read_revision(rev, project.SCORES_CSV, _parse_scores))
    return run


def _md5_of_split(lock: bytes) -> str | None:
    return Recorded(lock.decode()).hash_of("split", project.SPLIT_CSV)


def _parse_scores(content: bytes) -> pd.DataFrame:
    return parse_table(content, SCORES)
