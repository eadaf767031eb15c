"""Progress of a loop: a bar on a terminal, or a file for a program that shows it.

A program that starts a stage or a command names the file in the environment variable VARIABLE. On
a pipe, there is no bar.
"""

import contextlib
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

from tqdm import tqdm

VARIABLE = "PAWPRINT_PROGRESS"
SECONDS = 0.5  # between two writes of the file, at least
Item = TypeVar("Item")


class Progress(NamedTuple):
    """What is done: its name, percent from 0 to 100 or None if unknown, and more in words."""

    title: str
    percent: int | None
    detail: str


def track(
    items: Iterable[Item], title: str, total: int | None = None, unit: str = "image"
) -> "tqdm[Item]":
    """Return the items, and show how many are taken. `total` is their number, if they have none."""
    return _bar(items, title, total, unit)


def count(title: str, total: int | None, unit: str = "image") -> tqdm:
    """Return a bar whose `update` counts up to `total`, None if nobody knows it.

    The unit "B" is shown with prefixes, such as "MB".
    """
    return _bar(None, title, total, unit)


def _bar(items: Iterable | None, title: str, total: int | None, unit: str) -> tqdm:
    path = os.environ.get(VARIABLE)
    scaled = unit == "B"
    if not path:
        return tqdm(items, title, total, unit=unit, unit_scale=scaled, disable=None)
    nowhere = io.StringIO()
    bar = _FileBar(
        items, title, total, unit=unit, unit_scale=scaled, file=nowhere, mininterval=SECONDS
    )
    bar.path = Path(path)
    return bar


class _FileBar(tqdm):
    """A bar in the file `path`, where there is something to do until its end."""

    path: Path | None = None

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write the file, the whole of it or nothing. tqdm calls this once in SECONDS at most."""
        if self.path is None:  # as at the start
            return
        state = dict(self.format_dict)
        percent = int(100 * state["n"] / state["total"]) if state["total"] else None
        form = "{n_fmt}" if percent is None else "{n_fmt}/{total_fmt}, {remaining} left"
        detail = tqdm.format_meter(**(state | {"bar_format": form + "{postfix}"}))
        partial = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):  # nothing is shown then, and the work goes on
            partial.write_text(json.dumps([self.desc, percent, detail]), encoding="utf-8")
            partial.replace(self.path)

    def close(self) -> None:
        """End the bar and remove the file."""
        path, self.path = self.path, None
        super().close()
        if path:
            with contextlib.suppress(OSError):
                path.unlink()


def read_progress(path: Path) -> Progress | None:
    """Return what `track` wrote last, or None if nothing is tracked now."""
    try:
        return Progress(*json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
