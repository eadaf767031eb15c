"""A command as a process of its own, in a terminal of its own: it outlives who started it.

What it prints is in LOG, each line after its time. LOCK is held as long as it runs.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from pawprint.errors import InputError
from pawprint.package import python_in

HAS_TERMINALS = os.name == "posix"
if HAS_TERMINALS:
    import fcntl
    import pty
    import termios

LOCK = Path(".dvc/tmp/pawprint-run.lock")
LOG = Path(".dvc/tmp/pawprint-run.log")
USERS = Path(".dvc/tmp/rwlock")  # DVC's own list of the processes that read and write
SIZE = (50, 100)  # of the terminal: lines, columns
END = "exit status "
# A stage of `dvc repro` or a candidate of `pawprint try`.
STEP = re.compile(
    r"(?:(?:Running stage|Stage) '|try: \d+ of \d+: )([^']+?)'?(?: is)?:? ?(cached|didn't change|$)"
)
BAR = re.compile(r"(\S[^|]*): +(\d+)%\|.*\| *(.*)")  # progress of a step
# Progress of DVC, colours, and what helps at a terminal only.
NOISE = re.compile(
    r"!?\s*$|\s*\d+%[ |]|.*\[\d+:\d\d[<,]"
    r"|> |Updating lock|Generating lock|To (track|enable)|\t(git|dvc) |Use `"
)


class PipelineRun(NamedTuple):
    """The last run. `steps` has each step: name, "cached", "didn't change" or "", and start.

    `lines` and `bar` (title, percent, more) are those of its last step, `end` is its time, 0 while
    it goes on. `state` is one of running, elsewhere (in a terminal, of which nothing else is
    known), done, failed, stopped, killed, and "" if there was none.
    """

    state: str
    steps: list[tuple[str, str, float]]
    lines: list[str]
    bar: tuple[str, str, str] | None
    end: float


@contextlib.contextmanager
def alone() -> Iterator[IO]:
    """LOCK, for one block of all processes at a time. Raises InputError while DVC runs."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a+") as lock:
        try:
            if HAS_TERMINALS:  # elsewhere, no process holds it
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("Expected no other run. Received: one that goes on.") from None
        if is_elsewhere():
            raise InputError("Expected no other run. Received: one in a terminal.")
        yield lock


def is_elsewhere() -> bool:
    """Whether a `dvc` runs a stage. Between stages it holds a lock of DVC's own."""
    text = USERS.read_text(encoding="utf-8") if USERS.exists() else ""
    return any(psutil.pid_exists(int(process)) for process in re.findall(r'"pid": (\d+)', text))


def start(*command: str) -> None:
    """Start a Python module with arguments, as "dvc", "repro". Raises InputError if one goes on."""
    with alone() as lock:
        LOG.unlink(missing_ok=True)
        command = [*python_in(), "-m", "pawprint.tools.running", *command]
        process = subprocess.Popen(command, pass_fds=[lock.fileno()], start_new_session=True)
        lock.truncate(0)
        lock.write(str(process.pid))


def stop() -> None:
    """As Ctrl+C."""
    with contextlib.suppress(OSError):  # it has ended
        if is_running():
            os.kill(int(LOCK.read_text(encoding="utf-8")), signal.SIGINT)


def is_running() -> bool:
    if not LOCK.exists():
        return False
    with LOCK.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # those that look do not collide
        except BlockingIOError:
            return True
    return False


def read() -> PipelineRun:
    """The last run."""
    state = "running" if is_running() else "killed"  # first: an ended run has its last line
    if state != "running" and is_elsewhere():
        return PipelineRun("elsewhere", [], [], None, 0.0)
    text = LOG.read_text(encoding="utf-8") if LOG.exists() else ""
    steps, lines, bar, last = [], [], None, 0.0
    for row in text.splitlines():
        seconds, _, line = row.partition("\t")
        last = float(seconds)
        if step := STEP.match(line):
            steps.append((step[1], step[2], last))
            lines, bar = [], None
        elif line.startswith(END) and state != "running":
            is_stopped = any("^C" in line for line in lines)  # as the terminal shows it
            state = "done" if line == f"{END}0" else "stopped" if is_stopped else "failed"
        elif found := BAR.match(line):
            bar = found[1], found[2], found[3]
        else:
            lines.append(line)
    if state == "running":
        return PipelineRun(state, steps, lines, bar, 0.0)
    return PipelineRun(state if text else "", steps, lines, bar, last)


def printed(*inputs: Path) -> list[str]:
    """Return the lines of the last run, none if one of its inputs is newer or missing."""
    if not LOG.exists() or is_running():
        return []
    end = LOG.stat().st_mtime
    if any(not path.exists() or path.stat().st_mtime > end for path in inputs):
        return []
    return [row.partition("\t")[2] for row in LOG.read_text(encoding="utf-8").splitlines()]


def error_of(run: PipelineRun) -> str:
    """The line that says why a run failed: of the stage, or else of DVC."""
    is_error = [line.startswith("ERROR") for line in run.lines]
    end = is_error.index(True) if any(is_error) else len(run.lines)
    of_stage = [line for line in run.lines[:end] if not line.startswith("DVC has removed")]
    return of_stage[-1] if of_stage else (run.lines[end:] or ["DVC said nothing"])[0]


def main() -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process, terminal = pty.fork()
    if not process:
        # Ignored in what a script starts in the background, so that Stop would do nothing.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.environ |= {"PATH": path, "TQDM_MININTERVAL": "1"}
        os.execv(sys.executable, [*python_in(), "-m", *sys.argv[1:]])
    signal.signal(signal.SIGINT, lambda *_: os.write(terminal, b"\x03"))
    termios.tcsetwinsize(terminal, SIZE)
    rest = b""
    with LOG.open("w", encoding="utf-8", buffering=1) as log:
        with contextlib.suppress(OSError):  # on Linux, the end
            while data := os.read(terminal, 65536):
                *lines, rest = re.split(rb"[\r\n]+", rest + data)
                for line in lines:
                    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", line.decode(errors="replace"))
                    if BAR.match(text) or not NOISE.match(text):
                        log.write(f"{time.time():.1f}\t{text}\n")
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        log.write(f"{time.time():.1f}\t{END}{status}\n")


if __name__ == "__main__":
    main()
