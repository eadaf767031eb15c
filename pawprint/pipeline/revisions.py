"""Revisions: files of a commit, branch, tag or experiment, and whether the workspace is one.

The results of the workspace may be those of other code or params; `require_reproduced` tells.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import dvc.api
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc_data.index import DataIndexDirError

from pawprint.errors import InputError, name_some, printable
from pawprint.package import script_of
from pawprint.pipeline.fingerprint import Code
from pawprint.pipeline.recorded import Recorded

WORKSPACE = "workspace"
Parsed = TypeVar("Parsed")


def read_revision(rev: str, path: Path, parse: Callable[[bytes], Parsed]) -> Parsed:
    """What `parse` makes of a file of a revision, in Git or in DVC's cache or remote.

    Raises InputError if there is none, or if `parse` raises ValueError: "expected …".
    """
    try:
        if not rev:  # DVC would read the workspace
            raise FileNotFoundError("an empty name")
        if rev == WORKSPACE:
            return parse(path.read_bytes())
        return parse(dvc.api.read(_from_root(path), rev=rev, mode="rb"))
    except ValueError as error:
        raise InputError(f"{rev}: {path}: {error}. Choose a revision that has this.") from None
    except (OSError, DvcException, DataIndexDirError) as error:
        raise InputError(
            f"{rev}: expected a commit, branch, tag or experiment with {path} in Git or in DVC's "
            f"cache or remote. Received: {' '.join(str(error).split())}"
        ) from None


def _from_root(path: Path) -> str:
    """The path from the root of the Git repository, where DVC looks for files of a revision."""
    with Repo() as repo:
        project, root = map(os.path.realpath, (repo.root_dir, repo.scm.root_dir))
    return Path(os.path.relpath(project, root), path).as_posix()


def require_reproduced(*stages: str) -> dict[str, str]:
    """Raise InputError if params, code or results of these stages differ from dvc.lock.

    Those of the stages before them count, too; without names, all stages do. Returns the
    fingerprint of each that counts, without `code`.
    """
    try:
        with Repo() as repo:
            status = repo.status(targets=list(stages) or None, with_deps=bool(stages))
            groups = [repo.stage.collect(name, with_deps=True) for name in stages or (None,)]
    except LockError as error:
        text = printable(" ".join(str(error).split()))
        raise InputError(f"workspace: expected no other running `dvc`. Received: {text}") from None
    except DvcException as error:
        raise InputError(f"workspace: expected a DVC project. Received: {error}") from None
    # The stage `code` differs after a changed comment; what counts are the fingerprints.
    status.pop("code", None)
    differences = {name for changes in status.values() for name in names_of_changes(changes)}
    # Photos that DVC tracks, and a user's own stages, have no code of ours.
    names = {getattr(stage, "name", None) for group in groups for stage in group} - {"code", None}
    code = Code()
    scripts = {name: script_of(name) for name in names}
    fingerprints = {
        name: code.fingerprint(script)
        for name, script in scripts.items()
        if code.path_of(script).is_file()
    }
    recorded = Recorded()
    of_code = {name for name, text in fingerprints.items() if not recorded.has_code(name, text)}
    changes = sorted(differences | {f"code of {name}" for name in of_code})
    if changes:
        raise InputError(
            "workspace: expected the results of its params and code. Received: changes since the "
            f"last run: {name_some(changes)}. Run `dvc repro`."
        )
    return fingerprints


def names_of_changes(changes: list[dict | str]) -> Iterator[str]:
    """The names of what differs, from the status of a stage. Missing data does not differ."""
    for change in changes:
        if isinstance(change, str):  # such as "changed command"
            yield change
            continue
        for path, state in (pair for states in change.values() for pair in states.items()):
            if isinstance(state, dict):
                yield from (f"{path} {key}" for key in state)
            elif state in ("modified", "new"):
                yield path
