"""All that Pawprint asks of DVC: its settings, files of a revision, what changed, runs of stages.

No other module imports DVC. It is imported in functions, as that takes 0.3 s, which a stage or the
process of a run need not wait for. A run is a command as a process of its own, in a terminal of its
own: it outlives who started it. What it prints is in LOG, each line after its time. LOCK is held as
long as it runs.
"""

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, TypeVar

import psutil

from pawprint.errors import InputError, printable, reason
from pawprint.git import work_tree
from pawprint.package import python_in

if TYPE_CHECKING:
    from dvc.repo import Repo

WORKSPACE = "workspace"
Parsed = TypeVar("Parsed")
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


def folder_of_cache(folder: Path) -> Path:
    """Return where DVC caches files, by its settings in a folder `.dvc`.

    It is the place of DVC's defaults where DVC cannot read its settings.
    """
    from dvc.config import Config
    from dvc.exceptions import DvcException

    cache = folder / "cache"
    with contextlib.suppress(DvcException, OSError, ValueError):
        cache = Config(folder)["cache"].get("dir", cache)
    return Path(cache, "files", "md5")


def tracked_files(folder: Path) -> dict[str, str] | None:
    """Return the MD5 of each file below a folder that DVC tracks, by its path there with slashes.

    None if DVC does not keep what is in the folder now: it is no output of DVC, such as of
    `dvc add`, or it has changed since DVC saw it. As DVC does, this hashes only files that DVC has
    not hashed before.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.tree import Tree

    with contextlib.suppress(DvcException, FileNotFoundError), Repo() as repo:
        out = repo.find_outs_by_path(str(folder), strict=False)[0]
        root = Path(out.fs_path)
        options = {"ignore": out.dvcignore, "dry_run": True}
        *_, tree = build(out.cache, str(root), out.fs, "md5", **options)
        if out.use_cache and isinstance(tree, Tree) and tree.hash_info == out.hash_info:
            inner = folder.resolve().relative_to(root.resolve()).parts
            return {
                "/".join(key[len(inner) :]): md5.value
                for key, _, md5 in tree
                if key[: len(inner)] == inner
            }
    return None


def read_revision(folder: Path, rev: str, path: Path, parse: Callable[[bytes], Parsed]) -> Parsed:
    """Return what `parse` makes of a project's file of a revision, in Git or DVC's cache or remote.

    A revision is a commit, branch, tag or experiment, or WORKSPACE. Raises InputError if there is
    none, if Git does not read the repository, and if `parse` raises ValueError: "expected …".
    """
    from dvc import api
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    try:
        if not rev:  # DVC would read the workspace
            raise FileNotFoundError("an empty name")
        if rev == WORKSPACE:
            return parse((folder / path).read_bytes())
        work_tree(folder)  # raises with Git's reason, where DVC has a traceback
        with contextlib.chdir(folder):
            return parse(api.read(_from_root(path), rev=rev, mode="rb"))
    except ValueError as error:
        raise InputError(f"{rev}: {path}: {error}. Choose a revision that has this.") from None
    except (OSError, DvcException, DataIndexDirError) as error:
        raise InputError(
            f"{rev}: expected a commit, branch, tag or experiment with {path} in Git or in DVC's "
            f"cache or remote. Received: {' '.join(str(error).split())}"
        ) from None


def _from_root(path: Path) -> str:
    """Return the path from the root of the Git repository, where DVC looks for files of it."""
    from dvc.repo import Repo

    with Repo() as repo:
        project, root = map(os.path.realpath, (repo.root_dir, repo.scm.root_dir))
    return Path(os.path.relpath(project, root), path).as_posix()


def make_project(folder: Path) -> None:
    """Make a folder a project of DVC. Raises InputError where DVC could not work."""
    from dvc.repo import Repo

    is_top = (folder / ".git").exists()
    with _reasons_of_dvc(folder), Repo.init(str(folder), subdir=not is_top) as repo:
        cache = repo.cache.local.path
    if set("{}") & set(cache):
        raise InputError(
            f"{printable(cache)}: expected a path without {{ and }} for DVC's cache, as DVC fails "
            "at them. Choose a folder of another name."
        )


def track(folder: Path, name: str) -> None:
    """Let DVC track a file or folder of a project, as `dvc add`. Raises InputError if it cannot."""
    from dvc.repo import Repo

    with _reasons_of_dvc(folder), Repo(str(folder)) as repo:
        repo.add(str(folder / name))


@contextlib.contextmanager
def _reasons_of_dvc(folder: Path) -> Iterator[None]:
    """Raise InputError with the reason of DVC for what it raises in the block.

    Errors of the file system stay what they are.
    """
    logging.disable()  # a line for each file; its progress bars stay
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # DVC lets those of other libraries pass
        causes = filter(None, (error, error.__cause__))
        says = " ".join(dict.fromkeys(map(reason, causes)))
        raise InputError(
            f"{folder}: expected DVC to set up the project. Received: {says}"
        ) from None
    finally:
        logging.disable(logging.NOTSET)


@contextlib.contextmanager
def _project(folder: Path, command: str, advice: str = "") -> Iterator["Repo"]:
    """Open the project in a folder, which is the current one in the block: DVC names files from it.

    Raises InputError if it is none, or for an error of DVC in the block.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with contextlib.chdir(folder), Repo() as repo:
            yield repo
    except DvcException as error:
        expected = "no other running `dvc`" if isinstance(error, LockError) else "success"
        raise InputError(
            f"{command}: expected {expected}. Received: {_one_line(error)}{advice}"
        ) from None


