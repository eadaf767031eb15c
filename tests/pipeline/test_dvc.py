"""`dvc repro` apart from who started it: real ones, of stages that wait for the test."""

import contextlib
import os
import signal
from pathlib import Path
from typing import IO

import pytest
from conftest import environment_with, git_init, refused, succeed
from kills import start as start_in_terminal

from pawprint.pipeline import dvc as running

HERE = Path()
pytestmark = pytest.mark.skipif(not running.HAS_TERMINALS, reason="needs terminals")

STAGES = """\
stages:
  first: {cmd: echo first > first.txt, outs: [first.txt]}
  second: {cmd: cat gate > second.txt && cat second.txt && test -s second.txt, deps: [first.txt],
    outs: [second.txt]}
"""


@pytest.fixture
def gate(tmp_path, monkeypatch) -> Path:
    """What the second stage waits for. The project is the current directory."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment_with().items():
        monkeypatch.setenv(name, value)
    git_init(tmp_path)
    succeed("dvc", "init", "-q", cwd=tmp_path)
    (tmp_path / "dvc.yaml").write_text(STAGES, encoding="utf-8")
    os.mkfifo("gate")
    return tmp_path / "gate"


def opened(gate: Path) -> IO:
    """The gate, once the stage reads it. Fails if the run ends before."""
    while running.is_running(HERE):
        with contextlib.suppress(OSError):  # nobody reads it yet
            return os.fdopen(os.open(gate, os.O_WRONLY | os.O_NONBLOCK), "w")
    pytest.fail(str(running.read(HERE)))


def ended() -> running.PipelineRun:
    """The run, after its end."""
    import fcntl

    with running.LOCK.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    return running.read(HERE)


def test_one_run_goes_on_at_a_time_and_is_seen_with_its_stages(gate):
    running.start(HERE, "dvc", "repro")
    with opened(gate) as waiting:
        run = running.read(HERE)
        assert (run.state, [name for name, *_ in run.steps]) == ("running", ["first", "second"])
        with refused("one that goes on"):
            running.start(HERE, "dvc", "repro")
        waiting.write("second: all is well\n")
    run = ended()
    assert run.state == "done"
    assert run.lines == ["second: all is well"]
    running.start(HERE, "dvc", "repro")
    assert [kind for _, kind, _ in ended().steps] == ["didn't change"] * 2


def test_failed_run_has_one_line_and_the_next_one_goes_on_with_its_stage(gate):
    running.start(HERE, "dvc", "repro")
    opened(gate).close()
    run = ended()
    assert run.state == "failed"
    assert "failed to reproduce 'second'" in running.error_of(run)
    running.start(HERE, "dvc", "repro")
    with opened(gate) as waiting:
        waiting.write("second: expected cats. Received: none.\n")
    assert [step[:2] for step in ended().steps] == [("first", "didn't change"), ("second", "")]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_stopped_or_killed_run_leaves_no_process_and_the_next_one_ends(gate, end):
    running.start(HERE, "dvc", "repro")
    with opened(gate):
        if end == "stop":
            running.stop(HERE)
        else:
            os.kill(int(running.LOCK.read_text(encoding="utf-8")), signal.SIGKILL)
        ended()
    assert "second" not in Path("dvc.lock").read_text(encoding="utf-8")
    while running.is_elsewhere(HERE):  # until the system has forgotten the process
        pass
    assert running.read(HERE).state == {"stop": "stopped", "kill": "killed"}[end]
    running.start(HERE, "dvc", "repro")
    with opened(gate) as waiting:
        waiting.write("second: once more\n")
    assert ended().state == "done"


def test_run_in_a_terminal_is_seen_and_no_other_starts(gate):
    with start_in_terminal(gate.parent) as process:
        with gate.open("w") as waiting:
            assert running.is_elsewhere(HERE)
            with refused("one in a terminal"):
                running.start(HERE, "dvc", "repro")
            waiting.write("second: of a terminal\n")
        process.communicate()
    assert not running.is_elsewhere(HERE)
    assert running.read(HERE).state == ""
