"""Undo labels given on a page of photos: a record from which each browser can undo its own."""

import contextlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from pawprint.app import HERE
from pawprint.app.groups import Pages
from pawprint.classes import NEITHER
from pawprint.projects.class_folders import Change
from pawprint.projects.label_rows import lock_of, take_back

ANSWERS = Path(".dvc/tmp/pawprint-answers.jsonl")
CHANGES = TypeAdapter(list[Change])  # reads the records that `asdict` makes


def undo(number: str, changes: Sequence[Change]) -> None:
    """Undo an answer's changes, and record that in the file of all answers.

    Raises InputError or OSError, without changing anything, if others changed the same rows.
    """
    take_back(HERE, changes)
    _append({"taken_back": number})


def record(
    pages: Pages, session: tuple[str, str], marked: set[int], label: str, changes: Sequence[Change]
) -> None:
    """End the page and record that these changes labelled the images at the positions `marked`.

    `session` identifies the browser and the source of the images.
    """
    number = uuid.uuid4().hex
    entry = {
        "number": number,
        "session": session,
        "images": pages.images,
        "likely": pages.label,
        "sure": pages.sure,
        "marked": sorted(marked),
        "label": label,
        "changes": [asdict(change) for change in changes],
    }
    pages.answer(marked, label, partial(undo, number, changes))
    _append(entry)


def restore(pages: Pages, session: tuple[str, str]) -> None:
    """Restore the browser's earlier answers in new pages, except undone ones."""
    for entry in _answers():
        if tuple(entry["session"]) != session:
            continue
        pages.images = [(path, pixels) for path, pixels in entry["images"]]
        pages.label, pages.sure = entry["likely"], entry["sure"]
        changes = CHANGES.validate_python(entry["changes"])
        pages.answer({*entry["marked"]}, entry["label"], partial(undo, entry["number"], changes))
    pages.label = ""


def refused() -> list[str]:
    """Return the paths of images that any browser marked as showing no class."""
    marked = [entry for entry in _answers() if entry["label"] == NEITHER]
    return [entry["images"][place][0] for entry in marked for place in entry["marked"]]


def _answers() -> list[dict]:
    answers: dict[str, dict] = {}
    lines = ANSWERS.read_text(encoding="utf-8").splitlines() if ANSWERS.exists() else []
    for line in lines:
        with contextlib.suppress(ValueError):  # skip a line that a crash cut off
            entry = json.loads(line)
            if "taken_back" in entry:
                answers.pop(entry["taken_back"], None)
            else:
                answers[entry["number"]] = entry
    return [*answers.values()]


def _append(entry: dict) -> None:
    """Write an entry. If this fails, the labels are correct, but Undo does not survive a reload."""
    with contextlib.suppress(OSError), lock_of(HERE):
        ANSWERS.parent.mkdir(parents=True, exist_ok=True)
        with ANSWERS.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(entry, default=str))  # the newline ends an incomplete line
