"""Test the runs that the page Run starts, with a real stage that waits for the test."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from app_project import opened
from conftest import environment_with, git_init, refused, succeed
from kills import start as start_in_terminal

from pawprint.app import HERE, page_run
from pawprint.pipeline.dvc import is_running, require_idle

WAITING = """\
import sys, time
from pathlib import Path
print("second: waits")
Path("waits").touch()
try:
    while not Path("gate").exists():
        time.sleep(0.01)
except KeyboardInterrupt:
    sys.exit("second: stopped")
text = Path("gate").read_text()
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
    git_init(tmp_path)
    succeed("dvc", "init", "-q", cwd=tmp_path)
    (tmp_path / "waiting.py").write_text(WAITING, encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": STAGES}), encoding="utf-8")
    page_run.runs().clear()
    return tmp_path / "gate"


def wait(process: subprocess.Popen) -> None:
    """Wait until the second stage of a run waits. Fail if the run ends before that."""
    while not Path("waits").exists():
        assert process.poll() is None
        time.sleep(0.02)
    Path("waits").unlink()


def started() -> subprocess.Popen:
    """Start a run as the page does, and return it once its second stage waits."""
    page_run.start()
    wait(page_run.runs()[-1])
    return page_run.runs()[-1]


def open_gate(gate: Path, text: str) -> None:
    """Let the second stage end. It fails if the text is empty."""
    gate.with_suffix(".part").write_text(text, encoding="utf-8")
    gate.with_suffix(".part").replace(gate)


def test_run_is_shown_with_its_output_by_every_page_and_no_other_starts(gate):
    run = started()
    page = opened("page_run", "show")
    assert page.code[0].value.endswith("second: waits")
    assert [button.label for button in page.button] == ["Stop"]
    page_run.start()
    assert page_run.runs() == [run]
    with refused("a `dvc` is running"):  # as from `pawprint discard`
        require_idle(HERE)
    open_gate(gate, "all is well")
    assert run.wait() == 0
    page = opened("page_run", "show")
    assert [button.label for button in page.button] == ["Run"]
    assert not page.error


def test_failed_run_says_so_and_the_next_one_goes_on_with_its_stage(gate):
    run = started()
    open_gate(gate, "")
    assert run.wait() != 0
    page = opened("page_run", "show")
    (error,) = page.error
    assert "stopped" not in error.value
    assert "failed to reproduce 'second'" in page.code[0].value
    run = started()
    assert "'first' didn't change" in page_run.LOG.read_text(encoding="utf-8")
    open_gate(gate, "once more")
    assert run.wait() == 0


def test_stopped_run_leaves_no_process_and_the_next_one_ends(gate):
    run = started()
    page_run.stop(run)
    assert "stopped" in opened("page_run", "show").error[0].value
    if os.name == "posix":  # like Ctrl-C
        assert "second: stopped" in page_run.LOG.read_text(encoding="utf-8")
    assert "second" not in Path("dvc.lock").read_text(encoding="utf-8")
    assert not is_running(HERE)
    run = started()
    open_gate(gate, "once more")
    assert run.wait() == 0


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_stopped_run_that_ignores_signals_is_killed(gate, monkeypatch):
    monkeypatch.setattr(page_run, "SECONDS", 0.2)
    ignoring = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    ignoring += "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    Path("waiting.py").write_text(ignoring + WAITING, encoding="utf-8")
    page_run.stop(started())
    assert not is_running(HERE)


# A background process of a script, or a service, may ignore SIGINT, and so would its children.
@pytest.mark.parametrize("start", ["", "import signal\nsignal.signal(2, signal.SIG_IGN)\n"])
def test_run_ends_with_the_app(gate, start):
    code = f"{start}import time\n"
    code += """from pawprint.app import page_run
page_run.SECONDS = 60
page_run.start()
while not page_run.Path("waits").exists():
    time.sleep(0.02)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "second: stopped" in page_run.LOG.read_text(encoding="utf-8") or os.name != "posix"
    assert not is_running(HERE)
    assert not Path("second.txt").exists()


@pytest.mark.skipif(os.name != "posix", reason="a signal")
def test_run_in_a_terminal_is_known_until_it_ends_or_is_killed(gate):
    with start_in_terminal(gate.parent) as process:
        wait(process)
        assert is_running(HERE)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert not is_running(HERE)
    with start_in_terminal(gate.parent) as process:
        wait(process)
        page_run.start()
        assert page_run.runs() == []
        page = opened("page_run", "show")
        assert len(page.info) == 1
        assert not page.button
        open_gate(gate, "of a terminal")
        process.communicate()
    assert not is_running(HERE)
