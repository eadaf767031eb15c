"""DVC starts the stages with the first `python` of PATH."""

import sys
import venv

from conftest import PROJECT, run


def test_python_without_the_packages_is_one_line_that_says_what_to_activate(tmp_path):
    venv.create(tmp_path / "empty", with_pip=False)
    python = tmp_path / "empty" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    result = run(str(python), "-m", "stages.fetch", cwd=PROJECT)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "expected the packages of requirements.txt. Received: no pydantic" in line
    assert "`. .venv/bin/activate`" in line
