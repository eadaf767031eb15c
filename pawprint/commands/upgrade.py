"""The `upgrade` command."""

import argparse
from pathlib import Path

from pawprint.projects.upgrade import upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no arguments, because the command upgrades the project in the current folder."""


def run(arguments: argparse.Namespace) -> None:
    """Update this project after upgrading the package; `git diff` shows what has changed.

    The command merges the package's changes into your files. If there is a conflict, your version
    of a file is kept, and the new version is written next to it as FILE.new. In params.yaml, your
    values and comments are kept, and new params are added with their defaults. Params that no
    longer exist are removed, or commented out if you had changed them. Nothing is committed.

    Example:
      pawprint upgrade
    """
    for line in upgrade(Path()) or ["nothing to change"]:
        print(f"upgrade: {line}")
