"""Files of a revision: a commit, branch, tag or experiment, or the workspace."""

import contextlib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import dvc.api
from dvc.exceptions import DvcException
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
        return parse(dvc.api.read(path.as_posix(), rev=rev, mode="rb"))


@contextlib.contextmanager
def open_images(rev: str) -> Iterator[Archive]:
    """The images of a revision. The zips are read where they lie, in DVC's cache or remote.

    Raises InputError if there are none, also for an error of reading in the block.
    """
    path = data_paths.RAW_ARCHIVES
    with _explained(rev, path), contextlib.ExitStack() as opened:
        files = dvc.api.DVCFileSystem(rev=None if rev == WORKSPACE else rev)
        names = sorted(files.ls(path.as_posix(), detail=False))
        parts = [opened.enter_context(files.open(name)) for name in names if name.endswith(".zip")]
        zips = [opened.enter_context(zipfile.ZipFile(part)) for part in parts]
        yield Archive(path, zips)


@contextlib.contextmanager
def _explained(rev: str, path: Path) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise InputError(f"{rev}: {path}: {error}. Choose a revision that has this.") from None
    except (OSError, DvcException, DataIndexDirError) as error:
        raise InputError(
            f"{rev}: expected a commit, branch, tag or experiment with {path}. Received: "
            f"{' '.join(str(error).split())}"
        ) from None
