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
)
# DVC keeps an experiment as a reference that holds the commit it started from, and its name.
EXPERIMENTS = "refs/exps/??/*/*"
REFERENCE = re.compile(r"(?:tag: refs/tags/|refs/exps/../\w{38}/)([^,]+)")
FIELDS = ("%H", "%h", "%p", "%ct", "%D", "%s")
MAX_REVISIONS = 200  # the newest


class Revision(NamedTuple):
    """A commit, tag or experiment with metrics/evaluate.json and params.yaml.

    `commit` is "" for the workspace; `images` is the number of test images.
    """

    commit: str
    name: str
    date: datetime | None
    subject: str
    metrics: dict
    images: int
    params: dict


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
        if "refs/exps/" in references:
            name = f"{name} ({short})"  # experiments on different commits may share a name
            subject = f"experiment on {parent}"  # DVC's own is the same for all
        if result:
            date = datetime.fromtimestamp(int(seconds))
            found[name] = Revision(commit, name, date, subject, *result)
    return found


def table_of(commit: str, path: Path, columns: Columns) -> pd.DataFrame:
    """These columns of a CSV file in a commit; no rows if it is missing or lacks a column."""
    content = _read([(commit, path)])[0] if commit else _content(path)
    try:
        return pd.read_csv(
            io.BytesIO(content or b""), usecols=list(columns), dtype=columns, na_filter=False
        )
    except ValueError:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


@lru_cache(2 * MAX_REVISIONS)
def _result(
    params: bytes | None, metrics: bytes | None, scores: bytes | None
) -> tuple[dict, int, dict] | None:
    """Metrics, number of test images, and params. None unless there is a test accuracy.

    Earlier commits have the number among the metrics, and no table of scores.
    """
    measured = _parsed(metrics, json.loads)
    test = measured.get("test")
    if not isinstance(test, dict) or "accuracy" not in test:
        return None
    try:
        images = test["total"] if "total" in test else _test_images(parse_table(scores, SCORES))
    except (TypeError, ValueError, IndexError):
        return None
    return measured, images, _parsed(params, lambda text: parse_yaml(text, str(PARAMS)))


def _test_images(scores: pd.DataFrame) -> int:
    is_test = (scores["split"] == "test") & (scores["score"] == "accuracy")
    return int(scores["images"][is_test].iloc[0])


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
