"""Entry points: what starts a process, and ends it with one line for a user's mistake.

A stage also refuses code other than that which DVC records, and inputs that change while it runs.
"""

import contextlib
import os
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NoReturn, TypeVar

from pawprint.errors import InputError
from pawprint.package import DISTRIBUTION, folders_of_code, script_of
from pawprint.project import CODE

_at_start: dict[Path, tuple[int, int]] = {}  # stamps of files of code


def run(main: Callable[[], int | None]) -> NoReturn:
    """Call `main` and exit with the status that it returns.

    An InputError is printed on stderr, without a traceback, and the status is 1. Ctrl-C is one
    line. Characters that the terminal's encoding lacks are printed as escapes.
    """
    sys.excepthook = shorten_ctrl_c
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    try:
        status = main()
        sys.stdout.flush()
    except InputError as error:
        print(error, file=sys.stderr)
        status = 1
    except ModuleNotFoundError as error:  # as after an installation for serving
        print(
            f"{sys.argv[0]}: expected all packages of Pawprint. Received: no {error.name}. Run "
            f"`pip install {DISTRIBUTION}`, which adds what is missing.",
            file=sys.stderr,
        )
        status = 1
    except MemoryError:
        print(f"{sys.argv[0]}: expected more free memory. Received: too little.", file=sys.stderr)
        status = 1
    except BrokenPipeError:  # as in `pawprint predict … | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    if status:
        _say_what_dvc_removed()
    sys.exit(status)


def shorten_ctrl_c(kind: type, error: BaseException, traceback: TracebackType | None) -> None:
    """A `sys.excepthook` with one line for Ctrl-C; Python then ends the process as SIGINT does."""
    if kind is not KeyboardInterrupt:
        return sys.__excepthook__(kind, error, traceback)
    path = Path(sys.argv[0])
    name = path.parent.name if path.name == "__main__.py" else path.stem
    print(f"\n{name}: stopped", file=sys.stderr)
    _say_what_dvc_removed()


def _say_what_dvc_removed() -> None:
    if os.environ.get("DVC_STAGE", CODE.name) != CODE.name:
        print(
            "DVC has removed the outputs of this stage. `dvc repro` makes them again; `git restore "
            "metrics plots docs` and `dvc checkout` restore those of the last commit.",
            file=sys.stderr,
        )


def note_code() -> None:
    """Remember when code last changed, before a stage imports it."""
    if "DVC_STAGE" in os.environ:
        for folder in folders_of_code().values():
            _at_start.update(stamps(folder))


def run_stage(main: Callable[[], None]) -> NoReturn:
    """As `run`. One line names the packages that are not those which requirements.txt pins.

    It is a user's mistake if DVC starts the stage with other code than the stage `code` recorded,
    or if what the stage reads changes before it ends.
    """
    stage = Path(sys.argv[0]).stem
    lines, differing = running_code(stage)
    if differing:
        print(
            f"{stage}: expected the versions of requirements.txt. Received: {', '.join(differing)}."
            " Results may differ. Run `pip install -r requirements.txt`.",
            file=sys.stderr,
        )

    def main_and_checks() -> None:
        if "DVC_STAGE" in os.environ:
            _require_recorded(stage, lines)
        main()
        require_unchanged()

    run(main_and_checks)


def running_code(stage: str) -> tuple[list[str], list[str]]:
    """The lines of the fingerprint of a stage, and the packages that are not as pinned there."""
    # Only here, because it takes most of the time until `stages` sets `sys.excepthook`.
    from pawprint.pipeline.fingerprint import not_as_pinned

    code = CODE / f"{stage}.txt"
    lines = code.read_text(encoding="utf-8").splitlines() if code.is_file() else []
    return lines, not_as_pinned(line for line in lines if "==" in line)


def _require_recorded(stage: str, lines: list[str]) -> None:
    """Raise InputError if code is not that of these lines of a fingerprint.

    A file that has changed since the process began counts as different: Python may have imported it
    in between. What is not imported yet, such as templates and modules that few runs need, is
    watched until the stage ends. All other edits are allowed then, as no process reads them.
    """
    from pawprint.pipeline.fingerprint import Code

    code, script = Code(), script_of(stage)
    if Path(sys.argv[0]).resolve() != code.path_of(script).resolve():
        raise InputError(
            f"dvc.yaml: stages.{stage}.cmd: expected one that runs {script}. Received: the script "
            "of the package."
        )
    imported = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for line in lines:
        file = line.partition("  ")[2]
        if not file:  # a pin
            continue
        path = code.path_of(file.partition(":")[0])  # perhaps with the name of a constant
        is_same = path.is_file() and code.line_of(file) == line
        if not is_same or not stamps(path).items() <= _at_start.items():
            # So that DVC runs `code` again, also where it has recorded the edit as known to `code`.
            (CODE / f"{stage}.txt").unlink()
            raise InputError(
                f"{file}: expected the code that the stage `code` recorded. Received: an edit of "
                f"it. Run `dvc repro {stage}`."
            )
        if str(path.absolute()) not in imported:
            watch(file, partial(stamps, path))


Content = TypeVar("Content")
_readings: dict[str, tuple[Callable[[], object], object]] = {}


def watch(name: str, read: Callable[[], Content]) -> Content:
    """What `read` returns. A stage ends with an error if `read` returns something else then."""
    content = read()
    _readings[name] = read, content
    return content


def require_unchanged() -> None:
    """Raise InputError if something that is watched has changed."""
    for name, (read, before) in _readings.items():
        if read() != before:
            raise InputError(
                f"{name}: expected no change while the stage runs. Received: a change, which DVC "
                "would record as if the stage had read it. Run `dvc repro` again."
            )


def stamps(path: Path) -> dict[Path, tuple[int, int]]:
    """Bytes, and time of the last change in ns, of a file, or of each file below a folder.

    Those of compiled modules are left out.

    A change is one of content, name or mode: programs that keep the time of modification, such as
    `cp -p`, `rsync -t`, `mv` and `tar`, do not keep that of the change. Windows and some network
    drives have no such time: there a file of the same size with its old time of modification goes
    unnoticed. So does, everywhere, a change after a stage has ended and before DVC hashes.
    """
    times = {}
    for parent, _, names in [("", (), [path]), *os.walk(path)]:
        for file in (Path(parent, name) for name in names):
            with contextlib.suppress(OSError):  # such as a file of an editor, removed by now
                status = file.stat()
                if stat.S_ISREG(status.st_mode) and "__pycache__" not in file.parts:
                    times[file] = status.st_size, max(status.st_mtime_ns, status.st_ctime_ns)
    return times
