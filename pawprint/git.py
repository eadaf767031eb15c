"""Git, by its command."""

import contextlib
import subprocess
from pathlib import Path

from pawprint.errors import InputError, printable


def git(*arguments: str, folder: Path = Path(), text: str | None = None) -> str:
    """What Git prints in a folder, with `text` as its input.

    Raises InputError with the last line of its message if it fails, or is not installed.
    """
    options = {"capture_output": True, "encoding": "utf-8", "errors": "surrogateescape"}
    try:
        result = subprocess.run(["git", *arguments], cwd=folder, input=text, **options)
    except FileNotFoundError:
        raise InputError(
            "git: expected to find it. Received: no such command. Install Git."
        ) from None
    except OSError as error:
        raise InputError(f"git: expected to run it. Received: {error.strerror}") from None
    if result.returncode:
        last = (result.stderr.strip() or result.stdout.strip() or "no message").splitlines()[-1]
        raise InputError(f"git {arguments[0]}: expected success. Received: {printable(last)}")
    return result.stdout


def try_git(*arguments: str, folder: Path = Path()) -> str | None:
    """As `git`, or None if that fails."""
    with contextlib.suppress(InputError):
        return git(*arguments, folder=folder)
    return None


def current_commit(digits: int = 40, folder: Path = Path()) -> str | None:
    """The commit, with at least so many digits, and "-dirty" if tracked files differ from it.

    None outside Git. Tags are left out of the name, so that it is the hash of the commit.
    """
    name = "--always", f"--abbrev={digits}", "--exclude=*", "--dirty"
    return (try_git("describe", *name, folder=folder) or "").strip() or None
