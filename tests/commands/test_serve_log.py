"""Test the log of `pawprint serve`: whole rows, rotation and pipes, as in other tools."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import photo, refused
from servers import SERVICE, request, started

from pawprint.projects.answers import TORN, read_answers, select_answers
from pawprint.projects.service_log import AnswerLog

LABELS = ["cat", "black, white dog"]
MODEL = "0123456789abcdef"
LABELS_OF_SERVICE = ["cat", "dog"]
ANSWER = {"label": LABELS[1], "probabilities": {"cat": 0.1, LABELS[1]: 0.9}, "unknown_score": 0.25}
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


def log_to(path: Path) -> AnswerLog:
    return AnswerLog(path, MODEL)


def hashes_in(path: Path) -> list[str]:
    """Return the hashes in a log, which must consist of whole lines."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    rows = [json.loads(line) for line in content.decode().splitlines() if line]
    assert all({**row, **ANSWER, "model": MODEL} == row for row in rows)
    return [row["pixels_sha256"] for row in rows]


@posix_only
def test_answers_of_a_full_disk_say_that_they_are_not_logged(tmp_path):
    """can1357/oh-my-pi 8596, elizaOS/eliza 30878, thefrederiksen/devthrottle 2635.

    A limit on the size of a file accepts only part of a row, like a full disk.
    """
    pytest.importorskip("fastapi", reason="install the `serve` extra")
    limited = ("bash", "-c", 'ulimit -f 1; PYTHONDONTWRITEBYTECODE=1 exec "$0" "$@"', *SERVICE)
    table = tmp_path / "log.jsonl"
    with started(tmp_path / "output", "--log", str(table), command=limited) as (_, port):
        answers = [request(port, "/predict", photo(number)) for number in range(12)]
    logged = [answer for status, answer in answers if status == 200]
    others = [answer for status, answer in answers if status == 202]
    assert len(logged) + len(others) == 12
    assert logged
    assert others
    assert all("log_error" not in answer for answer in logged)
    reasons = {os.strerror(errno.EFBIG), os.strerror(errno.ENOSPC)}
    assert {answer["log_error"] for answer in others} <= reasons
    assert all(answer["probabilities"] for answer in others)
    rows = read_answers(table, LABELS_OF_SERVICE, has_scores=True)
    labels = [row["label"] for row in rows if row["label"]]
    assert labels == [answer["label"] for answer in logged]


def counted(path: Path) -> tuple[list[str], int]:
    """Return the hashes that `score` reads, and the number of torn lines."""
    rows, left_out, _ = select_answers(read_answers(path, LABELS, has_scores=True), MODEL)
    return [row["pixels_sha256"] for row in rows], left_out[TORN]


def test_torn_end_costs_no_other_line(tmp_path):
    """See the same reports. A killed process or a power failure may cut a row at any byte."""
    whole = tmp_path / "whole.jsonl"
    log = log_to(whole)
    for name in ("first", "second"):
        log.append(name, ANSWER)
    content = whole.read_bytes()
    kept = len(content.splitlines(keepends=True)[0])
    for length in (0, 1, kept - 1, kept, kept + 9, len(content) - 1, len(content)):
        path = tmp_path / "log.jsonl"
        path.write_bytes(content[:length])
        log_to(path).append("third", ANSWER)
        # The row is complete if only the newline is missing.
        before = (length >= kept - 1) + (length >= len(content) - 1)
        is_torn = length not in (0, kept - 1, kept, len(content) - 1, len(content))
        assert counted(path) == ([*["first", "second"][:before], "third"], is_torn)


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
    """As in fireice-uk/xmr-stak-cpu 208 and rackerlabs/repose 1271: the methods of logrotate."""
    path = tmp_path / "log.jsonl"
    logs = [log_to(path), log_to(path)]  # two services
    for log in logs:
        log.append("before", ANSWER)
    rotate(path)
    for log in logs:
        log.append("after", ANSWER)
    assert hashes_in(path.with_suffix(".1")) == ["before"] * 2
    assert hashes_in(path) == ["after"] * 2


def test_log_is_written_again_once_its_folder_is_back(tmp_path):
    """For example, a drive was disconnected for a moment."""
    folder = tmp_path / "drive"
    folder.mkdir()
    log = log_to(folder / "log.jsonl")
    shutil.rmtree(folder)
    with pytest.raises(OSError, match="No such file"):
        log.append("lost", ANSWER)
    folder.mkdir()
    log.append("after", ANSWER)
    assert hashes_in(folder / "log.jsonl") == ["after"]


APPEND = f"""
import sys
from pathlib import Path
from pawprint.projects.service_log import AnswerLog
log = AnswerLog(Path(sys.argv[1]), {MODEL!r})
log.append("first", {ANSWER})
"""


@posix_only
@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize("is_file", [False, True])
def test_log_on_stdout_is_its_rows(tmp_path, name, is_file):
    """See nextcloud/logreader 1217 and nginx/docker-nginx 107. The command waited forever."""
    output = tmp_path / "output.jsonl"
    with output.open("wb") as file:
        stdout = file if is_file else subprocess.PIPE
        command = (sys.executable, "-c", APPEND, name)
        result = subprocess.run(command, stdout=stdout, check=True)
    if not is_file:
        output.write_bytes(result.stdout)
    assert hashes_in(output) == ["first"]


def test_score_reads_whole_lines_and_counts_the_others(tmp_path):
    """As in can1357/oh-my-pi 8596: a row was cut, even in a character, and the next appended."""
    labels = ["猫", 'dog, "old"']
    path = tmp_path / "log.jsonl"
    log = log_to(path)
    for number, label in enumerate(labels):
        probabilities = dict(zip(labels, (0.9, 0.1)))
        answer = {"label": label, "probabilities": probabilities, "unknown_score": 0.25}
        log.append(str(number), answer)
    lines = path.read_bytes().splitlines(keepends=True)
    cuts = [lines[0][:length] for length in range(1, len(lines[0]) - 1)]
    path.write_bytes(b"".join([*[cut + lines[1] for cut in cuts], bytes(512) + b"\n", *lines]))
    rows = read_answers(path, labels, has_scores=True)
    photos, left_out, failed = select_answers(rows, MODEL)
    assert [row["pixels_sha256"] for row in photos] == ["0", "1"]
    assert [row["probabilities"] for row in photos] == [probabilities] * 2
    assert [row["unknown_score"] for row in photos] == [0.25, 0.25]
    assert left_out == {TORN: len(cuts) + 1, "of another model": 0, "copies": 0}
    assert failed == []


@pytest.mark.parametrize("label", ["cow", LABELS[0]])  # a new class, or an existing one
def test_log_outlives_a_model_of_other_labels(tmp_path, label):
    path = tmp_path / "log.jsonl"
    log = AnswerLog(path, "another")
    log.append("0", {"label": label, "probabilities": {label: 1.0}, "unknown_score": None})
    log_to(path).append("1", ANSWER)
    photos, left_out, failed = select_answers(read_answers(path, LABELS, True), MODEL)
    assert [row["pixels_sha256"] for row in photos] == ["1"]
    assert (left_out["of another model"], failed) == (1, [])


@pytest.mark.parametrize("line", ['{"path": "1.jpg"}', '{"label": "cat", "probabilities": [1]}'])
def test_other_lines_of_json_are_one_line(tmp_path, line):
    path = tmp_path / "other.jsonl"
    path.write_text(f"{line}\n")
    with refused("other.jsonl: line 1: expected the keys pixels_sha256", "`pawprint serve --log`"):
        read_answers(path, LABELS, has_scores=True)
