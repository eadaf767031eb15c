"""What a stage reads, and DVC hashes only when the stage has ended."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pawprint.core.errors import InputError

Content = TypeVar("Content")
_watched: dict[str, tuple[Callable[[], object], object]] = {}


def watch(name: str, read: Callable[[], Content]) -> Content:
    """What `read` returns. A stage ends with an error if `read` returns something else then."""
    content = read()
    _watched[name] = read, content
    return content


def require_unchanged() -> None:
    """Raise InputError if something that is watched has changed."""
    for name, (read, before) in _watched.items():
        if read() != before:
            raise InputError(
                f"{name}: expected no change while the stage runs. Received: a change, which DVC "
                "would record as if the stage had read it. Run `dvc repro` again."
            )


def stamps(path: Path) -> dict[Path, tuple[int, int]]:
    """Bytes, and time of the last change in ns, of a file, or of each file below a folder.

    A change is one of content, name or mode: programs that keep the time of modification, such as
    `cp -p`, `rsync -t`, `mv` and `tar`, do not keep that of the change. Windows and some network
    drives have no such time: there a file of the same size with its old time of modification goes
    unnoticed. So does, everywhere, a change after a stage has ended and before DVC hashes.
    """
    files = [each for each in (path, *path.rglob("*")) if each.is_file()]
    found = ((each, each.stat()) for each in files)
    return {each: (s.st_size, max(s.st_mtime_ns, s.st_ctime_ns)) for each, s in found}
