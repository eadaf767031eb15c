"""Results in each revision of Git: metrics, params, and the tables behind the plots.

Files are read from Git's objects: nothing is checked out.
"""

import io
import json
import re
import subprocess
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.tables import SCORES, Columns, parse_table
from pawprint.core.yaml import parse_yaml

PARAMS = Path("params.yaml")
WORKSPACE = "workspace"
RECORDED = (
    PARAMS,
    paths.EVALUATE_METRICS,
    paths.SCORES,
    paths.EXTRACT_HISTORY,
    paths.FINETUNE_HISTORY,
    paths.PREDICTIONS,
    paths.VALIDATION_PREDICTIONS,
)
# DVC keeps an experiment as a reference that holds the commit it started from, and its name.
EXPERIMENTS = "refs/exps/??/*/*"
REFERENCE = re.compile(r"(?:tag: refs/tags/|refs/exps/../\w{38}/)([^,]+)")
FIELDS = ("%H", "%h", "%p", "%ct", "%D", "%s")
MAX_REVISIONS = 200  # the newest


class Revision(NamedTuple):
    """A commit, tag or experiment with metrics/evaluate.json and params.yaml.

    `commit` is "" for the workspace; `images` has the number of images of each split;
    `is_committed` is False for experiments and the workspace.
    """

    commit: str
    name: str
    date: datetime | None
    subject: str
    metrics: dict
    images: dict[str, int]
    params: dict
    is_committed: bool = False


def revisions() -> dict[str, Revision]:
    """Tags, experiments, and commits that change a RECORDED file, if they hold metrics, by name.

    The newest come first, and before them the workspace if it differs from HEAD.
    """
    listed = _log()
    files = (PARAMS, paths.EVALUATE_METRICS, paths.SCORES)
    commits = ["HEAD", *(commit for commit, *_ in listed)]
    contents = iter(_read([(commit, path) for commit in commits for path in files]))
    head, *recorded = (_result(*found) for found in zip(contents, contents, contents))
    now = _result(*map(_content, files))
    found = {}
    if now and now != head:
        found[WORKSPACE] = Revision("", WORKSPACE, None, "not committed", *now)
    for (commit, short, parent, seconds, references, subject), result in zip(listed, recorded):
        name = ", ".join(REFERENCE.findall(references)) or short
        is_experiment = "refs/exps/" in references
        if is_experiment:
            name = f"{name} ({short})"  # experiments on different commits may share a name
            subject = f"experiment on {parent}"  # DVC's own is the same for all
        if result:
            date = datetime.fromtimestamp(int(seconds))
            found[name] = Revision(commit, name, date, subject, *result, not is_experiment)
    return found


def table_of(commit: str, path: Path, columns: Columns) -> pd.DataFrame:
    """These columns of a CSV file in a commit; no rows if it is missing or lacks a column."""
    content = content_of(commit, path)
    try:
        return pd.read_csv(
            io.BytesIO(content or b""), usecols=list(columns), dtype=columns, na_filter=False
        )
    except ValueError:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def content_of(commit: str, path: Path) -> bytes | None:
    """A file in a commit, or in the workspace for ""; None if it is missing."""
    return _read([(commit, path)])[0] if commit else _content(path)


@lru_cache(2 * MAX_REVISIONS)
def _result(
    params: bytes | None, metrics: bytes | None, scores: bytes | None
) -> tuple[dict, dict[str, int], dict] | None:
    """Metrics, number of images of each split, and params. None unless there is a test accuracy.

    Earlier commits have the numbers among the metrics, and no table of scores.
    """
    measured = _parsed(metrics, json.loads)
    splits = {name: each for name, each in measured.items() if isinstance(each, dict)}
    if "accuracy" not in splits.get("test", {}):
        return None
    images = {name: each["total"] for name, each in splits.items() if "total" in each}
    if scores and not images:
        try:
            table = parse_table(scores, SCORES).query("score == 'accuracy'")
        except ValueError:
            return None
        images = dict(zip(table["split"], table["images"]))
    return measured, images, _parsed(params, lambda text: parse_yaml(text, str(PARAMS)))


def _parsed(content: bytes | None, parse: Callable[[str], Any]) -> dict:
    """The dict that `parse` returns for the text; {} if the file is missing or another one."""
    try:
        parsed = parse((content or b"").decode())
    except (ValueError, InputError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _read(files: list[tuple[str, Path]]) -> list[bytes | None]:
    """The contents of paths in commits; None where a file is missing.

    One process of Git reads all of them. It answers `hash type size`, the content and a line break,
    or `name missing`.
    """
    names = "".join(f"{commit}:./{path.as_posix()}\n" for commit, path in files)
    objects = io.BytesIO(_git("cat-file", "--batch", input=names.encode()))
    found: list[bytes | None] = []
    for _ in files:
        header = objects.readline().split()
        found.append(objects.read(int(header[2]) + 1)[:-1] if len(header) == 3 else None)
    return found


def _log() -> list[tuple[str, ...]]:
    """The FIELDS of each commit. Only NUL cannot be part of a field."""
    values = _git(
        "log",
        "-z",
        "--no-show-signature",
        f"--max-count={MAX_REVISIONS}",
        f"--format={'%x00'.join(FIELDS)}",
        "--decorate=full",
        "--decorate-refs=refs/tags",
        f"--decorate-refs={EXPERIMENTS}",
        "--simplify-by-decoration",  # with paths: commits that change them or have a decoration
        *("--branches", "--tags", "--remotes", f"--glob={EXPERIMENTS}", "HEAD", "--"),
        *map(str, RECORDED),
    )
    texts = iter(values.decode(errors="replace").split("\0"))
    return list(zip(*[texts] * len(FIELDS)))


def _git(*arguments: str, input: bytes = b"") -> bytes:
    """What Git prints; nothing if there is no Git, no repository or no commit."""
    try:
        result = subprocess.run(["git", *arguments], input=input, capture_output=True)
    except FileNotFoundError:
        return b""
    return result.stdout if result.returncode == 0 else b""