def find_changed(folder: Path, stages: tuple[str, ...] = ()) -> dict[str, set[str]]:
    """Return what differs from dvc.lock by stage, for these stages and those before them, or all.

    A stage without a change has none; the key of a file that DVC tracks is the name of its .dvc
    file. Missing data does not differ. Raises InputError during another run.
    """
    with _project(folder, "dvc status") as repo:
        status = repo.status(targets=list(stages) or None, with_deps=bool(stages))
        groups = [repo.stage.collect(name, with_deps=True) for name in stages or (None,)]
    names = {stage.addressing for group in groups for stage in group}
    return {name: {*_names_of_changes(status.get(name, []))} for name in names}


def _names_of_changes(changes: list[dict | str]) -> Iterator[str]:
    """Yield the names of what differs, from the status of a stage."""
    for change in changes:
        if isinstance(change, str):  # such as "changed command"
            yield change
            continue
        for path, state in (pair for states in change.values() for pair in states.items()):
            if isinstance(state, dict):
                yield from (f"{path} {key}" for key in state)
            elif state in ("modified", "new"):
                yield path


def find_stages_to_run(folder: Path) -> list[str]:
    """Return the stages that `dvc repro` would begin with, in the order of dvc.yaml.

    Stages after these run, too, where their inputs change. Raises InputError if DVC fails.
    """
    with _project(folder, "dvc status") as repo:
        status = repo.status()
    return [name for name in status if name != "code" and not name.endswith(".dvc")]


def find_changed_files(folder: Path, source: str) -> dict[str, list[str]]:
    """Return what differs in a tracked file or folder from the last commit: paths by kind.

    The kinds are added, deleted, modified and renamed; a folder ends in a slash. Raises InputError
    if DVC fails.
    """
    with _project(folder, "dvc diff") as repo:
        found = repo.diff(targets=[source])
    paths = {kind: [file["path"] for file in files] for kind, files in found.items()}
    return {
        kind: [path if isinstance(path, str) else path["new"] for path in names]
        for kind, names in paths.items()
    }


def check_out(folder: Path, pipeline: Path) -> set[str]:
    """Restore what the stages of a dvc.yaml write, and return the outputs that the cache lacks.

    Outputs of stages that have not run are among them. Raises InputError if DVC fails.
    """
    from dvc.exceptions import CheckoutError

    # It names all outputs of stages that the commit has not run.
    logging.getLogger("dvc_data").setLevel(logging.ERROR)
    with _project(folder, "dvc checkout", ". Run `dvc repro`.") as repo:
        try:
            repo.checkout([pipeline.name], force=True)
        except CheckoutError as error:
            return {*error.target_infos}
    return set()


