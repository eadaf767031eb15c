"""Fail if the committed results are not those of this code, these params and pinned packages.

Compares params, code and files with dvc.lock, without data. The exit status is 1 if one differs, or
if an installed package is not the version that requirements.txt pins.
"""

import argparse

from pawprint.errors import InputError
from pawprint.fingerprint import not_as_pinned
from pawprint.revisions import require_reproduced


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> None:
    lines = {line for each in require_reproduced().values() for line in each.splitlines()}
    if found := not_as_pinned(sorted(line for line in lines if "==" in line)):
        raise InputError(
            f"requirements.txt: expected the installed versions. Received: {', '.join(found)}. Run "
            "`pip install -r requirements.txt`."
        )
    print("check: the results are those of this code, these params and these packages")
