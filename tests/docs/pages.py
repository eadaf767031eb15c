"""The blocks and commands of a page."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from conftest import environment_with


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """(language, text) of each fenced block."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """(command, lines that it prints) of a `console` block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *printed = part.splitlines()
        yield command, printed


def execute(command: str, folder: Path, **environment: str) -> list[str]:
    """The lines that a command prints, which must succeed."""
    result = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment_with(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, f"$ {command}\n{result.stdout}"
    return result.stdout.splitlines()
