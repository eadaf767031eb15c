"""What DVC recorded in each revision of Git: metrics, params, curves and predictions.

All files are read through DVC, from the commit, so nothing is checked out.
"""

import contextlib
import csv
import io
import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import dvc.api
import streamlit as st
from dvc.exceptions import DvcException
from ruamel.yaml import YAML, YAMLError

from pawprint.core import paths

PARAMS = Path("params.yaml")
WORKSPACE = "workspace"
RECORDED = (
    PARAMS,
    paths.EVALUATE_METRICS,
    paths.EXTRACT_HISTORY,
    paths.FINETUNE_HISTORY,
    paths.PREDICTIONS,
)
# DVC keeps each experiment under the commit that it began with, by its name.
EXPERIMENTS = "refs/exps/??/*/*"
REFERENCE = re.compile(r"(?:tag: refs/tags/|refs/exps/../\w{38}/)([^,]+)")
SHOWN = 200  # revisions at most, the newest


class Revision(NamedTuple):
    """A commit, tag or experiment, or with `commit` "" the files as they are now."""

    commit: str
    name: str
    seconds: int  # since 1970
    subject: str


class Result(NamedTuple):
    """The metrics of evaluation, nested as in their file, and the params by dotted key."""

    metrics: dict
    params: dict[str, Any]


def revisions(every: bool) -> list[Revision]:
    """What has a name, and the commits that changed a result or, with `every`, all; newest first.

    Without Git, or Git's history, there are none.
    """
    changed = [] if every else ["--", *map(str, RECORDED)]
    found = [
        *_log("--branches", "--tags", "--remotes", "HEAD", *changed),
        *_log("--no-walk", "--tags"),
        *_log("--no-walk", f"--glob={EXPERIMENTS}"),
    ]
    found = sorted(dict.fromkeys(found), key=lambda revision: -revision.seconds)[:SHOWN]
    times = Counter(revision.name for revision in found)
    return [
        revision._replace(name=f"{revision.name} ({revision.commit[:7]})")
        if times[revision.name] > 1  # experiments that began with different commits
        else revision
        for revision in found
    ]


def results(every: bool) -> dict[Revision, Result]:
    """Every revision that has metrics. The workspace comes first, if it is not as committed."""
    found = {
        revision: result
        for revision in revisions(every)
        if (result := result_of(revision.commit)) is not None
    }
    now = result_of("")
    head = _git("rev-parse", "HEAD").strip()
    if now is not None and (not head or now != result_of(head)):
        return {Revision("", WORKSPACE, 0, "not committed"): now, **found}
    return found


def result_of(commit: str) -> Result | None:
    """What evaluation measured in a commit, or None if it holds no such metrics."""
    metrics = _parsed(commit, paths.EVALUATE_METRICS, json.loads)
    params = _parsed(commit, PARAMS, YAML(typ="safe").load)
    test = metrics.get("test") if isinstance(metrics, dict) else None
    if not isinstance(test, dict) or not {"accuracy", "correct", "total"} <= test.keys():
        return None
    return Result(metrics, flat(params) if isinstance(params, dict) else {})


def rows_of(commit: str, path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file in a commit; none if it is not there."""
    return _parsed(commit, path, lambda text: list(csv.DictReader(io.StringIO(text)))) or []


def flat(nested: dict, prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one, with dotted keys."""
    found = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def differing(results: list[Result]) -> list[str]:
    """The params that are not the same in all of the results, in the order of the first."""
    keys = dict.fromkeys(key for result in results for key in result.params)
    return [key for key in keys if len({repr(result.params.get(key)) for result in results}) > 1]


def _parsed(commit: str, path: Path, parse: Callable[[str], Any]) -> Any:
    """What `parse` makes of a file; None if it is missing or another kind of file."""
    try:
        return parse(_committed(commit)[path] if commit else path.read_text(encoding="utf-8"))
    except (KeyError, OSError, ValueError, YAMLError, csv.Error):
        return None


@st.cache_data(max_entries=SHOWN, show_spinner=False)
def _committed(commit: str) -> dict[Path, str]:
    """The texts of those RECORDED that a commit holds: opening it costs more than reading them."""
    files = dvc.api.DVCFileSystem(rev=commit)
    found = {}
    for path in RECORDED:
        with contextlib.suppress(OSError, ValueError, DvcException):
            found[path] = files.read_text(path.as_posix(), encoding="utf-8")
    return found


def _log(*which: str) -> list[Revision]:
    lines = _git(
        "log",
        f"--max-count={SHOWN}",
        "--format=%H%x00%h%x00%p%x00%ct%x00%D%x00%s",
        "--decorate=full",
        "--decorate-refs=refs/tags",
        "--decorate-refs=refs/exps",
        *which,
    ).splitlines()
    found = []
    for line in lines:
        commit, short, parent, seconds, references, subject = line.split("\0")
        if "refs/exps/" in references:  # DVC's own subject says nothing
            subject = f"experiment on {parent}"
        names = REFERENCE.findall(references)
        found.append(Revision(commit, ", ".join(names) or short, int(seconds), subject))
    return found


def _git(*arguments: str) -> str:
    """What Git prints; nothing if there is no Git, no repository or no commit."""
    try:
        result = subprocess.run(
            ["git", *arguments], capture_output=True, encoding="utf-8", errors="replace"
        )
    except FileNotFoundError:
        return ""
    return result.stdout if result.returncode == 0 else ""
