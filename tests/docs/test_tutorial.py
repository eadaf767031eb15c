"""Test that the commands in docs/tutorial.md work and print what the images determine.

Every line in a `console` block that begins with `$` is run, in order, in an empty folder with the
package installed. A `yaml` block is merged into params.yaml, and a `csv` block is appended to
labels.csv, as the page says. The commands in INSTALLATION are not run.

Of the lines below a command, its output, those that begin with one of COUNTED are compared, because
training and the machine determine the others. A small network replaces the page's network with its
published weights; see SUBSTITUTE.
"""

import pytest
from conftest import PROJECT, SAMPLE_SHA256, SAMPLE_WEIGHTS, change
from installed import NO_NETWORK
from pages import follow, steps

from pawprint.base import paths

PAGE = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
INSTALLATION = ("python3 -m venv ", ". .venv/", "pip install ", "cd ..")
SUBSTITUTE = f"""
weights: {{source: {SAMPLE_WEIGHTS.name}, sha256: {SAMPLE_SHA256}}}
model: {{backbone: MobileNetV2, alpha: 0.35, image_size: 96}}
"""
COUNTED = ("3 classes:", "demo:", "clean:", "split:", "params.yaml ")


def counted(lines: list[str]) -> set[str]:
    return {" ".join(line.split()) for line in lines if line.startswith(COUNTED)}


@pytest.mark.extended
def test_every_command_works_and_prints_what_the_page_shows(installed, tmp_path):
    (tmp_path / "pawprint-dvc").symlink_to(PROJECT)
    away = NO_NETWORK | {"KERAS_HOME": str(tmp_path / "keras")}
    typed = (step for step in steps(PAGE) if not step[0].startswith(INSTALLATION))
    for command, lines, folder in follow(typed, tmp_path, {"food": SUBSTITUTE}):
        if command == "yaml":
            change(folder, *lines)
        elif command == "csv":
            with (folder / paths.LABELS_CSV).open("a", encoding="utf-8") as file:
                file.writelines(lines)
        else:
            shell = ("sh", "-c", f"exec 2>&1; {command}")
            printed = installed.succeed(*shell, cwd=folder, **away)
            assert counted(printed.splitlines()) >= counted(lines), command
