"""Test that the commands in docs/tutorial.md work and print what the page shows.

Every line in a `console` block that begins with `$` is run, in order, in an empty folder with the
package installed. A `yaml` block is merged into params.yaml, and a `csv` block is appended to
labels.csv, as the page says. The commands in INSTALLATION are not run.

The lines below a command are its output. `…` matches any lines, spaces match any spaces, and a
number matches any number, because training and the machine determine the values. Numbers are only
compared if the images and the page determine them: after a slash, in totals and file names, and in
lines that begin with one of COUNTED. If the page shows labels to review, these rows must be among
the printed ones. The verdict of a comparison may differ.

A small network replaces the page's network with its published weights; see SUBSTITUTE.
"""

import re
import shutil

import pytest
from conftest import PROJECT, SAMPLE_SHA256, SAMPLE_WEIGHTS, change, run, set_author
from installed import NO_NETWORK
from pages import blocks, commands

from pawprint import paths

PAGE = PROJECT / "docs" / "tutorial.md"
INSTALLATION = ("python3 -m venv ", ". .venv/", "pip install ", "cd ..")
SUBSTITUTE = f"""
weights: {{source: {SAMPLE_WEIGHTS.name}, sha256: {SAMPLE_SHA256}}}
model: {{backbone: MobileNetV2, alpha: 0.35, image_size: 96}}
"""
COUNTED = ("3 classes:", "demo:", "clean:", "split:", "params.yaml ")
NUMBER = re.compile(r"(?<![\w/.])[+-]?\d[\d,]*(\.\d+)?(?![\w.])")
VERDICT = re.compile(
    r"^(No difference shown between HEAD and workspace: |"
    r"HEAD and workspace are equal within a point: |"
    r"workspace is (better|worse) than HEAD: log loss 0, was 0 \(a difference of 0 to 0\), )"
    r"between .* can be compared( \(.*\))?\.$|"
    r"^The predictions of HEAD and workspace are identical on all .* images: log loss [\d.]+$"
)


def comparable(lines: list[str]) -> list[str]:
    # `init` prints how this package was installed.
    advice = "Before you share the project: requirements.txt "
    kept = (line for line in lines if not line.startswith(advice))
    spaced = (" ".join(line.split()) for line in kept)
    plain = (line if line.startswith(COUNTED) else NUMBER.sub("0", line) for line in spaced)
    return [VERDICT.sub("a verdict", line) for line in plain]


def agrees(shown: list[str], printed: list[str]) -> bool:
    """Return whether `printed` matches `shown`, where each `…` stands for any lines."""
    lines = ["(.*\n)*" if line == "…" else re.escape(f"{line}\n") for line in shown]
    return bool(re.fullmatch("".join(lines), "".join(f"{line}\n" for line in printed)))


def test_drawn_pictures_do_not_replace_a_folder(tmp_path):
    photo = tmp_path / "hotdog" / "mine.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"mine")
    result = run("python", "examples/demo.py", str(tmp_path), cwd=PROJECT)
    assert result.returncode == 1
    assert result.stderr.startswith(f"{tmp_path}: expected a new folder.")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [photo]


@pytest.mark.extended
def test_every_command_works_and_prints_what_the_page_shows(installed, tmp_path):
    folder = tmp_path
    (folder / "pawprint").symlink_to(PROJECT)
    for language, text in blocks(PAGE.read_text(encoding="utf-8")):
        if language == "yaml":
            change(folder, text)
        elif language == "csv":
            with (folder / paths.LABELS_CSV).open("a", encoding="utf-8") as file:
                file.write(text)
        else:
            assert language == "console"
            for command, lines in commands(text):
                if command.startswith(INSTALLATION):
                    continue
                if command.startswith("cd "):
                    folder = (folder / command.removeprefix("cd ")).resolve(strict=True)
                    if (folder / ".git").exists():
                        set_author(folder)
                    if command == "cd food":
                        shutil.copy(SAMPLE_WEIGHTS, folder)
                        change(folder, SUBSTITUTE)
                else:
                    if command == "pawprint discard":  # `discard` asks for confirmation
                        command += " --yes"
                    shell = ("sh", "-c", f"exec 2>&1; {command}")
                    away = NO_NETWORK | {"KERAS_HOME": str(tmp_path / "keras")}
                    printed = installed.succeed(*shell, cwd=folder, **away)
                    found, shown = comparable(printed.splitlines()), comparable(lines)
                    is_part = command.endswith(paths.LABELS_TO_REVIEW_CSV.as_posix())
                    holds = set(shown) - {"…"} <= set(found) if is_part else agrees(shown, found)
                    assert holds, f"$ {command}\n{printed}"
