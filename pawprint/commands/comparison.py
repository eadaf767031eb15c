"""Compare runs of a project: read them from the workspace, Git and DVC, and test all at once.

`scores/stored_run.py` reads a run from its files, and `scores/compared_runs.py` compares runs.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from pawprint.base import paths
from pawprint.base.errors import InputError
from pawprint.base.git import try_git
from pawprint.commands.check_results import require_reproduced
from pawprint.pipeline.dvc import WORKSPACE, read_revision
from pawprint.pipeline.recorded import Recorded
from pawprint.scores.compared_runs import ComparedRun, Run, compare_runs
from pawprint.scores.stored_run import read_run

# Patterns of references, with the number of parts before the name. An experiment's name comes after
# the hash of its commit, which has two parts; references of DVC itself have fewer parts.
REFS = {"experiment": ("refs/exps/*/*/*", 4), "branch": ("refs/heads", 2), "tag": ("refs/tags", 2)}
MAX_COMMITS = 50  # number of commits that `find_runs` lists
NO_NAMES: Mapping[str, str] = {}


def compare_revisions(
    folder: Path, old: str, new: Sequence[str], names: Mapping[str, str] = NO_NAMES
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
    read = functools.partial(read_revision, folder, rev)
    run = read_run(read, name)
    try:
        recorded = Recorded(read(paths.LOCK, bytes.decode))
    except InputError:  # no dvc.lock
        return run
    if rev != WORKSPACE and (stage := recorded.stage_left_behind()):
        raise InputError(
            f"{rev}: the stage {stage} did not run after an earlier stage had changed its outputs. "
            "Run `dvc repro` there, and commit."
        )
    return run._replace(split_md5=recorded.hash_of("split", paths.SPLIT_CSV))


def find_runs(folder: Path) -> dict[str, str]:
    """Return the available runs with descriptions: WORKSPACE, commits, and names in Git.

    The commits are the latest ones that changed predictions.
    """
    predictions = str(paths.PREDICTED_CLASSES_CSV["validation"])
    options = (f"-{MAX_COMMITS}", "--format=%h %cs %s")
    log = try_git("log", *options, "--", predictions, folder=folder) or ""
    found = {WORKSPACE: "the present files"}
    found |= dict(line.split(" ", 1) for line in log.split("\n") if line)
    for kind, (pattern, parts) in REFS.items():
        name = f"--format=%(refname:lstrip={parts})"
        for line in (try_git("for-each-ref", name, pattern, folder=folder) or "").splitlines():
            found.setdefault(line, kind)
    return found
