"""The log of `pawprint serve` as other tools' logs: whole rows, rotation, pipes."""

import csv
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import photo, refused
from servers import SERVICE, request, started

from pawprint.commands.answer_log import TORN, AnswerLog, read_answers, select_answers

LABELS = ["cat", "black, white dog"]
MODEL = "0123456789abcdef"
ANSWER = {"label": LABELS[1], "probabilities": {"cat": 0.1, LABELS[1]: 0.9}, "unknown_score": 0.25}
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


def log_to(path: Path) -> AnswerLog:
    return AnswerLog(path, LABELS, MODEL)


def hashes_in(path: Path) -> list[str]:
    """The column of hashes of a table, which must have a header and nothing but whole rows."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    header, *rows = csv.reader(content.decode().splitlines(), strict=True)
    assert header[:3] == ["time", "pixels_sha256", "label"]
    assert all(len(row) == len(header) and row[-1] == MODEL for row in rows)
    return [row[1] for row in rows]


@posix_only
def test_answers_of_a_full_disk_say_that_they_are_not_logged(tmp_path):
    """can1357/oh-my-pi 8596, elizaOS/eliza 30878, thefrederiksen/devthrottle 2635.

    A limit of a file's size takes the part of a row that fits, as a full disk does.
    """
    pytest.importorskip("fastapi", reason="install the extra `serve`")
    limited = ("bash", "-c", 'ulimit -f 1; exec "$0" "$@"', *SERVICE)
    table = tmp_path / "log.csv"
    with started(tmp_path / "output", "--log", str(table), command=limited) as (_, port):
        answers = [request(port, "/predict", photo(number)) for number in range(12)]
    logged = [answer for status, answer in answers if status == 200]
    others = [answer for status, answer in answers if status == 202]
    assert len(logged) + len(others) == 12
    assert logged
    assert others
    assert all("log_error" not in answer for answer in logged)
    assert {answer["log_error"] for answer in others} == {os.strerror(errno.EFBIG)}
    assert all(answer["probabilities"] for answer in others)
    content = table.read_text()
    assert content.endswith("\n")
    assert len(content.splitlines()) == 1 + len(logged)


def test_torn_end_is_repaired_before_the_next_row(tmp_path):
    """The same reports. A killed process or a power failure leaves it, at any byte."""
    whole = tmp_path / "whole.csv"
    log = log_to(whole)
    for name in ("first", "second"):
        log.append(name, ANSWER)
    content = whole.read_bytes()
    lines = content.splitlines(keepends=True)
    kept = len(lines[0]) + len(lines[1])
    for length in range(len(content) + 1):
        table = tmp_path / f"{length}.csv"
        table.write_bytes(content[:length])
        log_to(table).append("third", ANSWER)
        before = (length >= kept - 1) + (length >= len(content) - 1)  # but for a newline
        assert hashes_in(table) == [*["first", "second"][:before], "third"]


def test_row_that_was_torn_by_another_process_meanwhile_is_removed(tmp_path):
    """The same reports. Zeros are what a file system may leave after a power failure."""
    log = log_to(tmp_path / "log.csv")
    log.append("first", ANSWER)
    for torn in (b"2026-11-26T03:06", bytes(100_000)):
        with (tmp_path / "log.csv").open("ab") as file:
            file.write(torn)
        log.append("next", ANSWER)
    assert hashes_in(tmp_path / "log.csv") == ["first", "next", "next"]


def rename(path: Path) -> None:
    path.rename(path.with_suffix(".1"))


def rename_and_create(path: Path) -> None:
    rename(path)
    path.touch()


def copy_and_truncate(path: Path) -> None:
    path.with_suffix(".1").write_bytes(path.read_bytes())
    os.truncate(path, 0)


@posix_only
@pytest.mark.parametrize("rotate", [rename, rename_and_create, copy_and_truncate])
def test_rows_after_a_rotation_are_in_a_new_table(tmp_path, rotate):
    """fireice-uk/xmr-stak-cpu 208, rackerlabs/repose 1271: the ways of logrotate."""
    path = tmp_path / "log.csv"
    logs = [log_to(path), log_to(path)]  # as of two services
    for log in logs:
        log.append("before", ANSWER)
    rotate(path)
    for log in logs:
        log.append("after", ANSWER)
    assert hashes_in(path.with_suffix(".1")) == ["before"] * 2
    assert hashes_in(path) == ["after"] * 2


def test_log_is_written_again_once_its_folder_is_back(tmp_path):
    """As of a drive that was away for a moment."""
    folder = tmp_path / "drive"
    folder.mkdir()
    log = log_to(folder / "log.csv")
    (folder / "log.csv").unlink()
    folder.rmdir()
    with pytest.raises(OSError, match="No such file"):
        log.append("lost", ANSWER)
    folder.mkdir()
    log.append("after", ANSWER)
    assert hashes_in(folder / "log.csv") == ["after"]


def test_log_needs_no_hard_links_and_takes_an_empty_file(tmp_path, monkeypatch):
    """As on exFAT, SMB, and in some containers."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "empty.csv").touch()
    for name in ("new.csv", "empty.csv"):
        log_to(tmp_path / name).append("first", ANSWER)
        assert hashes_in(tmp_path / name) == ["first"]


