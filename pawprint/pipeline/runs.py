"""Run a command such as `dvc repro` as a separate process, which may outlive its parent.

`start` runs this module in a new process. That process starts the command, and writes its output to
LOG, with the time before each line. Because the command prints to a pipe, it does not show progress
bars; `pawprint.progress` writes the progress to PROGRESS instead.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from pawprint.errors import InputError
from pawprint.package import python_in
from pawprint.progress import VARIABLE, Progress, read_progress

# Paths in the project's folder.
LOG = Path(".dvc/tmp/pawprint-run.log")
PROGRESS = Path(".dvc/tmp/pawprint-run.progress")
USERS = Path(".dvc/tmp/rwlock")  # DVC's own list of the processes that read and write
# Lines of LOG, besides the command's own.
STARTED = "started as process "
STOPPED = "stopped by the user"
END = "exit status "
SECONDS = 0.05  # between two looks at a process that starts
ROW = re.compile(r"([\d.]+)\t?(.*)", re.DOTALL)  # a line may contain other separators
# A stage of `dvc repro`, or a candidate of `pawprint try`.
STEP = re.compile(
    r"(?:(?:Running stage|Stage) '|try: \d+ of \d+: )([^']+?)'?(?: is)?:? ?(cached|didn't change|$)"
)
# Lines that are only useful in a terminal.
NOISE = re.compile(r"!?\s*$|> |Updating lock|Generating lock|To (track|enable)|\t(git|dvc) |Use `")
BUSY = Progress("DVC is fetching, checking or saving files", None, "")


class PipelineRun(NamedTuple):
    """The last run. `steps` lists the name, outcome and start of each step.

    An outcome is "cached", "didn't change" or "". `lines` and `progress` belong to the last step.
    `end` is the time when the run ended, or 0 while it is active. `state` is running, elsewhere (in
    a terminal, so that nothing else is known), done, failed, stopped, killed, or "" if there was no
    run.
    """

    state: str
    steps: list[tuple[str, str, float]]
    lines: list[str]
    progress: Progress | None
    end: float


def require_idle(folder: Path) -> None:
    """Raise InputError while a run is active."""
    if is_running(folder):
        raise InputError("cannot start: another run is active. Wait until it ends.")
    if is_elsewhere(folder):
        raise InputError("cannot start: a run in a terminal is active. Wait until it ends.")


def is_elsewhere(folder: Path) -> bool:
    """Return whether a `dvc` runs a stage. Between stages, it holds one of DVC's own locks."""
    users = re.findall(r'"pid": (\d+)', _read(folder / USERS))
    return any(psutil.pid_exists(int(process)) for process in users)


