"""Test that rows are written immediately, whole and in UTF-8.

Sources: Appsilon/mbaza 79 and kitzeslab/opensoundscape 272 (nothing written until the last row),
mekberg/boar 129, code42/code42cli 338 and pallets/click 3778 (names in the terminal's encoding),
torognes/vsearch 243 (a full disk).
"""

import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROJECT, pawprint, photo, run, write_files
from networks import write_colour_model

from pawprint.commands import open_output
from pawprint.commands.output import FORMATS

LABELS = ["cat", "dog"]
NAMES = [f"猫/ü {number}.jpg" for number in range(9)]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and shells of POSIX")


def row(name: str) -> dict:
    values = {"label": "cat", "probabilities": {"cat": 0.75, "dog": 0.25}, "unknown_score": None}
    return {"path": name} | values | {"error": "", "pixels_sha256": "a1", "model": "b2"}


@pytest.mark.parametrize("is_piped", [False, True])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_row_is_written_before_the_next_one_is_computed(tmp_path, monkeypatch, form, is_piped):
    path, seen = tmp_path / "rows", []
    if is_piped:
        monkeypatch.setattr("sys.stdout", path.open("w", encoding="ascii"))

    def rows() -> Iterator[dict]:
        for name in NAMES:
            yield row(name)
            seen.append(path.read_text(encoding="utf-8").count("a1"))

    with open_output(None if is_piped else path, form) as file:
        FORMATS[form](rows(), LABELS, None, file)
    assert seen == list(range(1, 10))


def test_probable_labels_of_a_photo_without_any_are_no_answer(capsys):
    answers = [row(name) | {"label": name} for name in ("cat", "none", "unknown")]
    FORMATS["table"](answers, LABELS, 1, sys.stdout)
    shown = [line.rsplit(maxsplit=2)[0] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["cat", "none (cat)", "unknown (cat)"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with a model and photos."""
    folder = tmp_path_factory.mktemp("output")
    write_colour_model(folder / "models" / "served")
    write_files(folder / "photos", {name: photo(number) for number, name in enumerate(NAMES)})
    return folder


@pytest.mark.parametrize("form", ["csv", "json"])
def test_file_is_utf_8_whatever_the_terminal_is_and_never_replaced(folder, tmp_path, form):
    terminal = {"PYTHONIOENCODING": "cp1252", "LC_ALL": "C", "PYTHONUTF8": "0"}
    terminal["PYTHONCOERCECLOCALE"] = "0"
    path = tmp_path / "rows"
    command = ("predict", "photos", "--format", form, "--output", str(path))
    result = pawprint(folder, *command, **terminal)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    text = path.read_text(encoding="utf-8")
    assert pawprint(folder, *command[:-2], **terminal).stdout == text
    rows = json.loads(text) if form == "json" else csv.DictReader(text.splitlines())
    assert [row["path"] for row in rows] == [f"photos/{name}" for name in NAMES]
    assert "rows exists" in pawprint(folder, *command).stderr
    assert path.read_text(encoding="utf-8") == text


@posix
@pytest.mark.parametrize(
    ("blocks", "target", "kept"),
    [
        (1, ">full.csv", "full.csv"),
        (1, "--output new.csv", "new.csv"),
        (0, "--output none.csv", ""),
        (1, "--format json --output new.json", ""),
        (1, ">/dev/full", ""),
    ],
)
def test_full_disk_is_one_line_and_rows_that_are_done_stay(folder, blocks, target, kept):
    # -B: the limit would also cut off modules that Python compiles. -u: rows are written singly.
    python = f"{sys.executable} -uB"
    limited = f"ulimit -f {blocks}; {python} -m pawprint predict photos --format csv {target}"
    before = {*folder.iterdir()}
    result = run("bash", "-c", limited, cwd=folder, PYTHONPATH=str(PROJECT))
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1, result.stderr
    assert [path.name for path in {*folder.iterdir()} - before] == ([kept] if kept else [])


COMMAND = """
from pawprint.pipeline.entry import run
run(lambda: print('a' * 9999))
"""


@posix
@pytest.mark.parametrize(
    ("streams", "status", "shown", "lines"),
    [(">/dev/full", 1, "", 1), (">&-", 0, "", 0), ("| head -c 1", 0, "a", 0)],
)
def test_stream_that_is_full_or_closed_is_at_most_one_line(streams, status, shown, lines):
    """See tio/tio 83, a traceback."""
    result = run("bash", "-c", f'python -c "$CODE" {streams}', cwd=PROJECT, CODE=COMMAND)
    assert (result.returncode, result.stdout) == (status, shown)
    assert len(result.stderr.splitlines()) == lines and "Traceback" not in result.stderr
