"""Test that `make docs` is strict, and that the reference contains everything public."""

import sys

import pytest
from conftest import PROJECT

import pawprint
from pawprint.__main__ import COMMANDS
from pawprint.base.yaml_file import read_yaml

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
