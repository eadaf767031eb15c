"""Answers on pages of photos: each browser can take its own back, also after a reload."""

import contextlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pawprint.app.groups import Image, Pages
from pawprint.app.labelling import LOCK, Copy, Written

ANSWERS = Path(".dvc/tmp/pawprint-answers.jsonl")
Change = Written | Copy


@dataclass(frozen=True)
class Undo:
    """What takes an answer back, here and in the file of all answers."""

    number: str
    changes: Sequence[Change]

    def __call__(self) -> None:
        """Take the changes back. Raises InputError or OSError where others changed the same."""
        for change in self.changes:
            change()
        _append({"taken_back": self.number})


def record(
    pages: Pages, session: tuple[str, str], marked: set[int], label: str, changes: Sequence[Change]
) -> None:
    """End the page: the images at the places `marked` have got the label, by these changes.

    `session` names the browser, and where the images are from.
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
    pages.answer(marked, label, Undo(number, changes))
    with contextlib.suppress(OSError):  # the labels are written; only Undo after a reload is lost
        _append(entry)


def restore(pages: Pages, session: tuple[str, str]) -> None:
    """Give new pages the answers of their browser that were not taken back."""
    for entry in _answers_of(session):
        pages.images = [_image(image) for image in entry["images"]]
        pages.label, pages.sure = entry["likely"], entry["sure"]
        undo = Undo(entry["number"], [_change(change) for change in entry["changes"]])
        pages.answer({*entry["marked"]}, entry["label"], undo)
    pages.label = ""


def _answers_of(session: tuple[str, str]) -> list[dict]:
    answers: dict[str, dict] = {}
    lines = ANSWERS.read_text(encoding="utf-8").splitlines() if ANSWERS.exists() else []
    for line in lines:
        with contextlib.suppress(ValueError):  # torn by a crash
            entry = json.loads(line)
            if "taken_back" in entry:
                answers.pop(entry["taken_back"], None)
            elif tuple(entry["session"]) == session:
                answers[entry["number"]] = entry
    return [*answers.values()]


def _append(entry: dict) -> None:
    with LOCK:
        ANSWERS.parent.mkdir(parents=True, exist_ok=True)
        with ANSWERS.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(entry, default=str))  # a torn line ends there


def _image(image: list[str]) -> Image:
    path, pixels = image
    return path, pixels


def _change(change: dict) -> Change:
    if "table" in change:
        return _written(change)
    row = _written(change["row"]) if change["row"] else None
    return Copy(Path(change["image"]), Path(change["copy"]), row)


def _written(change: dict) -> Written:
    return Written(Path(change["table"]), change["key"], change["before"], change["after"])
