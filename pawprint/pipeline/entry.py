"""Start and end entry points: import quickly, and turn a user's mistake into a one-line message.

A stage also fails if params or tables that it lists change while it runs.
"""

import contextlib
import functools
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from pawprint.base.errors import InputError, report_removed_outputs, shorten_ctrl_c
from pawprint.base.files import NO_ROOM, describe_failure, stamps
from pawprint.base.paths import LABELS_CSV, PARAMS, PIPELINE, SPLITS_CSV
from pawprint.base.yaml_file import read_yaml, value_at

# Dependencies that people edit, in addition to `fetch.source`. Stages write all others.
EDITED = {str(path) for path in (LABELS_CSV, PARAMS, SPLITS_CSV)}
# `import openvino` also imports this, which takes two thirds of the time, and goes on without it.
# Only keras_model.py uses it.
CONVERTER = ["openvino.tools"]
_hidden = contextlib.ExitStack()


@contextlib.contextmanager
def without_modules(names: Iterable[str]) -> Iterator[None]:
    """Make imports of these modules fail in the block, unless they are already imported."""
    hidden = {*names} - sys.modules.keys()
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)  # Python empties it when it exits


def begin_imports() -> None:
    """Hide OpenVINO's converter until `end_imports`."""
    _hidden.enter_context(without_modules(CONVERTER))


def end_imports() -> None:
    """Undo `begin_imports`. An `openvino` that was imported before still lacks its converter."""
    _hidden.close()


def run(main: Callable[[], int | None]) -> NoReturn:
    """Call `main` and exit with the status that it returns.

    An InputError is printed on stderr without a traceback, and the status is 1. The same applies to
    file system errors that include a file name, and to a full disk. Ctrl-C prints one line.
    Characters that the terminal's encoding lacks are printed as escapes.
    """
    sys.excepthook = shorten_ctrl_c
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            status = main()
        finally:
            print(end="", flush=True)  # find out here whether there is room
    except (InputError, ModuleNotFoundError, MemoryError, OSError) as error:
        problem = _problem_in(error)
        if problem is None:
            raise
        if problem:
            print(problem, file=sys.stderr)
        _discard_unwritten()
        status = 1
    if status:
        report_removed_outputs()
    sys.exit(status)


def _problem_in(error: Exception) -> str | None:
    """Return a line for a user's mistake, "" for a closed pipe, or None for anything else."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        from pawprint.base.package import install_command

        return f"the package {error.name} is not installed. Run `{install_command()}`."
    if isinstance(error, MemoryError):
        return f"{sys.argv[0]}: not enough free memory. Close other programs."
    if isinstance(error, BrokenPipeError):  # for example, `pawprint predict … | head -1`
        return ""
    if isinstance(error, OSError) and error.filename is not None:
        return describe_failure(error)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        error.filename = "standard output"
        return describe_failure(error, "write")
    return None


def _discard_unwritten() -> None:
    """Drop the text that could not be written to stdout, so that Python does not retry at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report(stage: str, lines: Iterable[str | None]) -> None:
    """Print the lines of a stage, without empty ones."""
    for line in filter(None, lines):
        print(f"{stage}: {line}")


def run_stage(main: Callable[[], Callable[[], None] | None]) -> NoReturn:
    """Run `main` like `run`, and then the function that it returns, if any.

    If DVC started the stage, it is treated as a user's mistake if inputs that DVC records change
    before `main` ends. The returned function is then not called.
    """
    end_imports()
    run(functools.partial(_run_and_compare, main))


def _run_and_compare(main: Callable[[], Callable[[], None] | None]) -> None:
    # DVC may put the path of the file before the name of the stage.
    stage = os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    # DVC has read this file before it started the stage.
    entry = value_at(read_yaml(PIPELINE), "stages", stage) if stage else None
    listed = entry if isinstance(entry, dict) else {}
    before = _inputs(listed)
    finish = main()
    after = _inputs(listed)
    for name in before:
        if after[name] != before[name]:
            raise InputError(
                f"{name} changed while the stage ran, and DVC would record the change as if the "
                "stage had read it. Run `dvc repro` again."
            )
    if finish:
        finish()


def _inputs(listed: dict) -> dict[str, object]:
    """Return what DVC records at the end of a stage with this entry in dvc.yaml and people edit.

    These are params, tables, and the sizes and times of the files in `fetch.source`.
    """
    params = read_yaml(PARAMS) if listed else None
    inputs: dict[str, object] = {}
    for key in listed.get("params", ()):
        if isinstance(key, str):  # a mapping lists params in a file of the user's
            inputs[f"{PARAMS}: {key}"] = value_at(params, *key.split("."))
    deps = listed.get("deps", ())
    inputs |= {name: Path(name).read_bytes() for name in deps if name in EDITED}
    if "${fetch.source}" in deps:
        inputs["fetch.source"] = stamps(Path(str(value_at(params, "fetch", "source"))))
    return inputs
