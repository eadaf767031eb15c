"""Files of a revision: a commit, branch, tag or experiment, or the workspace."""

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import dvc.api
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_data.index import DataIndexDirError

from pawprint.core import data_paths
from pawprint.core.errors import InputError
from pawprint.images.archive import BROKEN, Archive

WORKSPACE = "workspace"
Parsed = TypeVar("Parsed")


def read_revision(rev: str, path: Path, parse: Callable[[bytes], Parsed]) -> Parsed:
    """What `parse` makes of a file of a revision, in Git or in DVC's cache or remote.

    Raises InputError if there is none, or if `parse` raises ValueError: "expected …".
    """
    with _explained(rev, path):
        if rev == WORKSPACE:
            return parse(path.read_bytes())
        return parse(dvc.api.read(_from_root(path), rev=rev, mode="rb"))


@contextlib.contextmanager
def open_images(rev: str) -> Iterator[Archive]:
    """The images of a revision. The zips are read where they lie, in DVC's cache or remote.

    Raises InputError if there are none, also for an error of reading in the block.
    """
    path = data_paths.RAW_ARCHIVES
    with _explained(rev, path), contextlib.ExitStack() as opened:
        is_past = rev != WORKSPACE
        files = dvc.api.DVCFileSystem(rev=rev if is_past else None, subrepos=is_past)
        names = sorted(files.ls(_from_root(path) if is_past else path.as_posix(), detail=False))
        parts = [opened.enter_context(files.open(name)) for name in names if name.endswith(".zip")]
        zips = [opened.enter_context(zipfile.ZipFile(part)) for part in parts]
        yield Archive(path, zips)


def _from_root(path: Path) -> str:
    """The path from the root of the Git repository, where DVC looks for files of a revision."""
    with Repo() as repo:
        project, root = map(os.path.realpath, (repo.root_dir, repo.scm.root_dir))
    return Path(os.path.relpath(project, root), path).as_posix()


@contextlib.contextmanager
def _explained(rev: str, path: Path) -> Iterator[None]:
    try:
        if not rev:  # DVC would read the workspace
            raise FileNotFoundError("an empty name")
        yield
    except BROKEN as error:
        raise InputError(f"{rev}: {path}: {error}. Choose a revision that has this.") from None
    except (OSError, DvcException, DataIndexDirError) as error:
        raise InputError(
            f"{rev}: expected a commit, branch, tag or experiment with {path} in Git or in DVC's "
            f"cache or remote. Received: {' '.join(str(error).split())}"
        ) from None
