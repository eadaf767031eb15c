"""The files for VS Code and its dev container name what is there."""

import json
import re

from conftest import PROJECT

CONTAINER = json.loads((PROJECT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
EXTENSIONS = json.loads((PROJECT / ".vscode" / "extensions.json").read_text("utf-8"))
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")


def test_container_is_set_up_by_what_make_test_needs():
    make, target = CONTAINER["postCreateCommand"].split()
    assert make == "make"
    assert re.search(rf"^test: {re.escape(target)}$", MAKEFILE, re.MULTILINE)


def test_interpreter_of_the_container_is_where_make_puts_it():
    settings = CONTAINER["customizations"]["vscode"]["settings"]
    binaries = re.search(r"^BIN := (.+)$", MAKEFILE, re.MULTILINE)[1]
    assert settings["python.defaultInterpreterPath"] == (
        f"${{containerWorkspaceFolder}}/{binaries}/python"
    )


def test_python_of_the_container_is_one_that_the_project_supports():
    version = tuple(map(int, CONTAINER["image"].rpartition(":")[2].split(".")))
    bounds = re.search(
        r'requires-python = ">=([\d.]+),<([\d.]+)"', (PROJECT / "pyproject.toml").read_text("utf-8")
    )
    lowest, beyond = (tuple(map(int, bound.split("."))) for bound in bounds.groups())
    assert lowest <= version < beyond


def test_container_has_the_recommended_extensions():
    extensions = CONTAINER["customizations"]["vscode"]["extensions"]
    assert extensions == EXTENSIONS["recommendations"]
