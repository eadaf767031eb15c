"""Run `dvc repro` and kill it at random moments.

Each time, the stage that runs first, DVC itself and all their child processes are killed at once
(SIGKILL). The moment is drawn from twice the duration of the stage: while it works, while DVC saves
its outputs, or later. Then `dvc repro` is started and killed again until one run finishes. Its
files must have the same bytes as those of an undisturbed run.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from conftest import PROJECT, SAMPLE_WEIGHTS, TINY, environment_with, sha256

from examples.demo import draw_dataset, prepare
from pawprint.base.files import pack
from pawprint.commands.params_file import apply_recipe, overlay

# The weights are not in a workspace, because test_pipeline.py tracks all of its files. The other
# two params have values that test_pipeline.py can change.
CHANGES = f"""
weights: {{source: {SAMPLE_WEIGHTS}}}
train_extract: {{epochs: {{number: 3, learning_rate_decay: cosine, keep_best: false}}}}
calibrate: {{threshold: {{dog: 0.5}}}}
"""
SAMPLE = apply_recipe((PROJECT / "params.yaml").read_text(encoding="utf-8"), "sample")
SMALL = overlay(overlay(SAMPLE, TINY), CHANGES)
# Messages that DVC prints if it was killed while writing its own files.
HALF_WRITTEN_BY_DVC = {
    "Unable to read RWLock-file": ".dvc/tmp/rwlock",
    "dvc.lock' is invalid": "dvc.lock",
    "dvc.lock' validation failed": "dvc.lock",
}
MADE = ("data", "metrics", "models", "plots", "docs/model_card.md", "dvc.lock")


def fingerprint(workspace: Path, names: Iterable[str] = MADE) -> dict[str, str]:
    """Return the SHA-256 of every file that the pipeline made, by path, including partial files."""
    made = (path for name in names for path in [workspace / name, *(workspace / name).rglob("*")])
    return {path.relative_to(workspace).as_posix(): sha256(path) for path in made if path.is_file()}


def start(workspace: Path, **environment: str) -> subprocess.Popen:
    """Start `dvc repro` as the leader of its own process group."""
    return subprocess.Popen(
        ("dvc", "repro"),
        cwd=workspace,
        env=environment_with(PYTHONUNBUFFERED="1", **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )


def first_stage(process: subprocess.Popen) -> tuple[str, str]:
    """Return the first stage of a run, or "" if it ends without one, and what it printed."""
    output = ""
    for line in process.stdout:
        output += line
        if line.startswith("Running stage"):
            return line.split("'")[1], output
    return "", output


class Undisturbed:
    """An undisturbed run, its fingerprint, and the duration of each stage in seconds."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        pack(folder / "images.zip", draw_dataset(train=10, validation=6))
        self.workspace = self.prepare("undisturbed")
        self.seconds, stage, output = {}, "", ""
        with start(self.workspace, **environment) as process:
            for line in process.stdout:
                output += line
                if line.startswith("Running stage"):
                    stage, started = line.split("'")[1], time.monotonic()
                if stage:
                    self.seconds[stage] = time.monotonic() - started
        assert process.returncode == 0, output
        self.fingerprint = fingerprint(self.workspace)

    def prepare(self, name: str) -> Path:
        """Return a new workspace that is ready for the same run."""
        workspace = self.folder / name / "workspace"
        workspace.parent.mkdir()
        shutil.copy(self.folder / "images.zip", workspace.parent)
        prepare(workspace, SMALL)
        return workspace


def kill(workspace: Path, moment: Callable[[str], float | None]) -> str:
    """Start a run and kill it. Return the stage that it started with, or "" if it finished.

    `moment` returns how many seconds after the start of that stage to kill the run, or None for
    never. Raises AssertionError if the run ended with an error by itself, unless
    docs/troubleshooting.md says which of DVC's own files to remove; the run is then started again
    without it.
    """
    with start(workspace) as process:
        stage, output = first_stage(process)
        try:
            process.wait(moment(stage) if stage else None)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return stage
        output += process.stdout.read()
    if process.returncode == 0:
        return ""
    messages = [pair for pair in HALF_WRITTEN_BY_DVC.items() if pair[0] in output]
    assert messages, output
    _, file = messages[0]
    (workspace / file).unlink()
    return kill(workspace, moment)


def recover(undisturbed: Undisturbed, kills: int, seed: int) -> int:
    """Return how many of these kills a workspace recovered from."""
    draw, done, recovered = random.Random(seed), 0, 0

    def any_moment(stage: str) -> float:
        return draw.uniform(0, 2 * undisturbed.seconds[stage])

    while done < kills:
        workspace = undisturbed.prepare(f"after {done} kills")
        killed = []
        while done + len(killed) < kills and (stage := kill(workspace, any_moment)):
            killed.append(stage)
        kill(workspace, lambda stage: None)
        done += len(killed)
        recovered += (fingerprint(workspace) == undisturbed.fingerprint) * len(killed)
    return recovered