def _read(path: Path) -> str:
    """Return the text of a file, or "" if it is missing. Another process may remove it now."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8")
    return ""


def _rows(folder: Path) -> list[tuple[float, str]]:
    """Return the time and the text of each line of LOG, without damaged ones."""
    rows = map(ROW.fullmatch, _read(folder / LOG).split("\n"))
    return [(float(row[1]), row[2]) for row in rows if row]


def start(folder: Path, *command: str) -> None:
    """Start a Python module with arguments in a project, such as "dvc", "repro".

    Raises InputError if another run is active.
    """
    require_idle(folder)
    (folder / PROGRESS).unlink(missing_ok=True)
    log = folder / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("", encoding="utf-8")
    process = subprocess.Popen(
        [*python_in(folder), "-m", __name__, *command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A Ctrl-C in the parent's terminal does not reach the process. On Windows, closing the
        # terminal does not end it either.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    while not _read(log):
        if process.poll() is not None:
            raise InputError(
                f"cannot start `{' '.join(command)}`: its process ended immediately. Run it in "
                "a terminal to see the reason."
            )
        time.sleep(SECONDS)


def stop(folder: Path) -> None:
    """Stop the run of a project, as Ctrl+C does.

    On Windows, Ctrl+C cannot be sent to other processes, so they are terminated.
    """
    process = _process(folder)
    if process is None:
        return
    _write_line(folder, STOPPED)
    with contextlib.suppress(OSError, psutil.Error):  # the process has just ended
        if sys.platform == "win32":
            for child in process.children(recursive=True):
                child.kill()
        else:
            os.killpg(process.pid, signal.SIGINT)


def _process(folder: Path) -> psutil.Process | None:
    """Return the process of a project's run, or None if it has ended.

    Another process may have its number now: one that does not run this module in the folder.
    """
    first = _read(folder / LOG).partition("\n")[0].partition(STARTED)[2]
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(first))
        if __name__ in process.cmdline() and folder.samefile(process.cwd()):
            return process
    return None


def is_running(folder: Path) -> bool:
    """Return whether a run that was started by `start` is active."""
    return _process(folder) is not None


def read(folder: Path) -> PipelineRun:
    """Return a project's last run."""
    # Check this before reading the log, because a finished run has written its last line.
    state = "running" if is_running(folder) else "killed"
    if state != "running" and is_elsewhere(folder):
        return PipelineRun("elsewhere", [], [], None, 0.0)
    rows = _rows(folder)
    steps: list[tuple[str, str, float]] = []
    lines: list[str] = []
    last = 0.0
    is_stopped = False
    for last, line in rows:
        if step := STEP.match(line):
            steps.append((step[1], step[2], last))
            lines = []
        elif line == STOPPED:
            is_stopped = True
        elif line.startswith(STARTED):
            continue
        elif line.startswith(END):
            state = "done" if line == f"{END}0" else "stopped" if is_stopped else "failed"
        else:
            lines.append(line)
    if state == "running":
        progress = read_progress(folder / PROGRESS) or _busy(folder)
        return PipelineRun(state, steps, lines, progress, 0.0)
    return PipelineRun(state if rows else "", steps, lines, None, last)


def _busy(folder: Path) -> Progress | None:
    """Return BUSY if the run is a `dvc` process that is between stages, otherwise None."""
    with contextlib.suppress(psutil.Error):
        process = _process(folder)
        below = process.children(recursive=True) if process else []
        if below and all("dvc" in each.cmdline() for each in below):
            return BUSY
    return None


def printed(folder: Path, *inputs: Path) -> list[str]:
    """Return the lines of the last run, or none if one of its inputs is newer or missing."""
    files = [folder / path for path in (LOG, *inputs)]
    try:
        end, *others = [path.stat().st_mtime for path in files]
    except FileNotFoundError:
        return []
    if is_running(folder) or max(others, default=end) > end:
        return []
    lines = [line for _, line in _rows(folder)]
    return [line for line in lines if line and not line.startswith((STARTED, STOPPED, END))]


def error_of(run: PipelineRun) -> str:
    """Return the message that explains why a run failed, from the stage or else from DVC.

    Lines above the message, which begin with the name of the stage, are not part of it.
    """
    is_error = [line.startswith("ERROR") for line in run.lines]
    end = is_error.index(True) if any(is_error) else len(run.lines)
    of_stage = [line for line in run.lines[:end] if not line.startswith("DVC has removed")]
    if not of_stage:
        return (run.lines[end:] or ["DVC printed no message"])[0]
    step = run.steps[-1][0] if run.steps else ""
    notes = [number for number, line in enumerate(of_stage[:-1]) if line.startswith(f"{step}: ")]
    return "\n".join(of_stage[notes[-1] + 1 if notes else 0 :])


def _write_line(folder: Path, text: str) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(f"{time.time():.1f}\t{text}\n")


def _run(command: list[str]) -> None:
    """Run a command in the project in this folder until it ends and write its output."""
    here = Path()
    # The command is in the same process group and handles it.
    signal.signal(signal.SIGINT, lambda *_: None)
    _write_line(here, f"{STARTED}{os.getpid()}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    progress = {VARIABLE: str(PROGRESS.absolute()), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*python_in(), "-m", *command],
        env=os.environ | {"PATH": path, "PYTHONIOENCODING": "utf-8"} | progress,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout
    for line in process.stdout:
        if not NOISE.match(line):
            _write_line(here, line.rstrip())
    _write_line(here, f"{END}{process.wait()}")


if __name__ == "__main__":
    _run(sys.argv[1:])
