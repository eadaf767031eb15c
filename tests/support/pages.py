"""Read the blocks and commands of a page, and follow it from folder to folder."""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from conftest import SAMPLE_WEIGHTS, change, set_author


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield (language, text) for each fenced block."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (command, printed lines) for each command in a `console` block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *printed = part.splitlines()
        yield command, printed


def steps(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what `commands` does for a page, and (language, [text]) for each other block."""
    for language, text in blocks(page):
        yield from commands(text) if language == "console" else [(language, [text])]


def follow(
    steps: Iterable[tuple[str, list[str]]], folder: Path, small: Mapping[str, str]
) -> Iterator[tuple[str, list[str], Path]]:
    """Yield each step with its folder. A project in `small` gets small weights and these params."""
    for command, lines in steps:
        if not command.startswith("cd "):
            # `discard` asks for confirmation.
            yield command + " --yes" * (command == "pawprint discard"), lines, folder
            continue
        folder = (folder / command.removeprefix("cd ")).resolve(strict=True)
        if (folder / ".git").exists():
            set_author(folder)
        if folder.name in small:
            shutil.copy(SAMPLE_WEIGHTS, folder)
            change(folder, small[folder.name])
