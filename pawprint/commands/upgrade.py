"""The command `upgrade`."""

import argparse
from pathlib import Path

from pawprint.projects.upgrade import upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no argument: what is renewed is the project here."""


def run(arguments: argparse.Namespace) -> None:
    """Renew this project after an upgrade of the package; `git diff` shows what changed.

    The changes of the package are merged into your files. Where you changed the same lines, your
    file stays, and the new one is put beside it, as FILE.new. params.yaml keeps your values and
    comments, and gets new params with their defaults. Params that no longer exist go, and those
    that you had changed become comments. Nothing is committed.

    Example:
      pawprint upgrade
    """
    for line in upgrade(Path()) or ["nothing to change"]:
        print(f"upgrade: {line}")
