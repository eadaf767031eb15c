"""The files that `pawprint init` writes into a project, and that `pawprint upgrade` renews.

Their text is at the top of the repository. `requirements.txt` also has a line for this package, and
the versions of other packages that affect the bytes of results. The folder of a project may already
contain files, and Git must not ignore any of the project's files.
"""

import contextlib
import functools
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from pawprint import paths
from pawprint.errors import InputError, name_some
from pawprint.files import OF_SYSTEMS, read_text, write_text
from pawprint.git import git, ignored, work_tree
from pawprint.installation import requirement
from pawprint.named_file import read_bytes
from pawprint.package import ROOT
from pawprint.pipeline.lock import locked_versions
from pawprint.yaml_file import parse_mapping, read_mapping

README_TEXT = Path(__file__).with_name("README.md")
README = "README.md"
IGNORE = ".gitignore"
DVC_IGNORE = ".dvcignore"
# The project's text is added before or after the user's text in a file with this name.
IGNORES = (DVC_IGNORE, IGNORE)
BEFORE = (".gitattributes", str(paths.REQUIREMENTS))
LOCKED = "# Versions of other packages that decide the bytes of results:\n"
OWN = "# Packages of your own:\n"
COMMENT = "# Files of the project that other rules ignore\n"
NEUTRAL = {*OF_SYSTEMS, ".idea", ".venv", ".vscode"}  # ignored when checking that a folder is empty
# Outputs of stages, and folders that Python would confuse with the package.
OF_RUNS = ("data", "metrics", "models", "pawprint", "plots", "stages", str(paths.MODEL_CARD))
IGNORED = """\
/.venv/
/data/
/dvc_plots/
/models/
/plots/*.jpg
/plots/report.html
__pycache__/
"""
IGNORED_BY_DVC = ("/.venv", *OF_SYSTEMS)
CONFIG = ".dvc/config"
OUTS = ("outs", "metrics", "plots")  # keys of a stage in dvc.yaml


