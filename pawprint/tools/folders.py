"""The folder that becomes a project: what it may hold before, and what Git must not leave out."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from pawprint.errors import InputError, name_some
from pawprint.files import OF_SYSTEMS, read_text, write_text
from pawprint.git import git, ignored, work_tree
from pawprint.project import MODEL_CARD, REQUIREMENTS

IGNORE = ".gitignore"
README = "README.md"
# The text of a project comes after that of the user's file of this name, or before.
IGNORES = (".dvcignore", IGNORE)
BEFORE = (".gitattributes", str(REQUIREMENTS))
COMMENT = "# Files of the project that other rules leave out\n"
NEUTRAL = {*OF_SYSTEMS, ".idea", ".venv", ".vscode"}  # may be in a folder without Git
# What stages write, and folders that Python would take for the package.
OF_RUNS = ("data", "metrics", "models", "pawprint", "plots", "stages", str(MODEL_CARD))


def require_free(folder: Path, names: Iterable[str]) -> None:
    """Raise InputError if a project cannot be made in a folder without touching what is there.

    `names` are those of its files. A folder in a Git repository may hold others, as a fresh clone
    does; one without Git is new or empty.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder. Received: a file. Nothing is overwritten.")
    found = {path.name for path in folder.iterdir()} - NEUTRAL
    if found and ".git" not in found and work_tree(folder) is None:
        raise InputError(
            f"{folder}: expected a new or an empty folder, or a Git repository. Received: "
            f"{name_some(sorted(found))}. Choose another folder, or run `git init` there if what "
            "it holds is part of the project. Nothing is overwritten."
        )
    kept = {*IGNORES, *BEFORE, README}
    names = [name for name in (*names, ".dvc", *OF_RUNS) if name not in kept]
    if taken := sorted({name for name in names if os.path.lexists(folder / name)}):
        raise InputError(
            f"{folder}: expected room for the files of a project. Received: {name_some(taken)}. "
            "Move or rename these, or choose another folder. Nothing is overwritten."
        )


def with_own(folder: Path, texts: dict[str, str]) -> dict[str, str]:
    """Return the texts by name as they are written where the user has files of these names.

    The user's README stays as it is, and other files keep their lines beside those of the project.
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
    """Make a folder, and leave it and Git's index as they were if the block fails.

    An error of the file system is an InputError then.
    """
    existed = folder.exists()
    before = {path.name for path in folder.iterdir()} if existed else set()
    own: dict[Path, bytes | None] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / name for name in (*IGNORES, *BEFORE)]
        if work_tree(folder):
            files.append(folder / git("rev-parse", "--git-path", "index", folder=folder).strip())
        own = {path: path.read_bytes() if path.exists() else None for path in files}
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):  # the error that is raised says why
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
                f"{folder}: expected to write a project. Received: {error.strerror or error}"
                f"{where}. Check permissions and free space."
            ) from None
        raise


def take_back(folder: Path, names: Iterable[str]) -> list[str]:
    """Add to .gitignore so that Git keeps the files of these names in a folder.

    Returns the rules that leave them out, as FILE:LINE: PATTERN. Raises InputError, with nothing
    changed, for a rule that .gitignore cannot take back, as it leaves the folder itself out.
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
            f"{folder}: expected a folder whose files Git keeps. Received: the rule "
            f"{name_some(dict.fromkeys(left.values()))}, which leaves out "
            f"{name_some(left)}. Change the rule, or choose another folder."
        )
    return list(dict.fromkeys(found.values()))


def _with_parents(name: str) -> list[str]:
    """Return the folders above a file, the outermost first, and the file."""
    *folders, _ = PurePosixPath(name).parents  # the last one is "."
    return [*(folder.as_posix() for folder in reversed(folders)), name]
