"""Read the results of a run: the workspace, or a commit, branch, tag or experiment."""

import contextlib
import functools
from pathlib import Path

import pandas as pd

from pawprint import paths
from pawprint.columns import SCORES
from pawprint.errors import InputError
from pawprint.pipeline.dvc import read_revision
from pawprint.pipeline.recorded import Recorded
from pawprint.scores import stored_run
from pawprint.scores.runs import Run
from pawprint.tables import parse_table


def read_run(folder: Path, rev: str, name: str = "") -> Run:
    """Read a run of a project. Sentences call it `name` or, by default, the revision.

    A revision is a commit, branch, tag or experiment, or WORKSPACE. Its data may be missing from
    DVC's cache and the remote. Raises InputError if there are no predictions or no params.
    """
    read = functools.partial(read_revision, folder, rev)
    run = stored_run.read_run(read, name or rev)
    if run.split is None:  # these files are in Git
        with contextlib.suppress(InputError):
            run = run._replace(split_md5=read(paths.LOCK, _md5_of_split))
            run = run._replace(scores=read(paths.SCORES_CSV, _parse_scores))
    return run


def _md5_of_split(lock: bytes) -> str | None:
    return Recorded(lock.decode()).hash_of("split", paths.SPLIT_CSV)


def _parse_scores(content: bytes) -> pd.DataFrame:
    return parse_table(content, SCORES)
