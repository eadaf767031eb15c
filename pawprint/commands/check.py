"""The `check` command."""

import argparse
from pathlib import Path

from pawprint.errors import InputError
from pawprint.pipeline.recorded import Recorded
from pawprint.projects.check import find_damaged, require_results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    files = "hash all files instead and remove damaged files from DVC's cache"
    parser.add_argument("--files", action="store_true", help=files)


def run(arguments: argparse.Namespace) -> None:
    """Check that the results were produced with the current code, params and packages.

    This compares params, code and files with dvc.lock; the data are not required. The exit status
    is 1 if there is a difference, or if the installed version of a package differs from
    requirements.txt.

    DVC does not check read-only files in its cache, so it may restore a damaged file. With
    --files, all files listed in dvc.lock are hashed, both in the cache and in the workspace.
    Damaged files are removed from the cache; `dvc repro` creates them again, and `dvc repro --pull`
    fetches them. Files in the workspace that differ are listed and kept. Missing files do not count
    as damaged. The exit status is 1 if any file is damaged.

    Examples:
      pawprint check
      pawprint check --files
    """
    folder = Path()
    if arguments.files:
        copies, damaged, unlisted = find_damaged(Recorded(folder=folder))
        if damaged:
            raise InputError("\n".join(damaged))
        print(f"check: {copies:,} file copies match the hashes in dvc.lock")
        if unlisted:
            print(f"check: not in DVC's cache, so not checked: {', '.join(unlisted)}")
        return
    require_results(folder)
    print("check: the results match the code, the params and the packages")
