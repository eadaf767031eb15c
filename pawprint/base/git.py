"""Run Git."""

import contextlib
import os
import subprocess
from collections.abc import Container, Iterable
from pathlib import Path

from pawprint.base.errors import InputError, printable

# Use English messages, so that `NO_REPOSITORY` can be told apart from other failures. Do not take
# locks for commands that only read, because a killed process would leave them: git(1).
ENVIRONMENT = {"LC_ALL": "C", "LANGUAGE": "", "GIT_OPTIONAL_LOCKS": "0"}
NO_REPOSITORY = "not a git repository (or any"
OWNER = "safe.directory"  # appears in the message about a repository owned by another user


def git(
    *arguments: str, folder: Path = Path(), text: str | None = None, passes: Container[int] = (0,)
) -> str:
    """Return the output of a Git command in a folder, with `text` as its input.

    `passes` lists the exit statuses that mean success. Raises InputError, with Git's reason, if the
    command fails or Git is not installed.
    """
    try:
        result = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            input=text,
            env=os.environ | ENVIRONMENT,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except FileNotFoundError:
        raise InputError("cannot run git: command not found. Install Git.") from None
    except OSError as error:
        raise InputError(f"cannot run git: {error.strerror}.") from None
    if result.returncode not in passes:
        reason = _reason(result.stderr.strip() or result.stdout.strip() or "no message")
        raise InputError(f"git {arguments[0]} failed: {reason}")
    return result.stdout


def _reason(message: str) -> str:
    """Return the first error in Git's message with the following text, or else the last line."""
    lines = message.splitlines()
    errors = [number for number, line in enumerate(lines) if line.startswith(("fatal:", "error:"))]
    return printable(" ".join(" ".join(lines[errors[0] if errors else -1 :]).split()))


def try_git(*arguments: str, folder: Path = Path()) -> str | None:
    """Return the result of `git`, or None if it fails.

    Raises InputError if the repository is owned by another user, because Git refuses to read it.
    """
    try:
        return git(*arguments, folder=folder)
    except InputError as error:
        if OWNER in str(error):
            raise
        return None


def work_tree(folder: Path) -> Path | None:
    """Return the top folder of the Git repository that a folder is in, or None outside Git.

    Raises InputError if Git refuses to read the repository.
    """
    try:
        return Path(git("rev-parse", "--show-toplevel", folder=folder).removesuffix("\n"))
    except InputError as error:
        if NO_REPOSITORY in str(error):
            return None
        raise


def ignored(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the rule, as FILE:LINE: PATTERN, for each name in a folder that Git ignores.

    Files need not exist. Files that Git already tracks are included.
    """
    options = ("--no-index", "--verbose", "-z", "--stdin")  # DVC also ignores the index
    found = git(
        "check-ignore", *options, folder=folder, text="\0".join(names), passes=(0, 1)
    ).split("\0")
    rules = zip(*[iter(found)] * 4)  # file, line, pattern and name
    top = work_tree(folder) or folder
    return {
        name: f"{top / file}:{line}: {pattern}"
        for file, line, pattern, name in rules
        if not pattern.startswith("!")
    }


def require_committed(folder: Path, paths: Iterable[Path]) -> None:
    """Raise InputError if one of these files, such as params.yaml, has uncommitted changes."""
    names = [*map(str, paths)]
    if try_git("status", "--porcelain", "--", *names, folder=folder) != "":
        raise InputError(
            f"{', '.join(names)}: cannot overwrite uncommitted changes. Commit them first."
        )


def current_commit(digits: int = 40, folder: Path = Path()) -> str | None:
    """Return the commit with at least this many digits, plus "-dirty" if tracked files changed.

    Returns None outside Git, and if Git refuses to read the repository, because a service must run
    there as well. `git describe --dirty` would do the same, but always locks the index, so that a
    killed service would leave a lock in the user's repository.
    """
    with contextlib.suppress(InputError):
        commit = git("rev-parse", f"--short={digits}", "HEAD", folder=folder).strip()
        changed = git("status", "--porcelain", "--untracked-files=no", folder=folder)
        return f"{commit}-dirty" if changed else commit
    return None
