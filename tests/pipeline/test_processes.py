"""Test `dvc repro` as a separate process, with a real stage that waits for the test."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from conftest import PROJECT, environment_with, git_init, refused, succeed
from kills import start as start_in_terminal

from pawprint.pipeline import runs

HERE = Path()
# It waits after 3 of 4 items.
WAITING = """\
import sys, time
from pathlib import Path
from pawprint import progress
progress.SECONDS = 0
bar = progress.track(None, "counting", 4)
bar.update(3)
print("second: waits")
try:
    Path("waits").touch()
    while not Path("gate").exists():
        time.sleep(0.01)
except KeyboardInterrupt:
    sys.exit("second: stopped after 3 of 4")
bar.close()
text = Path("gate").read_text()
print(text, end="")
Path("second.txt").write_text(text)
Path("gate").unlink()
sys.exit(not text)
"""
STAGES = {
    "first": {"cmd": "echo first > first.txt", "outs": ["first.txt"]},
    "second": {"cmd": "python waiting.py", "deps": ["first.txt"], "outs": ["second.txt"]},
}


@pytest.fixture
def gate(tmp_path, monkeypatch) -> Path:
    """Return the file in the current directory that the second stage waits for, once it waits."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment_with().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    git_init(tmp_path)
    succeed("dvc", "init", "-q", cwd=tmp_path)
    (tmp_path / "waiting.py").write_text(WAITING, encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": STAGES}), encoding="utf-8")
    return tmp_path / "gate"


def wait() -> runs.PipelineRun:
    """Return the run once its second stage waits. Fail if the run ends before that."""
    while not Path("waits").exists():
        assert psutil.wait_procs(processes()[:1], timeout=0.05)[1], runs.read(HERE)
    Path("waits").unlink()
    while not (run := runs.read(HERE)).lines:  # the line of the stage is still in the pipe
        assert psutil.wait_procs(processes()[:1], timeout=0.05)[1], run
    return run


def open_gate(gate: Path, text: str) -> None:
    """Let the second stage print a text and end. It fails if the text is empty."""
    gate.with_suffix(".part").write_text(text, encoding="utf-8")
    gate.with_suffix(".part").replace(gate)


def ended() -> runs.PipelineRun:
    """Return the run after its end."""
    psutil.wait_procs(processes()[:1])
    return runs.read(HERE)


def processes() -> list[psutil.Process]:
    """Return the processes of the current run, or none after its end."""
    runner = runs._process(HERE)
    return [runner, *runner.children(recursive=True)] if runner else []


def test_one_run_goes_on_at_a_time_and_is_seen_with_its_stages_and_progress(gate):
    runs.start(HERE, "dvc", "repro")
    run = wait()
    assert (run.state, [name for name, *_ in run.steps]) == ("running", ["first", "second"])
    assert run.progress[:2] == ("counting", 75)
    assert "3/4" in run.progress.detail
    assert run.lines == ["second: waits"]  # while the stage is still running
    with refused("another run is active"):
        runs.start(HERE, "dvc", "repro")
    open_gate(gate, "second: all is well, 猫\n")
    run = ended()
    assert (run.state, run.progress) == ("done", None)
    assert run.lines[1:] == ["second: all is well, 猫"]
    runs.start(HERE, "dvc", "repro")
    assert [kind for _, kind, _ in ended().steps] == ["didn't change"] * 2


def test_failed_run_has_one_line_and_the_next_one_goes_on_with_its_stage(gate):
    runs.start(HERE, "dvc", "repro")
    wait()
    open_gate(gate, "")
    run = ended()
    assert run.state == "failed"
    assert runs.error_of(run) == "second: waits"
    tree = ["second: 9 photos", "photos: expected cats.", "", "dogs/"]
    whole = run._replace(lines=[*tree, *run.lines[1:]])
    assert runs.error_of(whole).splitlines() == tree[1:]
    silent = run._replace(lines=run.lines[1:])
    assert "failed to reproduce 'second'" in runs.error_of(silent)
    runs.start(HERE, "dvc", "repro")
    wait()
    open_gate(gate, "second: expected cats. Received: none.\n")
    assert [step[:2] for step in ended().steps] == [("first", "didn't change"), ("second", "")]


def test_stopped_run_leaves_no_process_and_the_next_one_ends(gate):
    runs.start(HERE, "dvc", "repro")
    wait()
    before = processes()
    runs.stop(HERE)
    assert psutil.wait_procs(before, timeout=60)[1] == []
    run = runs.read(HERE)
    assert run.state == "stopped"
    if os.name == "posix":  # like Ctrl-C
        assert "second: stopped after 3 of 4" in run.lines
    assert "second" not in Path("dvc.lock").read_text(encoding="utf-8")
    assert not runs.is_elsewhere(HERE)
    runs.start(HERE, "dvc", "repro")
    wait()
    open_gate(gate, "second: once more\n")
    assert ended().state == "done"


def test_run_whose_log_ends_is_still_seen_and_no_other_starts(gate):
    """The process that writes the log was killed, and DVC goes on."""
    runs.start(HERE, "dvc", "repro")
    wait()
    runner, *others = processes()
    runner.kill()
    psutil.wait_procs([runner])
    try:
        assert runs.read(HERE).state == "elsewhere"
        with refused("a run in a terminal is active"):
            runs.start(HERE, "dvc", "repro")
    finally:
        open_gate(gate, "second: alone\n")
        psutil.wait_procs(others)
    assert runs.read(HERE).state == "killed"


@pytest.mark.skipif(os.name != "posix", reason="a signal")
@pytest.mark.parametrize("of_module", ["", runs.__name__])
def test_stop_spares_a_process_that_has_the_number_of_an_ended_run(tmp_path, of_module):
    """The other process may be a run in another project."""
    command = [sys.executable, "-c", "input()", of_module]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as bystander:
        log = tmp_path / runs.LOG
        log.parent.mkdir(parents=True)
        log.write_text(f"1.0\t{runs.STARTED}{bystander.pid}\n", encoding="utf-8")
        assert runs.read(tmp_path).state == "killed"
        runs.stop(tmp_path)
        bystander.communicate(b"\n")
    assert bystander.returncode == 0


def test_process_that_ends_at_once_is_said_to(gate, monkeypatch):
    """As with an installation that lacks a package; no other run can be the reason."""
    monkeypatch.setattr(runs, "python_in", lambda folder: [sys.executable, "-c", "", "--"])
    with refused("cannot start `dvc repro`", "ended immediately"):
        runs.start(HERE, "dvc", "repro")


def test_run_outlives_who_started_it_from_elsewhere_and_its_ctrl_c(gate):
    code = """import os, signal, sys
from pathlib import Path
from pawprint.pipeline import runs
signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a job in the background ignores
runs.start(Path(sys.argv[1]), "dvc", "repro")
os.killpg(0, signal.SIGINT)
"""
    command = [sys.executable, "-c", code, str(gate.parent)]
    process = psutil.Popen(command, cwd=PROJECT, start_new_session=True)
    assert process.wait() == -signal.SIGINT
    wait()
    open_gate(gate, "second: alone\n")
    assert ended().state == "done"


def test_between_its_stages_dvc_is_said_to_be_at_work(gate, monkeypatch):
    """DVC may be fetching the outputs of a stage. Here, a module of that name waits instead."""
    module = Path("busy/dvc.py")
    module.parent.mkdir()
    lines = ["import pathlib, time", "print('waits')", "while not pathlib.Path('gate').exists():"]
    lines += ["    pathlib.Path('waits').touch()", "    time.sleep(0.01)"]
    module.write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(module.parent.resolve()), *sys.path]))
    runs.start(HERE, "dvc", "repro")
    assert wait().progress == runs.BUSY
    open_gate(gate, "")
    assert ended().state == "done"


def test_output_with_other_ends_of_lines_is_read(tmp_path):
    """The name of a photo may contain them, and a killed run leaves half a line."""
    log = tmp_path / runs.LOG
    log.parent.mkdir(parents=True)
    log.write_text(f"1.0\ta\u2028b\x0bc\n2.0\t{runs.END}1\n3", encoding="utf-8")
    run = runs.read(tmp_path)
    assert (run.state, run.lines) == ("failed", ["a\u2028b\x0bc", ""])
    assert runs.printed(tmp_path) == ["a\u2028b\x0bc"]


def test_run_in_a_terminal_is_seen_and_no_other_starts(gate):
    with start_in_terminal(gate.parent) as process:
        while not Path("waits").exists():
            assert psutil.wait_procs([process], timeout=0.05)[1]
        try:
            assert runs.is_elsewhere(HERE)
            with refused("a run in a terminal is active"):
                runs.start(HERE, "dvc", "repro")
        finally:
            open_gate(gate, "second: of a terminal\n")
            process.communicate()
    assert not runs.is_elsewhere(HERE)
    assert runs.read(HERE).state == ""
