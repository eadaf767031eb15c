"""Revisions: files of a commit, branch, tag or experiment; whether the workspace is one, undamaged.

The results of the workspace may be those of other code or params; `require_reproduced` tells.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import dvc.api
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc_data.index import DataIndexDirError
from tqdm import tqdm

from pawprint.errors import InputError, name_some, printable
from pawprint.files import digest
from pawprint.git import work_tree
from pawprint.package import script_of
from pawprint.pipeline.fingerprint import Code
from pawprint.pipeline.recorded import Recorded, is_md5
from pawprint.project import LOCK

WORKSPACE = "workspace"
Parsed = TypeVar("Parsed")


def read_revision(rev: str, path: Path, parse: Callable[[bytes], Parsed]) -> Parsed:
    """What `parse` makes of a file of a revision, in Git or in DVC's cache or remote.

    Raises InputError if there is none, if Git does not read the repository, and if `parse` raises
    ValueError: "expected …".
    """
    try:
        if not rev:  # DVC would read the workspace
            raise FileNotFoundError("an empty name")
        if rev == WORKSPACE:
            return parse(path.read_bytes())
        work_tree(Path())  # raises with Git's reason, where DVC has a traceback
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


def find_damaged(recorded: Recorded) -> tuple[int, list[str], list[str]]:
    """The number of copies of files that dvc.lock names, in the cache and in the workspace, a line
    for each damaged one, and the folders whose list of files is not in the cache.

    Damaged copies in the cache are removed. Raises InputError if dvc.lock has no results.
    """
    outs = [
        (stage, Path(path), md5)
        for stage in recorded.stages
        for path, md5 in recorded.hashes(stage).items()
    ]
    if not outs:
        raise InputError(f"{LOCK}: expected the results of a run. Received: none. Run `dvc repro`.")
    copies, damaged = damaged_files(recorded, [(path, md5) for _, path, md5 in outs])
    # The lists of files of folders: those that are left are undamaged.
    folders = [out for out in outs if is_md5(out[2]) and out[2].endswith(".dir")]
    members = [
        (path / name, md5)
        for stage, path, _ in folders
        for name, md5 in recorded.files(stage, path).items()
    ]
    unlisted = [path.as_posix() for _, path, md5 in folders if not recorded.file(md5).is_file()]
    of_folders, more = damaged_files(recorded, members)
    return copies + of_folders, damaged + more, unlisted


def damaged_files(recorded: Recorded, files: list[tuple[Path, object]]) -> tuple[int, list[str]]:
    """The number of copies of files, given with their MD5, and a line for each damaged one.

    Those in the cache are removed. The MD5 of a folder is that of the list of its files, which is
    in the cache only. A path outside of the project, or what is no MD5, is a line, and no file is
    read for it.
    """
    copies, damaged = {}, []
    for path, md5 in files:
        if is_md5(md5) and not path.anchor and ".." not in path.parts:
            copies[path] = copies[recorded.file(md5)] = path, md5
        else:
            damaged.append(
                f"{LOCK}: expected paths in the project, and MD5s of 32 hexadecimal digits. "
                f"Received: {printable(str(path))} with {md5!r}. Restore {LOCK}, or run "
                "`dvc repro --force`."
            )
    copies = {copy: original for copy, original in copies.items() if copy.is_file()}
    with tqdm(copies.items(), desc="check", unit="file", disable=None) as progress:
        for copy, (path, md5) in progress:
            try:
                if (actual := digest(copy, "md5")) == md5.removesuffix(".dir"):
                    continue
                expected = f"{copy}: expected the file {path} with the MD5 {md5}. "
                expected += f"Received: {actual}"
                if copy == path:
                    damaged.append(
                        f"{expected}. If you did not change it, remove it. Run `dvc repro`."
                    )
                elif not copy.resolve().is_relative_to(recorded.cache.resolve()):
                    damaged.append(f"{expected}. A link leads out of DVC's cache. Remove the link.")
                else:
                    if os.name == "nt":  # which removes no file that is read-only
                        copy.chmod(stat.S_IWRITE)
                    copy.unlink()
                    damaged.append(f"{expected}. It is removed from DVC's cache. Run `dvc repro`.")
            except FileNotFoundError:  # removed by a stage that started meanwhile
                continue
            except OSError as error:
                damaged.append(
                    f"{copy}: expected to read it, and to remove it from DVC's cache if it is "
                    f"damaged. Received: {error.strerror}. Check permissions."
                )
    return len(copies), damaged
