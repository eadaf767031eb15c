"""The results of this run and of revisions of Git, read from Git's objects.

Nothing is checked out. `dvc.api.exp_show` reads as much in 25 seconds for 100 commits.
"""

import functools
import io
import json
import re
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pawprint import project
from pawprint.errors import InputError
from pawprint.files import parse_yaml
from pawprint.pipeline.revisions import WORKSPACE
from pawprint.project import LOCK

METRICS = (project.EVALUATE_METRICS, project.FINETUNE_METRICS, project.SPLIT_METRICS)
RESULTS = (project.PARAMS, *METRICS)
FILES = (*RESULTS, LOCK)
# The first in dvc.lock is of `split`. To parse all of it for each of 200 commits takes a minute.
IMAGES = re.compile(rf"path: {project.SPLIT_CSV.as_posix()}\s+hash: md5\s+md5: (\w+)".encode())
# DVC keeps an experiment as a reference that holds the commit it started from, and its name.
EXPERIMENTS = "refs/exps/??/*/*"
REFERENCE = re.compile(r"(?:tag: refs/tags/|refs/exps/../\w{38}/)([^,]+)")
FIELDS = ("%H", "%h", "%p", "%ct", "%D", "%s")
MAX_REVISIONS = 200  # the newest


class Revision(NamedTuple):
    """A commit, tag or experiment with metrics, or WORKSPACE, which `commit` then is.

    `metrics` are those of `evaluate`, `finetune` those of `train_finetune`. `split` has the number
    of images of each split; files that cannot be read are {}. `images` is the MD5 of the images
    with their splits as dvc.lock has it, or "".
    """

    commit: str
    name: str
    date: datetime | None
    subject: str
    params: dict
    metrics: dict
    finetune: dict
    split: dict
    images: str


def revisions() -> list[Revision]:
    """The workspace, then tags, experiments, and commits that change results, the newest first.

    Those of the same images follow each other.
    """
    now = [path.read_bytes() if path.is_file() else b"" for path in FILES]
    found = [Revision(WORKSPACE, WORKSPACE, None, "this run", *_parsed(now))]
    listed = _log()
    contents = _read([f"{commit}:./{path.as_posix()}" for commit, *_ in listed for path in FILES])
    for (commit, short, parent, seconds, references, subject), files in zip(
        listed, zip(*[iter(contents)] * len(FILES))
    ):
        name = ", ".join(REFERENCE.findall(references))
        if "refs/exps/" in references and "tag: " not in references:
            name, subject = f"{name} ({short})", f"experiment on {parent}"
        date = datetime.fromtimestamp(int(seconds))
        found.append(Revision(commit, name or short, date, subject, *_parsed(files)))
    found = [each for each in found if each.metrics]
    images = list(dict.fromkeys(each.images for each in found))  # those of the newest first
    return sorted(found, key=lambda each: images.index(each.images))


def _parsed(files: Sequence[bytes]) -> list:
    """The content of each of RESULTS, {} for one that is no dict; and `images` of a Revision."""
    *results, lock = files
    images = IMAGES.search(lock)
    return [*map(_parse, RESULTS, results), images[1].decode() if images else ""]


@functools.lru_cache(5 * MAX_REVISIONS)  # a page is drawn again after each click
def _parse(path: Path, content: bytes) -> dict:
    try:
        text = content.decode()
        parsed = json.loads(text) if path.suffix == ".json" else parse_yaml(text, path.name)
    except (ValueError, InputError):
        parsed = None
    return parsed if isinstance(parsed, dict) else {}


def _read(names: list[str]) -> list[bytes]:
    """The contents of objects, b"" where one is missing, by one process of Git.

    It answers `hash type size`, the content and a line break, or `name missing`.
    """
    objects = io.BytesIO(_git("cat-file", "--batch", input="\n".join(names).encode()))
    found = []
    for _ in names:
        header = objects.readline().split()
        found.append(objects.read(int(header[2]) + 1)[:-1] if len(header) == 3 else b"")
    return found


def _log() -> list[tuple[str, ...]]:
    """The FIELDS of each commit. Only NUL cannot be part of a field."""
    values = _git(
        *("log", "-z", "--no-show-signature", f"--max-count={MAX_REVISIONS}", "--decorate=full"),
        *(f"--format={'%x00'.join(FIELDS)}", "--decorate-refs=refs/tags"),
        f"--decorate-refs={EXPERIMENTS}",
        "--simplify-by-decoration",  # with paths: commits that change them or have a decoration
        *("--branches", "--tags", "--remotes", f"--glob={EXPERIMENTS}", "HEAD", "--"),
        *map(str, (*RESULTS, *project.PREDICTED_CSV.values())),
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
