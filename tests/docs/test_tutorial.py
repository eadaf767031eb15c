"""docs/tutorial.md: its commands work and print what the page shows.

Every line of a `console` block that begins with `$` is run, in order, in a copy of the project. A
`yaml` block is laid over params.yaml and a `csv` block becomes labels.csv, as the page says. The
commands in INSTALLATION are not run: the project is installed.

The lines below a command are its output. `…` stands for any lines and any spaces for any others. A
number stands for any number, because training and machine decide it. Numbers in lines that begin
with one of COUNTED follow from the pictures and the page and are compared, and so are numbers after
a slash: totals and names of files. Of the list of likely wrong labels, the rows shown must be among
those printed.

Without published weights in the mirror, SUBSTITUTE replaces them.
"""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from conftest import MIRROR, OFFLINE, PROJECT, environment_with, git_project, real, run

from pawprint.core import paths
from recipes.overlay import overlay

PAGE = PROJECT / "docs" / "tutorial.md"
INSTALLATION = ("git clone ADDRESS ", "python3 -m venv ", ". .venv/", "pip install ")
SUBSTITUTE = OFFLINE + "model: {image_size: 96}\n"
COUNTED = ("things:", "clean:", "split:", "params.yaml ")
NUMBER = re.compile(r"(?<![\w/.])[+-]?\d[\d,]*(\.\d+)?(?![\w.])")
ANY_LINES = "…"


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """(language, text) of each fenced block."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(command, lines that it prints)."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *printed = part.splitlines()
        yield command, comparable(printed)


def comparable(lines: list[str]) -> tuple[str, ...]:
    spaced = (" ".join(line.split()) for line in lines)
    return tuple(line if line.startswith(COUNTED) else NUMBER.sub("0", line) for line in spaced)


@cache
def agrees(shown: tuple[str, ...], printed: tuple[str, ...]) -> bool:
    """Whether `printed` is `shown`, with any lines in place of each `…`."""
    if ANY_LINES not in shown:
        return shown == printed
    first = shown.index(ANY_LINES)
    if shown[:first] != printed[:first]:
        return False
    rest = shown[first + 1 :]
    return any(agrees(rest, printed[start:]) for start in range(first, len(printed) + 1))


def test_ellipsis_stands_for_any_lines():
    for shown, agreed in (("a…c…", True), ("a…d", False), ("ac", False), ("…c…a…", False)):
        assert agrees(tuple(shown), ("a", "b", "c")) == agreed


def test_numbers_of_pictures_are_compared_and_numbers_of_training_are_not():
    assert comparable(["test accuracy 0.9841 (62/63)"]) == comparable(["test accuracy 1.0 (6/63)"])
    for one, other in (
        ("clean: kept 300 files", "clean: kept 301 files"),
        ("accuracy 1.0 (63/63)", "accuracy 1.0 (63/64)"),
        ("other/042.jpg,hotdog", "other/043.jpg,hotdog"),
    ):
        assert comparable([one]) != comparable([other])


def test_drawn_pictures_do_not_replace_a_folder(tmp_path):
    photo = tmp_path / "hotdog" / "mine.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"mine")
    result = run("python", "-m", "recipes.sample.things", str(tmp_path), cwd=PROJECT)
    assert result.returncode == 1
    assert result.stderr.startswith(f"{tmp_path}: expected a folder that is not there yet.")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [photo]


@pytest.mark.slow
def test_every_command_works_and_prints_what_the_page_shows(tmp_path):
    changes = "{}" if (MIRROR / "keras").is_dir() else SUBSTITUTE
    folder = git_project(tmp_path / "pawprint", changes, without=()).parent
    for language, text in blocks(PAGE.read_text(encoding="utf-8")):
        if language == "yaml":
            file = folder / "params.yaml"
            file.write_text(overlay(file.read_text(encoding="utf-8"), text), encoding="utf-8")
        elif language == "csv":
            (folder / paths.LABELS).write_text(text, encoding="utf-8")
        else:
            assert language == "console"
            for command, shown in commands(text):
                if command.startswith("cd "):
                    folder = (folder / command.removeprefix("cd ")).resolve(strict=True)
                elif not command.startswith(INSTALLATION):
                    printed = execute(command, folder)
                    if command.endswith(paths.LIKELY_WRONG_LABELS.as_posix()):
                        assert set(shown) <= set(comparable(printed)), "\n".join(printed)
                    else:
                        result = "\n".join([f"$ {command}", *printed])
                        assert agrees(shown, comparable(printed)), result


def execute(command: str, folder: Path) -> list[str]:
    """The lines that a command prints, which must succeed."""
    result = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment_with(**real(MIRROR.resolve())),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, f"$ {command}\n{result.stdout}"
    return result.stdout.splitlines()
