"""Show the progress of a loop, as a bar on a terminal or in a file for another program.

A program that starts a stage or a command sets the environment variable VARIABLE to the path of the
file. There is no bar if the output is a pipe.
"""

import contextlib
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

VARIABLE = "PAWPRINT_PROGRESS"
SECONDS = 0.5  # minimum time between two writes of the file


class Progress(NamedTuple):
    """The progress: its title, percent from 0 to 100 or None if unknown, and details in words."""

    title: str
    percent: int | None
    detail: str


def track(
    items: Iterable | None, title: str, total: int | None = None, unit: str = "image"
) -> tqdm:
    """Yield the items and show how many are taken. `total` is needed if they have no length.

    Without items, the bar's `update` counts up to `total`, or without an end if it is None. The
    unit "B" is shown with prefixes, such as "MB".
    """
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
    """A bar in the file `path`, which exists until the bar is closed."""

    path: Path | None = None

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write the file completely or not at all. tqdm calls this at most once in SECONDS."""
        if self.path is None:  # at the beginning
            return
        state = dict(self.format_dict)
        percent = int(100 * state["n"] / state["total"]) if state["total"] else None
        form = "{n_fmt}" if percent is None else "{n_fmt}/{total_fmt}, {remaining} left"
        detail = tqdm.format_meter(**(state | {"bar_format": form + "{postfix}"}))
        partial = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):  # the work continues without progress
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
    """Return the progress that `track` last wrote, or None if nothing is in progress."""
    try:
        return Progress(*json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
