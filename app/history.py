"""Results in each revision of Git: metrics, params, learning curves and predictions.

Files are read from Git's objects: nothing is checked out.
"""

import io
import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.sources import without_secrets
from pawprint.core.tables import Columns
from pawprint.core.yaml import parse_yaml

PARAMS = Path("params.yaml")
WORKSPACE = "workspace"
RECORDED = (
    PARAMS,
    paths.EVALUATE_METRICS,
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
    """A commit, tag or experiment; `commit` is "" for the workspace."""

    commit: str
    name: str
    seconds: int  # since 1970
    subject: str


class Result(NamedTuple):
    """metrics/evaluate.json, and params.yaml with dotted keys."""

    metrics: dict
    params: dict[str, Any]


def revisions(every: bool) -> list[Revision]:
    """Tags, experiments, and the commits that change a RECORDED file or, with `every`, all commits.

    The newest come first. The list is empty without Git or commits.
    """
    changed = [] if every else ["--", *map(str, RECORDED)]
    found = [
        *_log("--branches", "--tags", "--remotes", "HEAD", *changed),
        *_log("--no-walk", "--tags"),
        *_log("--no-walk", f"--glob={EXPERIMENTS}"),
    ]
    found = sorted(dict.fromkeys(found), key=lambda revision: -revision.seconds)[:MAX_REVISIONS]
    times = Counter(revision.name for revision in found)
    return [
        revision._replace(name=f"{revision.name} ({revision.commit[:7]})")
        if times[revision.name] > 1  # experiments on different commits may share a name
        else revision
        for revision in found
    ]


def results(every: bool) -> dict[Revision, Result]:
    """The revisions that hold metrics. The workspace comes first if it differs from HEAD."""
    known = revisions(every)
    files = (PARAMS, paths.EVALUATE_METRICS)
    commits = ["", "HEAD", *(revision.commit for revision in known)]
    read = iter(_read([(commit, path) for commit in commits for path in files]))
    now, head, *recorded = (_result(*pair) for pair in zip(read, read))
    found = {revision: result for revision, result in zip(known, recorded) if result}
    if now and now != head:
        return {Revision("", WORKSPACE, 0, "not committed"): now, **found}
    return found


def table_of(commit: str, path: Path, columns: Columns) -> pd.DataFrame:
    """These columns of a CSV file in a commit; no rows if it is missing or lacks a column."""
    (content,) = _read([(commit, path)])
    try:
        return pd.read_csv(
            io.BytesIO(content or b""), usecols=list(columns), dtype=columns, na_filter=False
        )
    except ValueError:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def flat(nested: dict, prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one dict with dotted keys, without passwords in URLs."""
    found = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = without_secrets(value) if isinstance(value, str) else value
    return found


def differing(results: list[Result]) -> list[str]:
    """The params whose values differ between the results, in the order of the first."""
    keys = dict.fromkeys(key for result in results for key in result.params)
    return [key for key in keys if len({repr(result.params.get(key)) for result in results}) > 1]


@lru_cache(2 * MAX_REVISIONS)
def _result(params: bytes | None, metrics: bytes | None) -> Result | None:
    """None unless the metrics hold a test accuracy. Params that cannot be read are left out."""
    measured = _parsed(metrics, json.loads)
    test = measured.get("test") if isinstance(measured, dict) else None
    if not isinstance(test, dict) or not {"accuracy", "correct", "total"} <= test.keys():
        return None
    recorded = _parsed(params, lambda text: parse_yaml(text, str(PARAMS)))
    return Result(measured, flat(recorded) if isinstance(recorded, dict) else {})


def _parsed(content: bytes | None, parse: Callable[[str], Any]) -> Any:
    """What `parse` returns for the text; None if the file is missing or of another format."""
    try:
        return parse((content or b"").decode())
    except (ValueError, InputError):
        return None


def _read(files: list[tuple[str, Path]]) -> list[bytes | None]:
    """The contents of paths in commits, "" being the workspace; None where a file is missing.

    One process of Git reads all of them.
    """
    names = "".join(f"{commit}:./{path.as_posix()}\n" for commit, path in files if commit)
    objects = io.BytesIO(_git("cat-file", "--batch", input=names.encode()))
    found: list[bytes | None] = []
    for commit, path in files:
        if commit:
            found.append(_next_object(objects))
        else:
            found.append(path.read_bytes() if path.is_file() else None)
    return found


def _next_object(objects: io.BytesIO) -> bytes | None:
    """One answer of `git cat-file --batch`: `hash type size`, the content, an empty line."""
    header = objects.readline().split()
    if len(header) != 3:  # `name missing`
        return None
    content = objects.read(int(header[2]))
    objects.readline()
    return content


def _log(*which: str) -> list[Revision]:
    """The commits that `git log` lists. Only NUL cannot be part of a field."""
    values = _git(
        "log",
        "-z",
        "--no-show-signature",
        f"--max-count={MAX_REVISIONS}",
        f"--format={'%x00'.join(FIELDS)}",
        "--decorate=full",
        "--decorate-refs=refs/tags",
        "--decorate-refs=refs/exps",
        *which,
    )
    texts = iter(values.decode(errors="replace").split("\0"))
    found = []
    for commit, short, parent, seconds, references, subject in zip(*[texts] * len(FIELDS)):
        if "refs/exps/" in references:  # DVC's own subject is the same for all experiments
            subject = f"experiment on {parent}"
        names = REFERENCE.findall(references)
        found.append(Revision(commit, ", ".join(names) or short, int(seconds), subject))
    return found


def _git(*arguments: str, input: bytes = b"") -> bytes:
    """What Git prints; nothing if there is no Git, no repository or no commit."""
    try:
        result = subprocess.run(["git", *arguments], input=input, capture_output=True)
    except FileNotFoundError:
        return b""
    return result.stdout if result.returncode == 0 else b""