def test_other_table_is_not_written_to(tmp_path):
    path = tmp_path / "log.csv"
    log = log_to(path)
    for other in ("notes", "notes\n", "time,label\n2026,cat"):
        path.write_text(other)
        with refused("log.csv", "Received: another file"):
            log_to(path)
        with refused("log.csv", "Received: another file"):
            log.append("first", ANSWER)
        assert path.read_text() == other


APPEND = f"""
import sys
from pathlib import Path
from pawprint.model.metadata import Metadata
from pawprint.commands.answer_log import AnswerLog
from pawprint.commands.answer_log import AnswerLog, TORN, read_answers, select_answers
log = AnswerLog(Path(sys.argv[1]), {LABELS}, {MODEL!r})
log.append("first", {ANSWER})
"""


@posix_only
@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize("is_file", [False, True])
def test_log_on_stdout_is_its_rows(tmp_path, name, is_file):
    """nextcloud/logreader 1217, nginx/docker-nginx 107. It waited for ever."""
    output = tmp_path / "output.csv"
    with output.open("wb") as file:
        stdout = file if is_file else subprocess.PIPE
        command = (sys.executable, "-c", APPEND, name)
        result = subprocess.run(command, stdout=stdout, check=True)
    if not is_file:
        output.write_bytes(result.stdout)
    assert hashes_in(output) == ["first"]


@posix_only
def test_log_in_a_named_pipe_is_its_rows(tmp_path):
    """nextcloud/logreader 1217, nginx/docker-nginx 107. One that nothing reads is one line."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with refused("pipe", "expected a table to append to", "reader"):
        log_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = log_to(pipe)
    log.append("first", ANSWER)
    (tmp_path / "read.csv").write_bytes(os.read(reader, 10_000))
    assert hashes_in(tmp_path / "read.csv") == ["first"]
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        log.append("lost", ANSWER)


@posix_only
def test_log_in_a_device(tmp_path):
    log_to(Path("/dev/null")).append("first", ANSWER)
    if Path("/dev/full").exists():
        with refused("/dev/full", "No space left on device"):
            log_to(Path("/dev/full"))
    for name in (tmp_path, tmp_path / "absent/log.csv"):
        with refused(str(name), "expected a table to append to"):
            log_to(name)


def test_score_reads_whole_rows_and_counts_the_others(tmp_path):
    """can1357/oh-my-pi 8596: a row was cut, also within a letter or quotes, and the next glued."""
    labels = ["猫", 'dog, "old"']
    path = tmp_path / "log.csv"
    log = AnswerLog(path, labels, MODEL)
    for number, label in enumerate(labels):
        probabilities = dict(zip(labels, (0.9, 0.1)))
        answer = {"label": label, "probabilities": probabilities, "unknown_score": 0.25}
        log.append(str(number), answer)
    header, *rows = path.read_bytes().splitlines(keepends=True)
    after_time = rows[0].index(b",") + 1
    cuts = [row[:length] for row in rows for length in range(after_time, len(row) - 16)]
    table = [header, *[cut + rows[1] for cut in cuts], bytes(512) + b"\n", header, *rows, cuts[0]]
    path.write_bytes(b"".join(table))
    rows = read_answers(path, labels, has_scores=True)
    photos, left_out, failed = select_answers(rows, MODEL)
    assert [row["pixels_sha256"] for row in photos] == ["0", "1"]
    assert [row["unknown_score"] for row in photos] == [0.25, 0.25]
    assert left_out == {TORN: len(cuts) + 2, "of another model": 0, "copies": 0}
    assert failed == []
