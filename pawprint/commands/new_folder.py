"""Make the folder of a project: in a temporary folder inside it, so that a failure leaves none."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from pawprint.base.errors import InputError, name_some
from pawprint.base.files import OF_SYSTEMS, read_text, write_text
from pawprint.base.git import git, ignored, work_tree
from pawprint.base.paths import STATE
from pawprint.commands.project_files import IGNORE

PARTIAL = ".init.part"
# What may be in the folder of a new project.
NEUTRAL = {*OF_SYSTEMS, ".git", ".idea", ".venv", ".vscode", PARTIAL}
COMMENT = "# Files of the project that other rules ignore\n"


def require_room(folder: Path) -> None:
    """Raise InputError unless a folder is new, or empty but for NEUTRAL."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder. Received: a file. Nothing is overwritten.")
    if (folder / STATE).is_file():
        raise InputError(
            f"{folder} is already a project. Continue in this folder, or choose another folder."
        )
    if found := {path.name for path in folder.iterdir()} - NEUTRAL:
        raise InputError(
            f"{folder}: expected a new or an empty folder. Received: {name_some(sorted(found))}. "
            "Choose another folder, such as a new one in this folder. Nothing is overwritten."
        )


@contextlib.contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Provide a temporary folder with a Git repository, whose entries move to `folder` at the end.

    `folder` and its parents are made. If it lies in a repository, that one is used in the end. A
    user's own entry, such as `.vscode`, is kept. If the block fails, `folder` is as it was; file
    system errors are converted to InputError.
    """
    place = folder / PARTIAL
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)  # of a killed process
        place.mkdir()
        git("init", "--quiet", folder=place)
        yield place
        if work_tree(folder):
            shutil.rmtree(place / ".git")
        for path in place.iterdir():
            if not os.path.lexists(folder / path.name):
                path.rename(folder / path.name)
    except InputError as error:
        raise InputError(str(error).replace(str(place), str(folder))) from None
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        message = f"{folder}: cannot create a project: {error.strerror or error}{where}."
        message = message.replace(str(place), str(folder))
        raise InputError(f"{message} Check permissions and free space.") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if is_new:
            with contextlib.suppress(OSError):  # the folder has a project
                folder.rmdir()


def override_rules(folder: Path, place: Path, names: Iterable[str]) -> list[str]:
    """Add rules to the .gitignore in `place` so that Git ignores no file with these names there.

    `place` becomes `folder`. Returns the rules that ignored them, as FILE:LINE: PATTERN. Raises
    InputError for a rule that ignores the folder itself, which no .gitignore can undo.
    """
    top = work_tree(folder)
    inner = os.path.relpath(folder.resolve(), top.resolve()) if top else "."
    if inner != "." and top and (rules := ignored(top, [inner])):
        raise InputError(
            f"{folder}: expected a folder that Git does not ignore. Received: the rule "
            f"{rules[inner]}. Change the rule, or choose another folder."
        )
    found = ignored(folder if top else place, names)
    if found:
        parts = dict.fromkeys(part for name in found for part in _with_parents(name))
        escaped = (re.sub(r"([^\w./-])", r"\\\1", part) for part in parts)
        lines = [read_text(place / IGNORE), COMMENT, *(f"!/{part}\n" for part in escaped)]
        write_text(place / IGNORE, "".join(lines))
    return list(dict.fromkeys(found.values()))


def _with_parents(name: str) -> list[str]:
    """Return the folders above a file, starting with the outermost, and the file."""
    *folders, _ = PurePosixPath(name).parents  # the last parent is "."
    return [*(folder.as_posix() for folder in reversed(folders)), name]
