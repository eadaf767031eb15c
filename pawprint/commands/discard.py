"""The `discard` command: show what will be lost, ask, and restore the last commit."""

import argparse
import sys
from pathlib import Path

from pawprint.base.errors import InputError, counted, printable
from pawprint.commands.discard_run import discard, read_loss
from pawprint.pipeline.dvc import require_idle


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
    discard(folder, None if arguments.yes else loss)
    print(f"discard: restored the run and params from {loss.commit}")
    return 0
