"""Read the blocks and commands of a page."""

import re
from collections.abc import Iterator


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield (language, text) for each fenced block."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (command, printed lines) for each command in a `console` block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *printed = part.splitlines()
        yield command, printed
