"""`dvc.yaml` is kept by hand; this holds it against the code."""

import ast
import hashlib
from pathlib import Path

import pytest
from conftest import PROJECT
from ruamel.yaml import YAML

from stages.shared import paths
from stages.shared.params import Params

STAGES = YAML(typ="safe").load(PROJECT / "dvc.yaml")["stages"]


def imported(module: Path) -> set[Path]:
    """The project's modules that this one imports, directly or through another, and itself."""
    found = {module}
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("stages."):
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                path = PROJECT / (name.replace(".", "/") + ".py")
                if path.is_file() and path not in found:
                    found |= imported(path)
    return found


def main_of(name: str) -> ast.FunctionDef:
    tree = ast.parse((PROJECT / "stages" / f"{name}.py").read_text(encoding="utf-8"))
    return next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main")


def params_read(name: str) -> set[str]:
    """What `main` takes from params: `params.section` or `params.section.key`."""
    chains = set()
    for node in ast.walk(main_of(name)):
        if isinstance(node, ast.Attribute):
            chain = ast.unparse(node).split(".")
            if chain[0] == "params":
                chains.add(".".join(chain[1:]))
    whole_sections = {
        chain
        for chain in chains
        if "." not in chain and not any(other.startswith(f"{chain}.") for other in chains)
    }
    keys = {chain for chain in chains if "." in chain}
    return whole_sections | keys


@pytest.mark.parametrize("name", STAGES)
def test_modules_that_a_stage_imports_are_its_deps(name):
    expected = {
        path.relative_to(PROJECT).as_posix() for path in imported(PROJECT / "stages" / f"{name}.py")
    }
    listed = {dep for dep in STAGES[name]["deps"] if dep.endswith(".py")}
    assert listed == expected
    assert STAGES[name]["cmd"] == f"python -m stages.{name}"


@pytest.mark.parametrize("name", STAGES)
def test_files_that_a_stage_names_are_its_deps_and_outs(name):
    named = {
        getattr(paths, node.attr).as_posix()
        for node in ast.walk(main_of(name))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "paths"
    }
    stage = STAGES[name]
    files = {dep for dep in stage["deps"] if not dep.endswith(".py")} | set(stage.get("outs", []))
    files |= {next(iter(entry)) for kind in ("metrics", "plots") for entry in stage.get(kind, [])}
    assert files == named


@pytest.mark.parametrize("name", STAGES)
def test_params_that_a_stage_reads_are_declared(name):
    declared = set(STAGES[name]["params"])
    read = params_read(name)
    assert {param.split(".")[0] for param in declared} <= set(Params.model_fields)
    for param in read:
        assert param in declared or param.split(".")[0] in declared, param
    for param in declared:
        assert any(key == param or key.startswith(f"{param}.") for key in read), param


@pytest.mark.parametrize("name", STAGES)
def test_committed_results_are_those_of_this_code_and_these_params(name):
    locked = YAML(typ="safe").load(PROJECT / "dvc.lock")["stages"][name]
    assert {dep["path"] for dep in locked["deps"]} == set(STAGES[name]["deps"])
    for dep in locked["deps"] + locked["outs"]:
        file = PROJECT / dep["path"]
        if file.parts[-2] in ("metrics", "plots", "shared", "stages") and file.is_file():
            assert hashlib.md5(file.read_bytes()).hexdigest() == dep["md5"], dep["path"]
    params = YAML(typ="safe").load(PROJECT / "params.yaml")
    for key, value in locked.get("params", {}).get("params.yaml", {}).items():
        expected = params
        for part in key.split("."):
            expected = expected[part]
        assert value == expected, key


def test_every_path_is_used():
    named = {
        node.attr
        for name in STAGES
        for node in ast.walk(main_of(name))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "paths"
    }
    assert named == {name for name in vars(paths) if name.isupper()}


def test_pictures_that_show_photos_are_kept_out_of_git():
    ignored = (PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines()
    for name in STAGES:
        for out in STAGES[name].get("outs", []):
            assert f"/{out}" in ignored or f"/{out.split('/')[0]}/" in ignored, out
