"""Run entry points, which end with a one-line message if the user has made a mistake.

A stage also rejects code that DVC has not recorded, and inputs that change while it runs.
"""

import contextlib
import functools
import io
import os
import sys
from collections.abc import Callable, Iterable
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from pawprint import quick_imports
from pawprint.errors import InputError
from pawprint.named_file import NO_ROOM, describe_failure
from pawprint.package import script_of
from pawprint.paths import CODE, LABELS_CSV, LOCK, PARAMS, PIPELINE, REQUIREMENTS, SPLITS_CSV

# Dependencies that people edit, in addition to `fetch.source`. Stages write all others.
EDITED = {*map(str, (LABELS_CSV, SPLITS_CSV, PARAMS, REQUIREMENTS)), "pawprint", "stages"}
TEXT = (".csv", ".txt", ".yaml", ".yml")


def run(main: Callable[[], int | None]) -> NoReturn:
    """Call `main` and exit with the status that it returns.

    An InputError is printed on stderr without a traceback, and the status is 1. The same applies to
    file system errors that include a file name, and to a full disk. Ctrl-C prints one line.
    Characters that the terminal's encoding lacks are printed as escapes. A closed stream discards
    output and reads as empty.
    """
    sys.excepthook = shorten_ctrl_c
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            status = main()
        finally:
            sys.stdout.flush()
    except (InputError, ModuleNotFoundError, MemoryError, OSError) as error:
        problem = _problem_in(error)
        if problem is None:
            raise
        if problem:
            print(problem, file=sys.stderr)
        _discard_unwritten()
        status = 1
    if status:
        _report_removed_outputs()
    quick_imports.end()  # otherwise, Python scans all modules several times on exit
    sys.exit(status)


def _problem_in(error: Exception) -> str | None:
    """Return a line for a user's mistake, "" for a closed pipe, or None for anything else."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):  # for example, in an installation for serving only
        from pawprint.installation import install_command

        return _hidden_package() or (
            f"{sys.argv[0]}: the package {error.name} is not installed. Run "
            f"`{install_command()}`, which adds all missing packages."
        )
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


def _hidden_package() -> str | None:
    """Return a line about a package that PYTHONPATH hides, because it makes many imports fail."""
    listed = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders = [str(Path(path).absolute()) for path in listed if path]
    installed = [path for path in sys.path if path not in folders]
    for name in packages_distributions():
        if name == "pawprint":
            continue  # PYTHONPATH may list a clone
        found = PathFinder.find_spec(name, folders)
        if found and found.origin and PathFinder.find_spec(name, installed):
            return (
                f"{found.origin}: this file replaces the installed package {name}, because "
                "PYTHONPATH lists its folder. Run `unset PYTHONPATH`."
            )
    return None


def _open_closed_streams() -> None:
    """Open closed streams, such as after `>&-`, on the null device, so that no file replaces them.

    Processes that a command starts inherit these streams.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            flags = os.O_RDONLY if mode == "r" else os.O_WRONLY
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))


