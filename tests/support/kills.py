"""Start `dvc repro` in a process group that can be killed, and compare what runs have made."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from conftest import environment_with, sha256

MADE = ("data", "metrics", "models", "plots", "docs/model_card.md", "dvc.lock")


def fingerprint(workspace: Path, names: Iterable[str] = MADE) -> dict[str, str]:
    """Return the SHA-256 of every file that the pipeline made, by path, including partial files."""
    made = (path for name in names for path in [workspace / name, *(workspace / name).rglob("*")])
    return {path.relative_to(workspace).as_posix(): sha256(path) for path in made if path.is_file()}


def start(workspace: Path, *targets: str) -> subprocess.Popen:
    """Start `dvc repro` as the leader of its own process group."""
    return subprocess.Popen(
        ("dvc", "repro", *targets),
        cwd=workspace,
        env=environment_with(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
