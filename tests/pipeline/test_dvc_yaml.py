"""`dvc.yaml` is kept by hand; this holds each of its lines against the code.

A module that a stage imports but does not list would leave stale results behind in silence, and
one that it lists but does not import would rerun it for nothing.
"""

import ast
import copy
import hashlib
from pathlib import Path

import pytest
from conftest import PROJECT
from ruamel.yaml import YAML

from pawprint.core import paths
from pawprint.core.params import Params

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


def named_in_main(stage: str, variable: str) -> set[str]:
    """What `main` of a stage takes from a variable: "model.alpha" for `params.model.alpha`."""
    tree = ast.parse((PROJECT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    main = next(node for node in tree.body if getattr(node, "name", "") == "main")
    attributes = [node for node in ast.walk(main) if isinstance(node, ast.Attribute)]
    inner = {id(node.value) for node in attributes}  # `params.model` within `params.model.alpha`
    names = [node for node in ast.walk(main) if isinstance(node, ast.Name)]
    if variable == "params" and any(
        name.id == variable and isinstance(name.ctx, ast.Load) and id(name) not in inner
        for name in names
    ):  # handed on as a whole
        return set(Params.model_fields)
    chains = [ast.unparse(node).split(".") for node in attributes if id(node) not in inner]
    return {".".join(chain[1:]) for chain in chains if chain[0] == variable}


def keys(params: set[str]) -> set[str]:
    """Sections expanded to their keys: {"split"} to {"split.seed", …}."""
    expanded = set()
    for name in params:
        section, _, key = name.partition(".")
        model = Params.model_fields[section].annotation
        expanded |= {name} if key else {f"{section}.{each}" for each in model.model_fields}
    return expanded


# What the code of each stage says: modules it imports, params and files that its `main` names.
MODULES = {
    name: {
        path.relative_to(PROJECT).as_posix() for path in imported(PROJECT / "stages" / f"{name}.py")
    }
    for name in STAGES
}
PARAMS = {name: keys(named_in_main(name, "params")) for name in STAGES}
FILES = {
    name: {
        getattr(paths, constant.split(".")[0]).as_posix()
        for constant in named_in_main(name, "paths")
        if constant != "PIPELINE"  # DVC takes its own file for no dependency
    }
    for name in STAGES
}


def files_of(stage: dict) -> list[str]:
    """The data files of a stage in `dvc.yaml`: inputs, outputs, metrics and plots."""
    inputs = [dep for dep in stage["deps"] if not dep.endswith(".py")]
    return inputs + [path for path, _ in outputs_of(stage)]


def outputs_of(stage: dict) -> list[tuple[str, bool]]:
    """Path of each output, and whether it is in Git, and not in DVC's cache."""
    listed = [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
    return [(out, False) if isinstance(out, str) else (next(iter(out)), True) for out in listed]


def problems(stages: dict) -> list[str]:
    """Where `dvc.yaml` and the code disagree."""
    found = []
    for name, stage in stages.items():
        modules = {dep for dep in stage["deps"] if dep.endswith(".py")}
        for kind, listed, used in (
            ("module", modules, MODULES[name]),
            ("param", keys(set(stage["params"])), PARAMS[name]),
            ("file", set(files_of(stage)), FILES[name]),
        ):
            found += [f"{name}: {kind} {each} is listed, not used" for each in listed - used]
            found += [f"{name}: {kind} {each} is used, not listed" for each in used - listed]
        if stage["cmd"] != f"python -m stages.{name}":
            found.append(f"{name}: {stage['cmd']} runs another stage")
    return found


def mutations():
    """`dvc.yaml` with one line taken away, or one idle line added, for every list in it."""
    idle = {"deps": "LICENSE", "outs": "data/idle", "metrics": {"metrics/idle.json": {}}}
    for name, stage in STAGES.items():
        for kind in ("deps", "params", "outs", "metrics", "plots"):
            for index, line in enumerate(stage.get(kind, [])):
                mutated = copy.deepcopy(STAGES)
                del mutated[name][kind][index]
                yield f"{name}.{kind} without {line}", mutated
        others = {f"stages/{other}.py" for other in STAGES} | set().union(*MODULES.values())
        added = [("deps", module) for module in sorted(others - MODULES[name])]
        added += [
            ("params", section)
            for section in Params.model_fields
            if not keys({section}) <= PARAMS[name]
        ]
        for kind, line in [*added, *idle.items()]:
            mutated = copy.deepcopy(STAGES)
            mutated[name].setdefault(kind, []).append(line)
            yield f"{name}.{kind} with {line}", mutated


def test_lists_of_dvc_yaml_are_what_the_code_says():
    assert problems(STAGES) == []


def test_every_single_removal_and_idle_addition_is_caught():
    tried = [description for description, mutated in mutations() if problems(mutated)]
    missed = [description for description, mutated in mutations() if not problems(mutated)]
    print(f"{len(tried)} mutations of dvc.yaml caught")
    assert missed == []
    assert len(tried) > 300


def test_every_path_is_used():
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in (".", "stages", "app", "bench", "recipes")
        for path in (PROJECT / folder).glob("*.py")
    )
    unused = [name for name in vars(paths) if name.isupper() and f"paths.{name}" not in code]
    assert unused == []


def test_pictures_that_show_photos_are_kept_out_of_git():
    ignored = (PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines()
    for name in STAGES:
        for out, in_git in outputs_of(STAGES[name]):
            if in_git:
                assert f"/{out}" not in ignored
                continue
            assert f"/{out}" in ignored or f"/{out.split('/')[0]}/" in ignored, out


@pytest.mark.parametrize("name", STAGES)
def test_committed_results_are_those_of_this_code_and_these_params(name):
    locked = YAML(typ="safe").load(PROJECT / "dvc.lock")["stages"][name]
    assert {dep["path"] for dep in locked["deps"]} == set(STAGES[name]["deps"])
    kept_by_dvc = {
        path for stage in STAGES.values() for path, in_git in outputs_of(stage) if not in_git
    }
    for entry in locked["deps"] + locked["outs"]:
        file = PROJECT / entry["path"]
        if entry["path"] not in kept_by_dvc:
            assert hashlib.md5(file.read_bytes()).hexdigest() == entry["md5"], entry["path"]
    params = YAML(typ="safe").load(PROJECT / "params.yaml")
    for key, value in locked.get("params", {}).get("params.yaml", {}).items():
        expected = params
        for part in key.split("."):
            expected = expected[part]
        assert value == expected, key