def template(name: str) -> str:
    """Return the text of a file at the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def lies_outside(source: str) -> bool:
    """Return whether a path, such as the one of the images, leads out of the project."""
    return bool(Path(source).anchor) or ".." in Path(source).parts


def is_tracked(source: str) -> bool:
    """Return whether DVC tracks the images. Images elsewhere stay where they are."""
    return not lies_outside(source) and not source.endswith(paths.OF_URLS)


def file_of_images(source: str) -> list[str]:
    """Return the file in Git that identifies the images, or none for images outside.

    A file with a URL is in Git itself.
    """
    if is_tracked(source):
        return [f"{source}.dvc"]
    return [] if lies_outside(source) else [source]


def leaves_out(source: str, names: Iterable[str]) -> bool:
    """Return whether DVC may skip files in a folder because of a user's .dvcignore.

    `names` are the files, relative to the folder `source`.
    """
    if any(PurePosixPath(name).name == DVC_IGNORE for name in names):
        return True
    lines = read_text(Path(DVC_IGNORE)).splitlines() if Path(DVC_IGNORE).is_file() else []
    patterns = {line for line in lines if line.strip() and not line.startswith("#")}
    return not lies_outside(source) and not patterns <= {*IGNORED_BY_DVC}


def files(source: str) -> dict[str, str]:
    """Return the text of each file by its path.

    `params.yaml`, the user's tables, and CONFIG are not included. `source` is the source of the
    images, relative to the project.
    """
    plots = (path.relative_to(ROOT).as_posix() for path in (ROOT / ".dvc/plots").glob("*.json"))
    return {
        DVC_IGNORE: "".join(f"{name}\n" for name in IGNORED_BY_DVC),
        ".gitattributes": template(".gitattributes"),
        IGNORE: f"{IGNORED}/{source}\n" if is_tracked(source) else IGNORED,
        README: README_TEXT.read_text(encoding="utf-8"),
        "dvc.yaml": pipeline(lies_outside(source)),
        str(paths.REQUIREMENTS): requirements(),
        **{name: template(name) for name in sorted(plots)},
    }


@functools.cache  # the environment of this process does not change
def requirements() -> str:
    """Return the text of requirements.txt: this package, the versions in use, and a heading."""
    line, _ = requirement()
    versions = "".join(f"{version}\n" for version in locked_versions())
    return f"{line}\n\n{LOCKED}{versions}\n{OWN}"


def names_in_git(source: str) -> list[str]:
    """Return the paths of all files of a project that must be in Git.

    This includes files that a run writes. `source` is the source of the images, relative to the
    project.
    """
    stages = parse_mapping(pipeline(False), "template")["stages"].values()
    outs = [out for stage in stages for out in outputs_of(stage).items()]
    results = [path for path, options in outs if not options.get("cache", True)]
    names = [*files(source), *results, CONFIG, ".dvc/.gitignore"]
    names += map(str, (paths.LABELS_CSV, paths.LOCK, paths.PARAMS, paths.SPLITS_CSV, paths.STATE))
    return names + file_of_images(source)


def outputs_of(stage: dict) -> dict[str, dict]:
    """Return the options of each output of a stage in `dvc.yaml`, keyed by path."""
    outs = [out for key in OUTS for out in stage.get(key) or ()]
    return {
        path: options or {}
        for out in outs
        for path, options in (out.items() if isinstance(out, dict) else [(out, {})])
    }


def pipeline(is_outside: bool) -> str:
    """Return a `dvc.yaml` with the stages of the installed package.

    With `-P`, Python imports nothing from the project, such as a user's `copy.py`. `code` always
    runs, because no dependency shows that the package has changed. If the source is outside the
    project, a failed `dvc repro` keeps the images that were fetched from it.
    """
    text = template("dvc.yaml").replace("python -m stages.", "python -P -m pawprint.stages.")
    text = text.replace(
        "    deps: [labels.csv, params.yaml, pawprint, requirements.txt, splits.csv, stages]\n",
        "    deps: [labels.csv, params.yaml, requirements.txt, splits.csv]\n"
        "    always_changed: true\n",
    )
    # DVC would change the mode of a file that persists, which fails if it belongs to another user.
    text = re.sub(r"\[data/code: .*", "[data/code]", text)
    if is_outside:
        text = text.replace("[data/raw/archives]", "[data/raw/archives: {persist: true}]")
    return text


def require_stages(path: Path) -> None:
    """Raise InputError if a `dvc.yaml` lacks part of the package's own stages.

    DVC would then keep outdated results, for example if an upgrade left a conflict in the user's
    `dvc.yaml`. A project may add stages, and commands and entries to each stage. A stage that runs
    the project's own script is not compared.
    """
    stages = read_mapping(path).get("stages") or {}
    for name, stage in parse_mapping(pipeline(False), "template")["stages"].items():
        own = stages.get(name) or {}
        if (path.parent / f"stages/{name}.py").is_file():
            continue
        for key, value in (stage | {"frozen": False}).items():
            for entry in value if isinstance(value, list) else [value]:
                if key not in SHOWN and not _holds(own.get(key, False), entry):
                    wanted = entry if isinstance(entry, str) else json.dumps(entry)
                    raise InputError(
                        f"{path}: stages.{name}.{key}: expected {wanted}, as in the package's "
                        "stage. Received: something else. Correct it. After upgrading the "
                        f"package, run `pawprint upgrade`; if there is {path}.new, use all of it."
                    )


# Keys of stages and plots that affect neither the results nor which of them are kept.
SHOWN = {"desc", "template", "title", "x", "x_label", "y", "y_label"}


def _holds(own: object, expected: object) -> bool:
    """Return whether this YAML is the expected one, possibly with additional keys or entries."""
    match own, expected:
        case dict(), dict():
            kept = expected.keys() - SHOWN
            return all(key in own and _holds(own[key], expected[key]) for key in kept)
        case list(), _:
            return any(_holds(entry, expected) for entry in own)
        case dict(), str():  # an output with options
            return expected in own
        case str(), str() if " " in expected:  # a command, possibly preceded by `nice`
            return expected in own
    return own == expected


def require_free(folder: Path, names: Iterable[str]) -> None:
    """Raise InputError if a project in a folder would change files that are already there.

    `names` are the project's files. A folder in a Git repository, such as a fresh clone, may
    contain other files. A folder without Git must be new or empty.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder. Received: a file. Nothing is overwritten.")
    found = {path.name for path in folder.iterdir()} - NEUTRAL
    if found and ".git" not in found and work_tree(folder) is None:
        raise InputError(
            f"{folder}: expected a new or an empty folder, or a Git repository. Received: "
            f"{name_some(sorted(found))}. Choose another folder, or run `git init` there if its "
            "contents are part of the project. Nothing is overwritten."
        )
    kept = {*IGNORES, *BEFORE, README}
    names = [name for name in (*names, ".dvc", *OF_RUNS) if name not in kept]
    if taken := sorted({name for name in names if os.path.lexists(folder / name)}):
        raise InputError(
            f"{folder}: expected room for a project's files. Received: {name_some(taken)}. "
            "Move or rename these, or choose another folder. Nothing is overwritten."
        )


