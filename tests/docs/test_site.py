"""Test that `make docs` is strict, and that the reference contains everything public."""

import shutil
import sys

import pytest
from conftest import PROJECT, run

import pawprint
from pawprint.__main__ import COMMANDS
from pawprint.yaml_file import read_yaml

BUILD = PROJECT / "docs" / "site" / "build.py"


@pytest.fixture(scope="module")
def reference():
    sys.path.insert(0, str(BUILD.parent))
    import reference

    sys.path.remove(str(BUILD.parent))
    return reference


def test_reference_has_every_command_param_and_public_function(reference):
    page = reference.commands_page()
    sections = dict(part.split("\n", 1) for part in page.split("\n## ")[1:])
    assert list(sections) == list(COMMANDS) and str(PROJECT) not in page
    assert "| `--minutes M` |" in sections["try"]
    assert "```console\n$ pawprint predict photos\n" in sections["predict"]
    page = reference.params_page()
    for section, params in read_yaml(PROJECT / "params.yaml").items():
        assert all(f"\n| `{section}.{key}` | " in page for key in params)
    assert "| `split.near_duplicate_distance` | a whole number from 0 to 16 | `8` |" in page
    page = reference.python_page()
    assert all(f"\n## {name}\n" in page for name in pawprint.__all__)


def test_reference_has_what_each_stage_depends_on_and_writes(reference):
    sections = dict(part.split("\n", 1) for part in reference.stages_page().split("\n## ")[1:])
    for name, stage in read_yaml(PROJECT / "dvc.yaml")["stages"].items():
        for item in [*stage.get("deps", []), *stage.get("params", []), *stage.get("outs", [])]:
            assert f"`{item if isinstance(item, str) else next(iter(item))}`" in sections[name]


@pytest.mark.slow
def test_dead_link_fails_the_build_and_is_named(tmp_path):
    pytest.importorskip("sphinx", reason="Sphinx is not installed")
    shutil.copytree(PROJECT / "docs", tmp_path / "docs")
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"):
        shutil.copy(PROJECT / name, tmp_path)
    page = tmp_path / "docs" / "scale.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(f"{text}\n[Gone](tutorial.md#gone)\n", encoding="utf-8")
    where = ("--docs", str(page.parent), "--output", str(tmp_path / "build"))
    result = run("python", str(BUILD), *where, cwd=tmp_path)
    assert result.returncode
    (line,) = [line for line in result.stderr.splitlines() if "WARNING" in line]
    assert "scale.md" in line and "gone" in line
