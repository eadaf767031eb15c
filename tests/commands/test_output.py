"""Test that rows are written immediately, whole and in UTF-8, and survive if a command is stopped.

Sources: Appsilon/mbaza 79 and kitzeslab/opensoundscape 272 (nothing written until the last row),
mekberg/boar 129, code42/code42cli 338 and pallets/click 3778 (names in the terminal's encoding),
torognes/vsearch 243 (a full disk).
"""

import csv
import io
import itertools
import json
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROJECT, pawprint, photo, refused, run, write_files
from networks import write_colour_model

from pawprint.commands import output
from pawprint.commands.rows import FORMATS
from pawprint.errors import InputError
from pawprint.model.predictor import load_predictor
from pawprint.projects.suggestion import images_in, read_labelled, suggest

LABELS = ["cat", "dog"]
NAMES = [f"猫/ü {number}.jpg" for number in range(9)]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and shells of POSIX")


def row(name: str) -> dict:
    values = {"label": "cat", "probabilities": {"cat": 0.75, "dog": 0.25}, "unknown_score": None}
    return {"path": name} | values | {"error": "", "pixels_sha256": "a1", "model": "b2"}


def paths_in(text: str, form: str) -> list[str]:
    if form == "csv":
        return [cells["path"] for cells in csv.DictReader(io.StringIO(text))]
    records = json.loads(text) if form == "json" else map(json.loads, text.splitlines())
    return [record["path"] for record in records]


def arguments(form: str, file: Path | None) -> Namespace:
    return Namespace(command="predict", format=form, output=file)


EACH = ("csv", "json", "jsonl", "table")
STOPPED = """
import itertools, signal, sys
from test_output import EACH, FORMATS, LABELS, NAMES, Path, arguments, output, row

def rows(number):
    yield from map(row, NAMES[:3])
    signal.raise_signal(number)
    yield row("too late")

signal.signal(signal.SIGINT, signal.default_int_handler)
for number, form in itertools.product((signal.SIGINT, signal.SIGTERM), EACH):
    try:
        with output(arguments(form, Path(f"{number:d} {form}"))) as taken:
            FORMATS[form](taken.take(rows(number), len(NAMES)), LABELS, None)
    except (KeyboardInterrupt, SystemExit) as error:
        print(f"{form}: {error!r}", file=sys.stderr)
"""


@posix
def test_rows_until_a_signal_stay_and_a_line_says_how_many(tmp_path):
    tests = PROJECT / "tests"
    path = os.pathsep.join(map(str, [PROJECT, tests, tests / "support", tests / "commands"]))
    # Use a separate process, because a late signal would end all tests.
    result = run(sys.executable, "-c", STOPPED, cwd=tmp_path, PYTHONPATH=path)
    assert (result.returncode, result.stdout) == (0, "")
    numbers = (signal.SIGINT, signal.SIGTERM)
    assert result.stderr.count("after 3 of 9 images") == len(numbers) * len(EACH)
    for number, form in itertools.product(numbers, EACH):
        text = (tmp_path / f"{number:d} {form}").read_text(encoding="utf-8")
        assert text and "too late" not in text
        if form != "table":
            assert paths_in(text, form) == NAMES[:3]


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_row_is_in_the_file_before_the_next_one_is_computed(tmp_path, form):
    file, seen = tmp_path / "rows", []

    def rows() -> Iterator[dict]:
        for name in NAMES:
            yield row(name)
            seen.append(file.read_text(encoding="utf-8").count("a1"))

    with output(arguments(form, file)) as taken:
        FORMATS[form](taken.take(rows(), len(NAMES)), LABELS, None)
    assert seen == list(range(1, 10))
    assert paths_in(file.read_text(encoding="utf-8"), form) == NAMES


def test_file_is_never_replaced_and_none_is_left_without_a_row(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("mine")
    with refused("rows.csv: cannot create this file for --output"), output(arguments("csv", file)):
        pass
    assert file.read_text() == "mine"
    with refused("no model"), output(arguments("csv", tmp_path / "new.csv")):
        raise InputError("no model")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_rows_have_no_place_on_a_closed_standard_output(monkeypatch, form):
    monkeypatch.setattr("sys.__stdout__", None)
    with refused("standard output: ", "closed", "--output"), output(arguments(form, None)):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with a model and photos."""
    folder = tmp_path_factory.mktemp("output")
    write_colour_model(folder / "models" / "served")
    write_files(folder / "photos", {name: photo(number) for number, name in enumerate(NAMES)})
    return folder


def test_table_for_programs_is_utf_8_whatever_the_terminal_is(folder):
    terminal = {"PYTHONIOENCODING": "cp1252", "LC_ALL": "C", "PYTHONUTF8": "0"}
    terminal["PYTHONCOERCECLOCALE"] = "0"
    result = pawprint(folder, "predict", "photos", "--format", "csv", **terminal)
    assert result.stderr == ""
    assert paths_in(result.stdout, "csv") == [f"photos/{name}" for name in NAMES]
    assert images_in_table(folder, result.stdout.encode("utf-16"))


def images_in_table(folder: Path, content: bytes) -> bool:
    """Return whether `suggest` finds the images in a table that it reads from a pipe."""
    if not hasattr(os, "mkfifo"):
        return True
    os.mkfifo(folder / "pipe")
    threading.Thread(target=(folder / "pipe").write_bytes, args=[content], daemon=True).start()
    return images_in(folder / "pipe") == [Path("photos", name) for name in NAMES]


@posix
@pytest.mark.parametrize("target", [">full.csv", "--output new.csv", ">/dev/full"])
def test_full_disk_is_one_line(folder, target):
    # -B: the limit would also cut off modules that Python compiles. -u: rows are written singly.
    python = f"{sys.executable} -uB"
    limited = f"ulimit -f 1; {python} -m pawprint predict photos --format csv {target}"
    result = run("bash", "-c", limited, cwd=folder, PYTHONPATH=str(PROJECT))
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1, result.stderr
    assert ("of 9 images" in result.stderr) == (target != ">/dev/full")  # not even the header fits


def test_suggest_ranks_what_was_looked_at_before_it_was_stopped(folder, monkeypatch):
    monkeypatch.chdir(folder)
    predictor = load_predictor(folder / "models" / "served")
    stopped = suggest(
        predictor,
        Path("photos"),
        read_labelled(Path()),
        9,
        lambda rows, total: list(rows)[: total // 2],
    )
    assert sorted(str(path) for path, _ in stopped) == [f"photos/{name}" for name in NAMES[:4]]


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
