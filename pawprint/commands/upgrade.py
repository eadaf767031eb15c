"""The command `upgrade`."""

import argparse
from pathlib import Path

from pawprint.projects.upgrade import upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no arguments, because the command upgrades the project in the current folder."""


def run(arguments: argparse.Namespace) -> None:
    """Renew this project after an upgrade of the package; `git diff` shows what changed.

    Merges the package's changes into your files. In case of a conflict, your version of a file
    stays, and the new version is put beside it as FILE.new. params.yaml keeps your values and
    comments, and gets new params with their defaults. Params that no longer exist are removed; if
    you had changed one, it becomes a comment. Nothing is committed.

    Example:
      pawprint upgrade
    """
    for line in upgrade(Path()) or ["nothing to change"]:
        print(f"upgrade: {line}")