def _one_line(error: Exception) -> str:
    return printable(" ".join(str(error).split()))


class PipelineRun(NamedTuple):
    """The last run. `steps` has each step: name, "cached", "didn't change" or "", and start.

    `lines` and `bar` (title, percent, more) belong to its last step, `end` is its time, 0 while it
    goes on. `state` is one of running, elsewhere (in a terminal, of which nothing else is
    known), done, failed, stopped, killed, and "" if there was none.
    """

    state: str
    steps: list[tuple[str, str, float]]
    lines: list[str]
    bar: tuple[str, str, str] | None
    end: float


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[IO]:
    """Hold LOCK, for one block of all processes at a time. Raises InputError while DVC runs."""
    path = folder / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            if HAS_TERMINALS:  # elsewhere, no process holds it
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("Expected no other run. Received: one that goes on.") from None
        if is_elsewhere(folder):
            raise InputError("Expected no other run. Received: one in a terminal.")
        yield lock


def is_elsewhere(folder: Path) -> bool:
    """Return whether a `dvc` runs a stage. Between stages it holds a lock of DVC's own."""
    users = folder / USERS
    text = users.read_text(encoding="utf-8") if users.exists() else ""
    return any(psutil.pid_exists(int(process)) for process in re.findall(r'"pid": (\d+)', text))


def start(folder: Path, *command: str) -> None:
    """Start a Python module with arguments in a project, as "dvc", "repro".

    Raises InputError if one goes on.
    """
    with alone(folder) as lock:
        (folder / LOG).unlink(missing_ok=True)
        apart = [*python_in(folder), "-m", "pawprint.pipeline.dvc", *command]
        process = subprocess.Popen(
            apart, cwd=folder, pass_fds=[lock.fileno()], start_new_session=True
        )
        lock.truncate(0)
        lock.write(str(process.pid))


def stop(folder: Path) -> None:
    """Stop the run of a project, as Ctrl+C does."""
    with contextlib.suppress(OSError):  # it has ended
        if is_running(folder):
            os.kill(int((folder / LOCK).read_text(encoding="utf-8")), signal.SIGINT)


def is_running(folder: Path) -> bool:
    """Return whether a run that `start` started goes on."""
    path = folder / LOCK
    if not path.exists():
        return False
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # those that look do not collide
        except BlockingIOError:
            return True
    return False


def read(folder: Path) -> PipelineRun:
    """Return the last run of a project."""
    state = "running" if is_running(folder) else "killed"  # first: an ended run has its last line
    if state != "running" and is_elsewhere(folder):
        return PipelineRun("elsewhere", [], [], None, 0.0)
    log = folder / LOG
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    steps: list[tuple[str, str, float]] = []
    lines: list[str] = []
    bar = None
    last = 0.0
    for row in text.splitlines():
        seconds, _, line = row.partition("\t")
        last = float(seconds)
        if step := STEP.match(line):
            steps.append((step[1], step[2], last))
            lines = []
            bar = None
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


def printed(folder: Path, *inputs: Path) -> list[str]:
    """Return the lines of the last run, none if one of its inputs is newer or missing."""
    log = folder / LOG
    if not log.exists() or is_running(folder):
        return []
    end = log.stat().st_mtime
    files = [folder / path for path in inputs]
    if any(not path.exists() or path.stat().st_mtime > end for path in files):
        return []
    return [row.partition("\t")[2] for row in log.read_text(encoding="utf-8").splitlines()]


def error_of(run: PipelineRun) -> str:
    """Return the line that says why a run failed: of the stage, or else of DVC."""
    is_error = [line.startswith("ERROR") for line in run.lines]
    end = is_error.index(True) if any(is_error) else len(run.lines)
    of_stage = [line for line in run.lines[:end] if not line.startswith("DVC has removed")]
    return of_stage[-1] if of_stage else (run.lines[end:] or ["DVC said nothing"])[0]


def main() -> None:
    """Run a module in a terminal, and write what it prints into LOG."""
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
