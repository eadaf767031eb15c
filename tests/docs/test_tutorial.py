"""Test that the commands in docs/tutorial.md work and print what the images determine.

Every line in a `console` block that begins with `$` is run, in order, in an empty folder with the
package installed. A `yaml` block is merged into params.yaml, and a `csv` block is appended to
labels.csv, as the page says. The commands in INSTALLATION are not run.

Of the lines below a command, its output, those that begin with one of COUNTED are compared, because
training and the machine determine the others. A small network replaces the page's network with its
published weights; see SUBSTITUTE.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROJECT, SAMPLE_SHA256, SAMPLE_WEIGHTS, change
from installed import NO_NETWORK, Installed
from pages import follow, steps

from pawprint.base import paths
from pawprint.base.columns import HISTORY
from pawprint.base.tables import read_table

PAGE, CHAPTER, _ = re.split(
    "^## (?:Train in epochs|Next steps)$",
    (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)
INSTALLATION = ("python3 -m venv ", ". .venv/", "pip install ", "cd ..")
SUBSTITUTE = f"""
weights: {{source: {SAMPLE_WEIGHTS.name}, sha256: {SAMPLE_SHA256}}}
model: {{backbone: MobileNetV2, alpha: 0.35, image_size: 96}}
"""
COUNTED = ("3 classes:", "demo:", "clean:", "split:", "params.yaml ")


def counted(lines: list[str]) -> set[str]:
    return {" ".join(line.split()) for line in lines if line.startswith(COUNTED)}


def type_all(
    page: str, installed: Installed, folder: Path, small: dict[str, str], **environment: str
) -> Iterator[tuple[str, Path]]:
    """Type each command of a page, and yield it with its folder after checking what it prints."""
    typed = (step for step in steps(page) if not step[0].startswith(INSTALLATION))
    for command, lines, place in follow(typed, folder, small):
        if command == "yaml":
            change(place, *lines)
        elif command == "csv":
            with (place / paths.LABELS_CSV).open("a", encoding="utf-8") as file:
                file.writelines(lines)
        else:
            shell = ("sh", "-c", f"exec 2>&1; {command}")
            printed = installed.succeed(*shell, cwd=place, **NO_NETWORK, **environment)
            assert counted(printed.splitlines()) >= counted(lines), command
            yield command, place


@pytest.mark.extended
def test_every_command_works_and_prints_what_the_page_shows(installed, tmp_path):
    (tmp_path / "pawprint-dvc").symlink_to(PROJECT)
    keras = str(tmp_path / "keras")
    assert [*type_all(PAGE, installed, tmp_path, {"food": SUBSTITUTE}, KERAS_HOME=keras)]


@pytest.mark.extended
def test_curves_of_the_real_photos_are_as_the_chapter_says(mirror, installed, tmp_path):

    there = {"PAWPRINT_MIRROR": str(mirror), "KERAS_HOME": str(mirror / "keras")}
    runs = []
    for command, folder in type_all(CHAPTER, installed, tmp_path, {}, **there):
        if command == "dvc repro":
            histories = (paths.EXTRACT_HISTORY_CSV, paths.FINETUNE_HISTORY_CSV)
            runs.append([read_table(folder / path, HISTORY) for path in histories])
    heads, tuned = zip(*runs)
    ten, sixty, views, before, fitted = (head["validation_loss"] for head in heads)
    assert ten.is_monotonic_decreasing and before.iloc[-1] > tuned[3]["validation_loss"].min()
    for overfitted in (sixty, views):
        assert overfitted.argmin() < 10 and overfitted.iloc[-1] > 1.2 * overfitted.min()
    assert [*map(len, tuned)] == [0, 0, 0, 5, 0] and fitted[0] < ten.min()
