"""The `compare` command."""

import argparse
import contextlib
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pawprint.base import paths
from pawprint.base.errors import InputError
from pawprint.commands.check import require_reproduced
from pawprint.pipeline.dvc import WORKSPACE, read_revision
from pawprint.pipeline.recorded import Recorded
from pawprint.scores.compared_runs import COMPARED, ComparedRun, Run, compare_runs, read_run
from pawprint.scores.verdict import FLOOR, MARGIN


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
        f"A run only counts as better or worse if the log loss differs by {MARGIN:.0%} and {FLOOR}."
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
    in it, are left out and counted. Images are matched by their pixels, not by their paths. If
    classes differ, a run is only worse if significantly more images of the common ones are wrong.
    If the params of `split` differ, there is no verdict, and `--gate` fails.

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
        "old": compared.old.name,
        "new": compared.new.name,
        "verdict": compared.verdict,
        "sentence": compared.sentences[0],
        "table": compared.table.to_dict("records"),
        "left_out": compared.left_out,
        "gate": compared.gate,
        "passes": compared.passes,
    }


def compare_revisions(
    folder: Path, old: str, new: Sequence[str], names: Mapping[str, str] = {}
) -> list[ComparedRun]:
    """Compare each of the `new` runs with the `old` one, using `compare_runs`.

    A run is a commit, branch, tag or experiment, or WORKSPACE. In sentences, its name comes from
    `names` or, by default, is its revision. Raises InputError if the results in the workspace are
    out of date, if a run has no predictions, and for the same reasons as `compare_runs`.
    """
    if WORKSPACE in (old, *new):
        require_reproduced(folder, "evaluate")
    runs = {rev: read_revision_run(folder, rev, names.get(rev, rev)) for rev in (old, *new)}
    return compare_runs(runs[old], [runs[rev] for rev in new])


def read_revision_run(folder: Path, rev: str, name: str) -> Run:
    """Read a run of a project, which sentences call `name`.

    The run's data, in DVC's cache or in a remote, may be missing. Raises InputError if the run has
    no predictions, or if its stages did not all run.
    """
    lock = ""
    with contextlib.suppress(InputError):
        lock = read_revision(folder, rev, paths.LOCK, bytes.decode)
    recorded = Recorded(lock, folder)
    run = read_run(functools.partial(_read_file, recorded, rev), name)
    if rev != WORKSPACE and (stage := recorded.stage_left_behind()):
        raise InputError(
            f"{rev}: the stage {stage} did not run after an earlier stage had changed its outputs. "
            "Run `dvc repro` there, and commit."
        )
    return run._replace(split_md5=recorded.hash_of("split", paths.SPLIT_CSV))


def _read_file(recorded: Recorded, rev: str, path: Path, parse: Callable[[bytes], Any]) -> Any:
    """Parse a file of a run. If dvc.yaml was renewed after it, dvc.lock alone has its outputs."""
    try:
        return read_revision(recorded.folder, rev, path, parse)
    except InputError:
        if (found := recorded.parsed(recorded.out(path), parse)) is None:
            raise
        return found
