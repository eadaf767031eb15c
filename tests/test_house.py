"""What there is, and that imports point one way, from room to room."""

import ast
import tomllib
from collections import Counter
from pathlib import PurePosixPath

import pytest
from conftest import CODE, MODULES, PROJECT

from pawprint.__main__ import COMMANDS
from pawprint.files import read_yaml

# What a maintainer has to hold. Who raises a number lowers another one, or writes a decision:
# docs/decisions/33.
THERE_IS = {
    "modules": {
        "pawprint": 11,
        "pawprint/app": 7,
        "pawprint/commands": 16,
        "pawprint/dataset": 8,
        "pawprint/engine": 2,
        "pawprint/features": 3,
        "pawprint/images": 5,
        "pawprint/model": 7,
        "pawprint/network": 10,
        "pawprint/params": 3,
        "pawprint/pipeline": 4,
        "pawprint/recipes": 1,
        "pawprint/reports": 3,
        "pawprint/scores": 6,
        "pawprint/templates": 1,
        "stages": 15,
    },
    "params": 62,
    "commands": 14,
    "stages": 14,
    "extras": 7,
}
MAX_LINES = 400  # of a module
MAX_MAIN = 60  # lines of the `main` of a stage

# Which rooms a folder of code imports, besides the modules of `pawprint/` itself.
MAY_IMPORT = {
    "pawprint": {"model", "pipeline"},  # the package loads models
    "pawprint/pipeline": set(),
    "pawprint/params": {"pipeline"},
    "pawprint/images": {"params"},
    "pawprint/engine": {"pipeline"},
    "pawprint/dataset": {"engine", "images", "params"},
    "pawprint/features": {"engine", "images", "params", "pipeline"},
    "pawprint/network": {"features", "params"},
    "pawprint/model": {"engine", "images", "network", "params", "pipeline"},
    "pawprint/scores": {"model"},
    "pawprint/reports": {"dataset", "engine", "images", "params", "scores"},
}
ROOMS = {name.removeprefix("pawprint/") for name in MAY_IMPORT} - {"pawprint"}
MAY_IMPORT |= {
    "pawprint/templates": set(),
    "pawprint/commands": ROOMS | {"templates"},
    "pawprint/recipes": ROOMS | {"commands"},  # the demo, which no module imports
    "pawprint/app": ROOMS | {"commands"},
    "stages": ROOMS | {"templates"},  # `code` checks a project's files
    "examples": ROOMS,
    "bench": ROOMS | {"commands", "recipes"},
}
CODE_ROOMS = [name for name in MAY_IMPORT if name.startswith("pawprint")]
PACKAGE = "stages/__init__.py"
STAGES = [module for module in MODULES if module.startswith("stages/") and module != PACKAGE]


def room(module: str) -> str:
    """The folder that a module belongs to: `pawprint/images`, `stages`, or `pawprint` itself."""
    parts = PurePosixPath(module).parts
    return "/".join(parts[:2]) if parts[0] == "pawprint" and len(parts) > 2 else parts[0]


def test_module_imports_only_the_rooms_that_the_design_allows():
    for module in MODULES:
        others = {room(file) for file in CODE.imported_files(module)} - {room(module), "pawprint"}
        rooms = {folder.removeprefix("pawprint/") for folder in others}
        assert rooms <= MAY_IMPORT[room(module)], module


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_another(stage):
    closure = CODE.closure(stage)
    assert {module for module in closure if room(module) == "stages"} == {stage, PACKAGE}


@pytest.mark.parametrize(
    "stage", [f"stages/{stage}.py" for stage in ("predict", "calibrate", "evaluate")]
)
def test_prediction_and_calibration_do_not_depend_on_the_training_code(stage):
    assert "pawprint/network" not in {room(module) for module in CODE.closure(stage)}


def test_what_computes_a_row_of_features_depends_on_no_params_errors_or_tables():
    modules = CODE.closure("pawprint/features/rows.py")
    assert "pawprint/params" not in {room(module) for module in modules}
    of_package = {module for module in modules if room(module) == "pawprint"}
    assert of_package == {"pawprint/runtime.py"}


def test_one_module_imports_dvc():
    """What another tool would have to do in the place of DVC is one page."""
    tops = {module: {name.split(".")[0] for name in CODE.imports_of(module)} for module in MODULES}
    asking = [module for module, names in tops.items() if names & {"dvc", "dvc_data"}]
    assert asking == ["pawprint/pipeline/dvc.py"]


def test_what_there_is_is_what_the_table_says():
    """A module counts if it has more than a docstring; a param is a value of params.yaml."""
    with (PROJECT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    sections = read_yaml(PROJECT / "params.yaml").values()
    rooms = Counter(room(module) for module in MODULES if has_code(module))
    assert {
        "modules": {name: rooms[name] for name in sorted(rooms) if name in (*CODE_ROOMS, "stages")},
        "params": sum(map(count_values, sections)),
        "commands": len(COMMANDS),
        "stages": len(read_yaml(PROJECT / "dvc.yaml")["stages"]),
        "extras": len(extras),
    } == THERE_IS


def has_code(module: str) -> bool:
    return len(ast.parse((PROJECT / module).read_text(encoding="utf-8")).body) > 1


def count_values(value: object) -> int:
    return sum(map(count_values, value.values())) if isinstance(value, dict) and value else 1


@pytest.mark.parametrize(
    "module", [name for name in MODULES if room(name) in (*CODE_ROOMS, "stages")]
)
def test_module_is_short(module):
    text = (PROJECT / module).read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_LINES
    if module in STAGES:
        [main] = [node for node in ast.parse(text).body if getattr(node, "name", "") == "main"]
        assert main.end_lineno - main.lineno < MAX_MAIN