def with_own(folder: Path, texts: dict[str, str]) -> dict[str, str]:
    """Merge the texts, keyed by name, with the user's files of the same names.

    The user's README stays as it is. In other files, the user's lines are kept next to the
    project's.
    """
    if any(path.name.lower().startswith("readme") for path in folder.iterdir()):
        texts = {name: text for name, text in texts.items() if name != README}
    written = dict(texts)
    for name in (*IGNORES, *BEFORE):
        if (folder / name).exists():
            own = read_text(folder / name)
            parts = [own, texts[name]] if name in IGNORES else [texts[name], own]
            written[name] = "\n".join(f"{part.rstrip()}\n" for part in parts if part.strip())
    return written


@contextlib.contextmanager
def restored_after_failure(folder: Path) -> Iterator[None]:
    """Make a folder and restore it and Git's index if the block fails.

    File system errors are converted to InputError.
    """
    existed = folder.exists()
    before = {path.name for path in folder.iterdir()} if existed else set()
    own: dict[Path, bytes | None] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / name for name in (*IGNORES, *BEFORE)]
        if work_tree(folder):
            files.append(folder / git("rev-parse", "--git-path", "index", folder=folder).strip())
        own = {path: read_bytes(path) if path.exists() else None for path in files}
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):  # the original error is more important
            for path in folder.iterdir():
                if path.name not in before:
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
            if not existed:
                folder.rmdir()
            for path, content in own.items():
                path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        if isinstance(error, OSError):
            where = f" ({error.filename})" if error.filename else ""
            raise InputError(
                f"{folder}: cannot create a project: {error.strerror or error}"
                f"{where}. Check permissions and free space."
            ) from None
        raise


def take_back(folder: Path, names: Iterable[str]) -> list[str]:
    """Add rules to .gitignore so that Git does not ignore files with these names in a folder.

    Returns the rules that ignored them, as FILE:LINE: PATTERN. Raises InputError, without changing
    anything, if .gitignore cannot undo a rule because the rule ignores the folder itself.
    """
    names = list(names)
    found = ignored(folder, names)
    if not found:
        return []
    path = folder / IGNORE
    before = read_text(path) if path.exists() else None
    parts = [part for name in found for part in _with_parents(name)]
    escaped = (re.sub(r"([^\w./-])", r"\\\1", part) for part in dict.fromkeys(parts))
    lines = [COMMENT, *(f"!/{part}\n" for part in escaped)]
    write_text(path, (before or "") + "".join(lines))
    if left := ignored(folder, names):
        path.unlink() if before is None else write_text(path, before)
        raise InputError(
            f"{folder}: expected a folder whose files Git does not ignore. Received: the rule "
            f"{name_some(dict.fromkeys(left.values()))}, which ignores "
            f"{name_some(left)}. Change the rule, or choose another folder."
        )
    return list(dict.fromkeys(found.values()))


def _with_parents(name: str) -> list[str]:
    """Return the folders above a file, starting with the outermost, and the file."""
    *folders, _ = PurePosixPath(name).parents  # the last parent is "."
    return [*(folder.as_posix() for folder in reversed(folders)), name]
