"""The command `discard`."""

import argparse
import sys
from pathlib import Path

from pawprint.errors import InputError, printable
from pawprint.pipeline.runs import alone
from pawprint.projects.discard import describe, diff_of_inputs, discard, to_discard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--yes", action="store_true", help="do not ask before changing files")


def run(arguments: argparse.Namespace) -> int:
    """Restore the run of the last commit and its params.

    This restores dvc.lock, params.yaml, dvc.yaml, requirements.txt and all outputs of stages. The
    command first shows what will be lost: a diff of your changes, and the names of the files.
    Photos, the file with which DVC tracks them, labels.csv and splits.csv stay as they are. The
    exit status is 1 if you answer no.

    Examples:
      pawprint discard
      pawprint discard --yes
    """
    folder = Path()
    with alone(folder):  # raises InputError during a run
        names = to_discard(folder)
    if names and not arguments.yes:
        if not sys.stdin.isatty():
            raise InputError(
                f"discard: cannot ask about {len(names)} files without a terminal. Add --yes."
            )
        print(diff_of_inputs(folder), end="")
        print(f"These files go back to {describe(folder)}:")
        print("\n".join(f"  {printable(name)}" for name in names))
        print("So do the run's outputs in DVC. Photos, labels.csv and splits.csv stay.")
        try:
            answer = input("Discard the run and these changes? [y/N] ")
        except EOFError:  # Ctrl-D
            answer = ""
            print()
        if answer.strip().lower() not in ("y", "yes"):
            print("discard: nothing is changed")
            return 1
    discard(folder)
    print(f"discard: the run and the params are back at {describe(folder)}")
    return 0
