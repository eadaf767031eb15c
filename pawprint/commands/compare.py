"""The `compare` command."""

import argparse
import json
from pathlib import Path

from pawprint.commands.comparison import compare_revisions
from pawprint.pipeline.dvc import WORKSPACE
from pawprint.scores.compared_runs import COMPARED, ComparedRun
from pawprint.scores.verdict import MARGIN, tabulate_sets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    others = "compare these runs with the first; default: the workspace"
    parser.add_argument("new", metavar="REV", nargs="*", default=[WORKSPACE], help=others)
    gate = (
        "exit with status 1 if a run is worse than the first or cannot be compared, or if fewer "
        f"than {COMPARED:.0%} of the first run's validation and test images are compared"
    ).replace("%", "%%")
    output = "print one line of JSON: a list with one object per run after the first"
    parser.add_argument("--format", choices=("text", "json"), default="text", help=output)
    parser.add_argument("--gate", action="store_true", help=gate)
    parser.epilog = (
        "If two runs differ in photos or labels, a run only counts as better or worse if the log "
        f"loss differs by {MARGIN:.0%}."
    )


def run(arguments: argparse.Namespace) -> int:
    """Test whether a run is better than another, on all images that they share.

    A run is a commit, branch, tag or experiment. The other runs, or by default the workspace, are
    compared with the first one. The results in the workspace must be up to date with the params and
    the code.
    The verdict is a test of the log loss on validation images. Without fine-tuning, it also
    includes the cross-validated training images; for a commit, this requires its data. The test
    images stand beside it with their own interval and decide nothing, so that their score stays an
    estimate for new photos. Images that are missing from a run, or have a different label or split
    in it, are left out and counted. Images are matched by their pixels, not by their paths.

    Examples:
      pawprint compare HEAD
      pawprint compare --gate main
      pawprint compare HEAD --format json
    """
    results = compare_revisions(Path(), arguments.old, arguments.new)
    if arguments.format == "json":
        print(json.dumps([_record(compared) for compared in results]))
    else:
        for compared in results:
            print(compared.text)
            if arguments.gate:
                print(compared.gate)
    return int(arguments.gate and not all(compared.passes for compared in results))


def _record(compared: ComparedRun) -> dict:
    """Return the text about a run as a dict of its parts."""
    return {
        "old": compared.old,
        "new": compared.new,
        "verdict": compared.verdict,
        "sentence": compared.sentences[0],
        "table": tabulate_sets(compared.comparison).to_dict("records"),
        "left_out": compared.left_out,
        "gate": compared.gate,
        "passes": compared.passes,
    }
