from conftest import PROJECT, run


def test_command_runs_without_docstrings_or_says_what_needs_them():
    """`PYTHONOPTIMIZE=2` removes them, and TensorFlow reads its own."""
    result = run("python", "-m", "pawprint", "export", "--help", cwd=PROJECT, PYTHONOPTIMIZE="2")
    if result.returncode:
        (line,) = result.stderr.splitlines()
        assert line.startswith("PYTHONOPTIMIZE: expected 0 or 1, because TensorFlow")
    assert "Traceback" not in result.stderr
