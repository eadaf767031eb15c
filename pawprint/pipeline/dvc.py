"""Call DVC for its settings, the files of a revision, and changes.

No other module imports DVC. The imports are inside functions, because they take 0.3 s, which most
stages can avoid. `dvc repro` runs as a separate process.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pawprint.base.errors import InputError, printable, reason
from pawprint.base.git import work_tree

if TYPE_CHECKING:
    from dvc.repo import Repo

WORKSPACE = "workspace"
Parsed = TypeVar("Parsed")


def folder_of_cache(folder: Path) -> Path:
    """Return DVC's cache folder, according to the settings in a folder `.dvc`.

    If DVC cannot read its settings, or a computer that runs a stage lacks DVC, this is the default
    folder.
    """
    cache = folder / "cache"
    with contextlib.suppress(ModuleNotFoundError):
        from dvc.config import Config
        from dvc.exceptions import DvcException

        with contextlib.suppress(DvcException, OSError, ValueError):
            cache = Config(folder)["cache"].get("dir", cache)
    return Path(cache, "files", "md5")


def tracked_files(folder: Path) -> dict[str, str] | None:
    """Return the MD5 of each file in a folder that DVC tracks, by relative path with slashes.

    Returns None if DVC has not recorded the current content of the folder, either because the
    folder is not an output (for example, of `dvc add`) or because it has changed since DVC last saw
    it. Like DVC, this only computes hashes that DVC has not computed before.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.tree import Tree

    with contextlib.suppress(DvcException, FileNotFoundError), Repo() as repo:
        out = repo.find_outs_by_path(str(folder), strict=False)[0]
        root = Path(out.fs_path)
        options = {"ignore": out.dvcignore, "dry_run": True}
        *_, tree = build(out.cache, str(root), out.fs, "md5", **options)
        if out.use_cache and isinstance(tree, Tree) and tree.hash_info == out.hash_info:
            inner = folder.resolve().relative_to(root.resolve()).parts
            return {
                "/".join(key[len(inner) :]): md5.value
                for key, _, md5 in tree
                if key[: len(inner)] == inner
            }
    return None


def read_revision(folder: Path, rev: str, path: Path, parse: Callable[[bytes], Parsed]) -> Parsed:
    """Parse a file of a project at a revision, from Git, DVC's cache or a remote.

    A revision is a commit, branch, tag or experiment, or WORKSPACE. Raises InputError if it does
    not exist, if Git refuses to read the repository, or if `parse` raises ValueError with "expected
    …".
    """
    from dvc import api
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError
    from scmrepo.exceptions import SCMError  # raised for a repository without a commit

    try:
        if not rev:  # otherwise DVC would read the workspace
            raise FileNotFoundError("an empty name")
        if rev == WORKSPACE:
            return parse((folder / path).read_bytes())
        top = work_tree(folder) or folder  # raises InputError before DVC prints a traceback
        inner = folder.resolve().relative_to(top.resolve())  # DVC reads from the top
        with contextlib.chdir(folder):
            return parse(api.read((inner / path).as_posix(), rev=rev, mode="rb"))
    except ValueError as error:
        raise InputError(f"{rev}: {path}: {error}. Choose a revision that contains it.") from None
    except (OSError, DvcException, DataIndexDirError, SCMError) as error:
        raise InputError(
            f"{rev}: expected a commit, branch, tag or experiment with {path} in Git or in DVC's "
            f"cache or remote. Received: {_one_line(error).rstrip('.')}. Commit a run "
            "with `git add .` and `git commit`, or choose another revision."
        ) from None


def make_project(folder: Path) -> None:
    """Turn a folder into a DVC project. Raises InputError if DVC could not work there."""
    from dvc.repo import Repo

    is_top = (folder / ".git").exists()
    try:
        with _reasons_of_dvc(folder), Repo.init(str(folder), subdir=not is_top) as repo:
            cache = repo.cache.local.path
    except OSError as error:
        if not error.filename or Path(error.filename).is_relative_to(folder.resolve()):
            raise
        raise InputError(
            f"DVC cannot write {error.filename}: {error.strerror}. Set DVC_SITE_CACHE_DIR to a "
            "folder that you can write."
        ) from None
    if set("{}") & set(cache):
        raise InputError(
            f"{printable(cache)}: expected a path without {{ and }} for DVC's cache, because DVC "
            "does not support them. Choose a folder with another name."
        )