def _discard_unwritten() -> None:
    """Drop the text that could not be written to stdout, so that Python does not retry at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def shorten_ctrl_c(kind: type, error: BaseException, traceback: TracebackType | None) -> None:
    """Print one line for Ctrl-C, as a `sys.excepthook`; Python then exits with SIGINT.

    A failure to import a package that PYTHONPATH hides also results in one line.
    """
    if kind is not KeyboardInterrupt:
        is_import = issubclass(kind, ImportError | AttributeError | SyntaxError)
        if is_import and (line := _hidden_package()):
            print(line, file=sys.stderr)
        else:
            sys.__excepthook__(kind, error, traceback)
        return
    path = Path(sys.argv[0])
    name = path.parent.name if path.name == "__main__.py" else path.stem
    print(f"\n{name}: stopped", file=sys.stderr)
    _report_removed_outputs()


def _report_removed_outputs() -> None:
    if os.environ.get("DVC_STAGE", CODE.name) == CODE.name:
        return
    from pawprint.git import try_git

    advice = "DVC has removed this stage's outputs. `dvc repro` creates them again"
    with contextlib.suppress(InputError):
        if try_git("cat-file", "-e", f"HEAD:./{LOCK}") is not None:  # an earlier run exists
            advice += "; `pawprint discard` restores the last commit's run and params"
    print(f"{advice}.", file=sys.stderr)


def report(stage: str, lines: Iterable[str | None]) -> None:
    """Print the lines of a stage, without empty ones."""
    for line in filter(None, lines):
        print(f"{stage}: {line}")


def run_stage(main: Callable[[], Callable[[], None] | None]) -> NoReturn:
    """Run `main` like `run`, and then the function that it returns, if any.

    Reports packages that differ from requirements.txt.

    If DVC started the stage, it is treated as a user's mistake if the `code` stage has recorded
    other code, or if inputs that DVC records change before `main` ends. The returned function is
    then not called.
    """
    quick_imports.end()
    stage = Path(sys.argv[0]).stem
    # Imported here, because the import takes most of the time until `stages` sets `sys.excepthook`.
    from pawprint.pipeline.lock import not_as_pinned

    code = CODE / f"{stage}.txt"
    lines = code.read_text(encoding="utf-8").splitlines() if code.is_file() else []
    if differing := not_as_pinned(line for line in lines if "==" in line):
        print(
            f"{stage}: expected the versions in requirements.txt. Received: "
            f"{', '.join(differing)}. Results may differ. Run `pip install -r requirements.txt`.",
            file=sys.stderr,
        )
    run(functools.partial(_run_and_check, main, stage, lines))


def _run_and_check(
    main: Callable[[], Callable[[], None] | None], stage: str, lines: list[str]
) -> None:
    is_recorded = "DVC_STAGE" in os.environ
    if is_recorded:
        contents = _require_recorded(stage, lines)
        before = _inputs()
    finish = main()
    if is_recorded:
        if not all(path.is_file() and path.read_bytes() == contents[path] for path in contents):
            _require_recorded(stage, lines)  # only a comment may have changed
        after = _inputs()
        if changed := [name for name in before if after.get(name) != before[name]]:
            raise InputError(
                f"{changed[0]} changed while the stage ran; DVC would record the change as if the "
                "stage had read it. Run `dvc repro` again."
            )
    if finish:
        finish()


def _require_recorded(stage: str, lines: list[str]) -> dict[Path, bytes]:
    """Return the content of the files in these lines, as the `code` stage recorded them.

    Raises InputError if their code differs from the lines. Lines are computed one at a time,
    because finding all modules that a stage imports takes six times as long, and if the lines are
    equal, so are the imports.
    """
    from pawprint.pipeline.fingerprint import Code

    code = Code()
    script = script_of(stage)
    if Path(sys.argv[0]).resolve() != code.path_of(script).resolve():
        raise InputError(
            f"dvc.yaml: stages.{stage}.cmd: expected a command that runs {script}. Received: the "
            "package's script."
        )
    contents = {}
    for line in lines:
        file = line.partition("  ")[2]
        if not file:  # this is a pinned version
            continue
        path = code.path_of(file)
        if path.is_file():
            contents[path] = path.read_bytes()
        if path not in contents or code.line_of(file) != line:
            # Make DVC run `code` again, even if it has recorded this edit as known to `code`.
            (CODE / f"{stage}.txt").unlink(missing_ok=True)
            raise InputError(
                f"{file} was edited after the `code` stage recorded it. Run `dvc repro {stage}`."
            )
    return contents


def _inputs() -> dict[str, object]:
    """Return the current content, keyed by name, of the inputs that DVC records when a stage ends.

    These are the params that dvc.yaml lists for the stage, and the files and folders that people
    edit. Only DVC writes the other dependencies.
    """
    from pawprint.yaml_file import read_yaml, value_at

    listed = _listed(os.environ["DVC_STAGE"])
    params = read_yaml(PARAMS)
    inputs: dict[str, object] = {}
    for entry in listed.get("params", ()):
        for file, keys in entry.items() if isinstance(entry, dict) else [(str(PARAMS), [entry])]:
            if file != str(PARAMS):  # additional files that a project lists may have any format
                inputs[file] = _content(Path(file))
            elif not keys:
                inputs[file] = params
            else:
                inputs |= {f"{file}: {key}": value_at(params, *key.split(".")) for key in keys}
    source = str(value_at(params, "fetch", "source"))
    for dep in listed.get("deps", ()):
        name = dep.replace("${fetch.source}", source)
        if name in EDITED or name == source:
            inputs[name] = _content(Path(name))
    return inputs


@functools.cache
def _listed(stage: str) -> dict:
    """Return the entry of a stage in dvc.yaml. DVC may put the path of the file before its name.

    DVC reads this file before it starts the stage, and does not read it again.
    """
    from pawprint.yaml_file import read_yaml, value_at

    entry = value_at(read_yaml(PIPELINE), "stages", stage.rpartition(":")[2])
    return entry if isinstance(entry, dict) else {}


def _content(path: Path) -> object:
    """Return the bytes of a text file, or the `stamps` of other files and of folders of photos."""
    from pawprint.files import stamps

    if path.suffix in TEXT and path.is_file():
        return path.read_bytes()
    return stamps(path)
