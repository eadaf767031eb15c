"""Renew this project after an upgrade of the package; `git diff` shows what changed.

Files that are still as `pawprint init` wrote them are written anew. Where you changed one, the new
one is put beside it, as FILE.new. params.yaml keeps your values and comments, and gets new params
with their defaults. Nothing is committed.
"""

import argparse

from pawprint.templates.projects import upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> None:
    for line in upgrade() or ["nothing to change"]:
        print(f"upgrade: {line}")
