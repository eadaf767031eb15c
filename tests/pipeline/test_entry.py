"""Test that entry points end with one line, and that the library raises exceptions instead."""

import os
import signal

import pytest
from conftest import PROJECT, run

STOPPED = -signal.SIGINT if os.name == "posix" else 0xC000013A  # STATUS_CONTROL_C_EXIT


def python(code: str, **environment: str):
    return run("python", "-c", code, cwd=PROJECT, **environment)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("InputError('a.csv: expected b')", "a.csv: expected b"),
        ("ModuleNotFoundError(name='dvc')", "the package dvc is not installed. Run `pip install "),
        ("MemoryError", "memory"),
    ],
)
def test_mistake_is_one_line_and_status_1(error, shown):
    code = "from pawprint.pipeline.entry import run\nfrom pawprint.base.errors import InputError\n"
    result = python(code + f"def main():\n    raise {error}\nrun(main)")
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1 and shown in line


def test_ctrl_c_is_one_line_and_a_stage_says_what_dvc_has_removed():
    main = "def main():\n    raise KeyboardInterrupt\n"
    code = f"from pawprint.pipeline.entry import run\n{main}run(main)"
    result = python(code)
    (line,) = result.stderr.split("\n")[1:-1]
    assert result.returncode == STOPPED and "stopped" in line
    printed = python(code, DVC_STAGE="split").stderr
    assert "dvc repro" in printed and "discard" in printed
    assert "dvc" not in python(code, DVC_STAGE="code").stderr


@pytest.mark.parametrize("module", ["numpy", "pydantic"])
def test_ctrl_c_while_a_stage_starts_is_one_line(tmp_path, module):
    (tmp_path / f"{module}.py").write_text(
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.raise_signal(signal.SIGINT)\n"
    )
    result = run("python", "-m", "stages.evaluate", cwd=PROJECT, PYTHONPATH=str(tmp_path))
    assert (result.returncode, result.stderr) == (STOPPED, "\nevaluate: stopped\n")


def test_label_that_the_terminal_cannot_show_is_printed_as_an_escape():
    code = "from pawprint.pipeline.entry import run\nrun(lambda: print('猫'))"
    result = python(code, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (result.returncode, result.stdout, result.stderr) == (0, "\\u732b\n", "")
