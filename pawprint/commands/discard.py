"""The `discard` command: show what will be lost, ask, and restore the last commit."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pawprint.base import paths
from pawprint.base.errors import InputError, counted, name_some, printable, without_secrets
from pawprint.base.git import git, try_git
from pawprint.base.package import lies_outside
from pawprint.pipeline.dvc import check_out, require_idle
from pawprint.pipeline.recorded import Recorded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--yes", action="store_true", help="do not ask before changing files")


def run(arguments: argparse.Namespace) -> int:
    """Restore the last commit's run and params.

    This restores dvc.lock, params.yaml, dvc.yaml, requirements.txt and all stage outputs. The
    command first shows what will be lost: the files, and a diff of your changes. Photos, the .dvc
    file that tracks them, labels.csv and splits.csv are kept. The exit status is 1 if you answer
    no.

    Examples:
      pawprint discard
      pawprint discard --yes
    """
    folder = Path()
    require_idle(folder)
    loss = read_loss(folder)
    if loss.files and not arguments.yes:
        if not sys.stdin.isatty():
            raise InputError(
                f"discard: cannot ask before changing {counted(len(loss.files), 'file')}, because "
                "there is no terminal. Add --yes."
            )
        print(loss.diff, end="")
        print(f"These files will be restored from {loss.commit}:")
        print("\n".join(f"  {printable(name)}" for name in loss.files))
        print("The run's outputs in DVC will also be restored. Photos, labels and splits are kept.")
        try:
            answer = input("Discard the run and these changes? [y/N] ")
        except EOFError:  # Ctrl-D
            answer = ""
            print()
        if answer.strip().lower() not in ("y", "yes"):
            print("discard: nothing was changed")
            return 1
    discard(folder, loss)
    print(f"discard: restored the run and params from {loss.commit}")
    return 0


# A run's inputs, except photos and the user's tables.
INPUTS = (paths.PARAMS, paths.PIPELINE, paths.REQUIREMENTS)


def has_run(folder: Path) -> bool:
    """Return whether the last commit contains a run."""
    return bool(try_git("ls-tree", "HEAD", "--", paths.LOCK.name, folder=folder))


def results(folder: Path) -> list[Path]:
    """Return dvc.lock, and the stage outputs in the last commit and in the last run."""
    committed = try_git("show", f"HEAD:./{paths.LOCK}", folder=folder) or ""
    outs = {*Recorded(folder=folder).outs(), *Recorded(committed, folder).outs()}
    return [paths.LOCK, *sorted(Path(out) for out in outs if not lies_outside(out))]


def changed_files(folder: Path, files: Iterable[str | Path]) -> list[str]:
    """Return the files that differ from the last commit, relative to the repository's top."""
    listed = (f":(literal){path}" for path in files)
    options = ("--porcelain", "--no-renames", "--untracked-files=all", "-z")
    changed = git("status", *options, "--", *listed, folder=folder)
    return [entry[3:] for entry in changed.split("\0") if entry]


def to_discard(folder: Path) -> list[str]:
    """Return the files to restore, or to remove if the last commit does not contain them.

    Names are as in `changed_files`. Photos, the file with which DVC tracks them, labels and splits
    are excluded. Raises InputError if the last commit lacks the project, because this would remove
    all of its files, or if it lacks a run, because this one is then the only one.
    """
    git("rev-parse", "--git-dir", folder=folder)  # raises InputError with Git's message
    committed = try_git("ls-tree", "HEAD", "--", *map(str, INPUTS), folder=folder) or ""
    if len(committed.splitlines()) < len(INPUTS):
        raise InputError(
            f"discard: cannot restore a run: no commit contains {name_some(map(str, INPUTS))}. To "
            "keep everything, run `git add .` and `git commit`."
        )
    if not has_run(folder):
        raise InputError("discard: no committed run to go back to. Commit this one to keep it.")
    # STATE is part of the same upgrade as INPUTS.
    return changed_files(folder, [*results(folder), *INPUTS, paths.STATE])


class Loss(NamedTuple):
    """The changes that `discard` would revert, to be shown beforehand.

    `commit` describes the commit to restore, as in `HEAD (1a2b3c4 Classify food)`, `diff` contains
    the changes to INPUTS, without secrets, and `files` are from `to_discard`.
    """

    commit: str
    diff: str
    files: list[str]


def read_loss(folder: Path) -> Loss:
    """Return the changes that `discard` would revert now. Raises InputError without a commit."""
    options = ("--no-color", "--no-ext-diff", "--unified=0", "--irreversible-delete")
    text = git("diff", *options, "HEAD", "--", *map(str, INPUTS), folder=folder)
    diff = "".join(f"{printable(without_secrets(line))}\n" for line in text.splitlines())
    commit = printable(git("log", "-1", "--format=HEAD (%h %s)", folder=folder).strip())
    return Loss(commit, diff, to_discard(folder))


def discard(folder: Path, shown: Loss) -> None:
    """Restore the last commit's run: the files that were shown, then the outputs in DVC.

    Raises InputError, before anything changes, during a run or if INPUTS have changed since then.
    Also raises InputError if Git or DVC fails, or if DVC's cache lacks a result.
    """
    require_idle(folder)
    names = shown.files
    if read_loss(folder).diff != shown.diff:
        raise InputError(
            "discard: nothing was changed, because params or other inputs have changed since the "
            "list was shown. Discard again."
        )
    tree = {
        *git("ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD", folder=folder).split("\0")
    }
    old = [f":(top,literal){name}" for name in names if name in tree]
    new = [f":(top,literal){name}" for name in names if name not in tree]
    if old:
        git("restore", "--source=HEAD", "--staged", "--worktree", "--", *old, folder=folder)
    if new:
        git("rm", "--quiet", "--cached", "--force", "--ignore-unmatch", "--", *new, folder=folder)
        git("clean", "--quiet", "--force", "--", *new, folder=folder)
    missing = check_out(folder, paths.PIPELINE)
    lacking = missing.intersection(Recorded(folder=folder).outs())
    if lacking:
        raise InputError(
            f"discard: cannot restore {name_some(sorted(lacking))}: these results of the last "
            f"commit are not in DVC's cache. Run `dvc pull {paths.PIPELINE}`, or `dvc repro` to "
            "create them again."
        )
