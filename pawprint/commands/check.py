"""The `check` command."""

import argparse
from pathlib import Path

from pawprint.commands.check_results import require_reproduced


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no arguments, because the command checks the project in the current folder."""


def run(arguments: argparse.Namespace) -> None:
    """Check that the results were produced with the current code, params and packages.

    This compares params, code and files with dvc.lock; the data are not required. The exit status
    is 1 if there is a difference, or if the installed version of a package differs from
    requirements.txt.

    Examples:
      pawprint check
    """
    require_reproduced(Path())
    print("check: the results match the code, the params and the packages")