def track(folder: Path, name: str) -> None:
    """Track a file or folder in the project, like `dvc add`. Raises InputError if DVC fails."""
    from dvc.repo import Repo

    with _reasons_of_dvc(folder), Repo(str(folder)) as repo:
        repo.add(str(folder / name))


@contextlib.contextmanager
def _reasons_of_dvc(folder: Path) -> Iterator[None]:
    """Convert exceptions that DVC raises in the block to InputError, with DVC's reason.

    Errors of the file system are not converted.
    """
    before = logging.root.manager.disable
    logging.disable()  # hides a line for each file, but keeps the progress bars
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # DVC passes on exceptions of other libraries
        causes = filter(None, (error, error.__cause__))
        says = " ".join(dict.fromkeys(map(reason, causes)))
        raise InputError(f"cannot set up DVC in {folder}: {says}") from None
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _project(folder: Path, command: str, advice: str = "") -> Iterator["Repo"]:
    """Open the project in a folder, and make the folder current, as DVC's relative paths require.

    Raises InputError if it is not a project, or if DVC fails in the block.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with contextlib.chdir(folder), Repo() as repo:
            yield repo
    except DvcException as error:
        expected = "no other running `dvc`" if isinstance(error, LockError) else "success"
        raise InputError(
            f"{command}: expected {expected}. Received: {_one_line(error)}{advice}"
        ) from None


def find_changed(folder: Path, stages: tuple[str, ...] = ()) -> dict[str, set[str]]:
    """Return the changes since dvc.lock, keyed by stage, for these and earlier stages, or for all.

    Unchanged stages are left out. For a file that DVC tracks, the key is the name of its .dvc file.
    Missing data does not count as a change. Raises InputError during another run.
    """
    with _project(folder, "dvc status") as repo:
        status = repo.status(targets=list(stages) or None, with_deps=bool(stages))
        groups = [repo.stage.collect(name, with_deps=True) for name in stages or (None,)]
    names = {stage.addressing for group in groups for stage in group}
    return {name: {*_names_of_changes(status.get(name, []))} for name in names}


def _names_of_changes(changes: list[dict | str]) -> Iterator[str]:
    """Yield the names of changed items, from the status of a stage."""
    for change in changes:
        if isinstance(change, str):  # such as "changed command"
            yield change
            continue
        for path, state in (pair for states in change.values() for pair in states.items()):
            if isinstance(state, dict):
                yield from (f"{path} {key}" for key in state)
            elif state in ("modified", "new"):
                yield path


def is_running(folder: Path) -> bool:
    """Return whether a command of DVC, or a stage that it runs, is active in a project.

    While a stage runs, DVC lists the files that it reads and writes, and between stages it holds
    the lock of the project. A process that was killed does not count.
    """
    from dvc.lock import LockError
    from dvc.rwlock import rwlock

    with _project(folder, "dvc status") as repo:
        is_hard = repo.config["core"].get("hardlink_lock", False)
        everything = [repo.root_dir]
        try:
            with repo.lock, rwlock(repo.tmp_dir, repo.fs, "pawprint", [], everything, is_hard):
                return False
        except LockError:
            return True


def require_idle(folder: Path) -> None:
    """Raise InputError while a command of DVC, or a stage that it runs, is active in a project."""
    if is_running(folder):
        raise InputError("cannot start: a `dvc` is running. Wait until it ends.")


def check_out(folder: Path, pipeline: Path) -> set[str]:
    """Restore the outputs of the stages in a dvc.yaml and return outputs missing from the cache.

    These include the outputs of stages that have never run. Raises InputError if DVC fails.
    """
    from dvc.exceptions import CheckoutError

    # Otherwise, DVC would log an error with all outputs of stages that were not run for the commit.
    logging.getLogger("dvc_data").setLevel(logging.ERROR)
    with _project(folder, "dvc checkout", ". Run `dvc repro`.") as repo:
        try:
            repo.checkout([pipeline.name], force=True)
        except CheckoutError as error:
            return {*error.target_infos}
    return set()


def _one_line(error: Exception) -> str:
    """Return an error on one line, without the colours of DVC's links."""
    return printable(" ".join(re.sub("\x1b\\[[0-9;]*m", "", str(error)).split()))
