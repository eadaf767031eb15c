"""What a stage reads, and DVC hashes only when the stage has ended."""

from collections.abc import Callable
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
