"""Commands that check results and files: `check`, `verify`."""

import argparse
from pathlib import Path

from pawprint.errors import InputError
from pawprint.pipeline.recorded import Recorded, find_damaged, is_md5
from pawprint.project import LOCK


def run_check(arguments: argparse.Namespace) -> None:
    """Fail if the committed results are not those of this code, these params and pinned packages.

    Compares params, code and files with dvc.lock, without data. The exit status is 1 if one
    differs, or if an installed package is not the version that requirements.txt pins.
    """
    from pawprint.pipeline.fingerprint import not_as_pinned
    from pawprint.pipeline.revisions import (
        require_reproduced,  # and with it DVC, which `verify` needs not
    )

    lines = {line for each in require_reproduced().values() for line in each.splitlines()}
    if found := not_as_pinned(sorted(line for line in lines if "==" in line)):
        raise InputError(
            f"requirements.txt: expected the installed versions. Received: {', '.join(found)}. Run "
            "`pip install -r requirements.txt`."
        )
    print("check: the results are those of this code, these params and these packages")


def run_verify(arguments: argparse.Namespace) -> None:
    """Hash the files that dvc.lock names, in DVC's cache and in the workspace.

    DVC does not hash a read-only file of its cache, so it restores a damaged one. This command
    removes damaged files from the cache, and nothing else: `dvc repro` makes them again,
    `dvc repro --pull` fetches them. A file of the workspace that differs is named. One that is
    missing is not damaged. The exit status is 1 if any file is damaged.
    """
    recorded = Recorded()
    outs = [
        (stage, Path(path), md5)
        for stage in recorded.stages
        for path, md5 in recorded.hashes(stage).items()
    ]
    if not outs:
        raise InputError(f"{LOCK}: expected the results of a run. Received: none. Run `dvc repro`.")
    checked, damaged = find_damaged(recorded, [(path, md5) for _, path, md5 in outs])
    # The lists of files of folders: those that are left are undamaged.
    folders = [each for each in outs if is_md5(each[2]) and each[2].endswith(".dir")]
    listed = [
        (path / name, md5)
        for stage, path, _ in folders
        for name, md5 in recorded.files(stage, path).items()
    ]
    unlisted = [path.as_posix() for _, path, md5 in folders if not recorded.file(md5).is_file()]
    files, of_folders = find_damaged(recorded, listed)
    if damaged + of_folders:
        raise InputError("\n".join(damaged + of_folders))
    print(f"verify: {checked + files:,} copies of files have the hash of dvc.lock")
    if unlisted:
        print(f"verify: not in DVC's cache, so not checked: {', '.join(unlisted)}")
